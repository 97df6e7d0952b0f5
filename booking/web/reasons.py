"""The words for an empty answer: what is so, and why. The nearest fix stands beside it as a button or a link."""

from flask_babel import gettext as _

from booking.scheduling.reasons import Reason, Why
from booking.scheduling.timeline import instant_of
from booking.services.question import Question


def sentence(reason: Reason, question: Question) -> str:
    """Why nothing is free, for a patient."""
    times = question.clinic.times
    who = question.wanted.name if question.wanted else None
    if reason.why is Why.NOT_OFFERED and who:
        return _("%(who)s doesn't give this visit.", who=who)
    if reason.why is Why.AWAY and who and reason.until:
        return _("%(who)s is away until %(day)s.", who=who, day=times.day(reason.until))
    if reason.why is Why.AWAY and who:
        return _("%(who)s is away.", who=who)
    if reason.why is Why.CLOSED and who:
        return _("%(who)s doesn't work then.", who=who)
    if reason.why is Why.TOO_SOON and reason.not_before is not None:
        return _(
            "It is too soon to book here; from %(when)s on you can.",
            when=times.short_moment(instant_of(reason.not_before)),
        )
    if reason.why is Why.BEYOND_HORIZON and reason.until:
        return _("You can book up to %(day)s.", day=times.day(reason.until))
    if reason.why is Why.FULLY_BOOKED and who:
        return _("%(who)s is fully booked then.", who=who)
    return {
        Why.NOT_OFFERED: _("Nobody offers this visit."),
        Why.CLOSED: _("We are closed then."),
        Why.TOO_SHORT: _("No stretch of working hours is long enough for this visit then."),
        Why.AWAY: _("Everybody who gives this visit is away then."),
        Why.FULLY_BOOKED: _("We are fully booked then."),
        Why.LIMIT_REACHED: _("We take no more of these visits then."),
        Why.NO_ROOM: _("All our rooms are taken then."),
        Why.NO_DEVICE: _("What this visit needs is taken then."),
        Why.PATIENT_BUSY: _("There is another visit at that time."),
    }.get(reason.why, _("Nothing is free then."))
