"""How somebody is reminded, as the desk's forms ask for it and its pages say it."""

from typing import Any

from flask_babel import gettext as _, lazy_gettext as lazy, ngettext

from booking.models import PlanReminders, Reminders
from booking.services.desk.reminding import Way
from booking.services.plans.arranging import Whose
from booking.services.reminded import BY_EMAIL, BY_PHONE, Wished
from booking.web.desk.new_visit import REMINDERS, reminders_offered

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
        if (kind not in BY_EMAIL or whose.email) and (kind not in BY_PHONE or whose.phone)
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
        "stopped": _("This number said STOP: no texts go to it until it says START."),
    }.get(field, _("Please choose other reminders."))


def in_words(wished: Wished) -> str:
    """What was chosen, as in "By e-mail: A list each week"."""
    says = (
        REMINDERS.get(wished.by) if wished.by else None,
        REMINDED_OF.get(wished.of) if wished.of else None,
    )
    return ": ".join(str(one) for one in says if one)


def now_in_words(way: Way) -> str:
    """How they are reminded of some of what is to come."""
    of = way.of if way.by is not Reminders.NONE else None
    if not way.visits:
        return _("%(way)s (a plan that waits to be booked)", way=in_words(Wished(way.by, of)))
    return ngettext(
        "%(way)s (a visit)", "%(way)s (%(num)d visits)", way.visits, way=in_words(Wished(way.by, of))
    )
