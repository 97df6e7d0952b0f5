"""What a plan prescribes, in words: how often a week of what, and for how long."""

from collections import Counter

from flask_babel import gettext as _, ngettext

from booking.scheduling.plans.course import Course, Dose, Phase
from booking.services.clinic import Clinic
from booking.web.plan_words import list_of


def prescribed(clinic: Clinic, course: Course) -> str:
    """As in "Acupuncture 3 times a week and chiropractic twice a week, for 4 weeks", phase by phase."""
    phases = [_phase(clinic, phase) for phase in course.phases]
    words = _(", then ").join([phases[0], *(within(one) for one in phases[1:])])
    moved = _moved(course)
    if not moved:
        return words
    return ngettext(
        "%(words)s (%(num)d visit was moved there from an earlier week)",
        "%(words)s (%(num)d visits were moved there from earlier weeks)",
        moved,
        words=words,
    )


def _moved(course: Course) -> int:
    """How many visits of earlier weeks further ones still ask for: there may be fewer by now, or moved on from there."""
    there: Counter[tuple[int, str]] = Counter()
    for one in course.moved:
        there[one.to, one.visit_type] += one.visits
    return sum(min(visits, course.doses(care)[to][1]) for (to, care), visits in there.items())


def within(name: str) -> str:
    """The name of a kind of care within a sentence."""
    return name[:1].lower() + name[1:]


def _phase(clinic: Clinic, phase: Phase) -> str:
    doses = [_dose(clinic, dose, phase.every) for dose in phase.doses if dose.most] or [_("No visits")]
    weeks = ngettext("for %(num)d week", "for %(num)d weeks", phase.weeks)
    return _("%(doses)s, %(weeks)s", doses=list_of([doses[0], *map(within, doses[1:])]), weeks=weeks)


def _dose(clinic: Clinic, dose: Dose, every: int) -> str:
    care = clinic.visit_type(dose.visit_type).modality.name
    return _("%(care)s %(often)s", care=care, often=_often(dose, every))


def _often(dose: Dose, every: int) -> str:
    if dose.fewest != dose.most:
        times = _("%(fewest)d to %(most)d times", fewest=dose.fewest, most=dose.most)
    else:
        times = {1: _("once"), 2: _("twice")}.get(dose.most) or _("%(num)d times", num=dose.most)
    if every == 1:
        return _("%(times)s a week", times=times)
    if every == 2:
        return _("%(times)s every second week", times=times)
    return _("%(times)s every %(num)d weeks", times=times, num=every)
