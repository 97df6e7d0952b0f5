"""Signing in, locking and opening again, invitations, one's own account and everybody's."""

from flask import Blueprint

blueprint = Blueprint("sign_in", __name__, url_prefix="/staff")

from booking.web.sign_in import (  # noqa: E402, F401 - they register their routes.
    accounts,
    auditing,
    entering,
    joining,
    locking,
    own,
)
