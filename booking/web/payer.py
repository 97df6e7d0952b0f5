"""Where the payer is to be asked before staff book: what they read, and what they say by which it is booked all the same."""

from collections.abc import Mapping

from flask_babel import gettext as _


def ask_first() -> str:
    return _("Some of these visits may not be covered. Please ask the payer first, and say so below.")


def was_asked(values: Mapping[str, str]) -> str:
    """The reason that is kept where the form says so, else nothing."""
    return _("The payer was asked.") if "payer" in values else ""
