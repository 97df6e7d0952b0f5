"""Which reminders will come, in a sentence: those that the booking would write now."""

from datetime import datetime

from flask_babel import gettext as _, ngettext

from booking import clock
from booking.scheduling.reminder_times import days_before
from booking.services.clinic import Clinic, VisitType


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
