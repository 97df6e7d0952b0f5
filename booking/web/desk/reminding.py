"""How somebody is reminded of several visits at once, as the desk's forms ask for it."""

from typing import Any

from flask_babel import gettext as _, lazy_gettext as lazy

from booking.models import PlanReminders, Reminders
from booking.services.plans.arranging import Whose
from booking.web.desk.new_visit import reminders_offered

REMINDED_OF = {
    PlanReminders.BOTH: lazy("A list each week, and the day before"),
    PlanReminders.EACH: lazy("The day before each visit"),
    PlanReminders.DIGEST: lazy("A list each week"),
}


def reminders_for(whose: Whose) -> dict[Reminders, Any]:
    """What somebody can be reminded by, with the contacts that they have."""
    return {
        kind: words
        for kind, words in reminders_offered().items()
        if (kind not in (Reminders.EMAIL, Reminders.BOTH) or whose.email)
        and (kind not in (Reminders.TEXT, Reminders.BOTH, Reminders.CALL) or whose.phone)
    }


def read(how: str, of: str) -> tuple[Reminders | None, PlanReminders | None]:
    """How somebody is to be reminded, and of what, as a form sends it; None for what isn't understood."""
    return (
        next((one for one in Reminders if one.value == how), None),
        next((one for one in PlanReminders if one.value == of), None),
    )


def unreachable(field: str) -> str:
    """Why somebody can't be reminded so, by the field that ContactCannotBeReached names."""
    return {
        "email": _("To be reminded by e-mail, an address is needed."),
        "phone": _("To be reminded by phone, a number is needed."),
        "text_consent": _("To be texted, they have to agree. Please ask, and tick it."),
    }.get(field, _("Please choose other reminders."))
