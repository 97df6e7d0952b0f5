"""Which reminders come, in sentences: those that a booking would write now, and those of what is booked."""

from datetime import datetime

from flask_babel import gettext as _, lazy_gettext as lazy, ngettext

from booking import clock
from booking.models import PlanReminders, Reminders
from booking.scheduling.reminder_times import days_before
from booking.services.clinic import Clinic, VisitType

_BY = {
    Reminders.EMAIL: lazy("We remind you by e-mail."),
    Reminders.TEXT: lazy("We remind you by text message."),
    Reminders.BOTH: lazy("We remind you by e-mail and by text message."),
    Reminders.CALL: lazy("We remind you by a phone call."),
    Reminders.NONE: lazy("We don't remind you."),
}
_OF = {
    PlanReminders.EACH: lazy("The day before each visit."),
    PlanReminders.DIGEST: lazy("Once a week, with a list of the week that follows."),
    PlanReminders.BOTH: lazy(
        "Once a week, with a list of the week that follows, and the day before each visit."
    ),
}


def reminded(by: Reminders, of: PlanReminders | None = None) -> str:
    """How we remind somebody, and of a plan of what."""
    says = [_BY[by]] if of is None or by is Reminders.NONE else [_BY[by], _OF[of]]
    return " ".join(map(str, says))


def reminding(clinic: Clinic, visit_type: VisitType, starts_at: datetime) -> str:
    now = clock.now()
    days = [
        number
        for number in sorted(visit_type.reminder_days, reverse=True)
        if days_before(starts_at, number, clinic.zone) > now
    ]
    if not days:
        return str(_("Your visit is soon, so there will be no other reminder than the confirmation."))
    said = [str(ngettext("%(num)d day before", "%(num)d days before", number)) for number in days]
    return str(_("We remind you %(when)s.", when=_(" and ").join(said)))
