"""What forms say of a plan that is to be prescribed: its doses, adjusted by plus and minus, its first day, and the patient's
agreement.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import NamedTuple

from flask_babel import gettext as _, lazy_gettext as lazy, ngettext

from booking.scheduling.plans.course import Course, Phase
from booking.services.clinic import Clinic, PlanTemplate, VisitType
from booking.services.plans.choosing import Agreed, Agreement
from booking.web.contacts import Unreadable
from booking.web.numerals import whole

_DAYS = 7
LONGEST_NAME = 100
RHYTHMS = {
    1: lazy("Each week"),
    2: lazy("Every second week"),
    3: lazy("Every third week"),
    4: lazy("Every fourth week"),
}
_AGREED = {Agreed.IN_PERSON: lazy("in person"), Agreed.TELEPHONE: lazy("on the telephone")}


class DoseField(NamedTuple):
    """How often a week somebody comes for one kind of care. `value`: what the form sends, "" as the template has it."""

    care: VisitType
    value: str
    words: str
    is_least: bool
    is_most: bool

    @property
    def name(self) -> str:
        return f"dose-{self.care.slug}"


def dose_fields(clinic: Clinic, template: PlanTemplate, values: Mapping[str, str]) -> tuple[DoseField, ...]:
    """The fields of a template's doses, as they were sent and after the press of a plus or minus."""
    return course_fields(clinic, template.course, values)


def course_fields(
    clinic: Clinic, course: Course, values: Mapping[str, str], others: Iterable[str] = ()
) -> tuple[DoseField, ...]:
    """The same for anything that prescribes; with `others`, of which it has none."""
    found = []
    for slug in dict.fromkeys((*course.kinds, *others)):
        care, sent = clinic.visit_type(slug), _read(values.get(f"dose-{slug}", ""))
        step = values.get("step", "")
        base = sent or _first(course, slug)
        if step[:-1] == slug and step[-1] in "+-":
            sent = base = _stepped(base, step[-1], _most(course, care))
        words = _in_words(course, slug, sent)
        found.append(DoseField(care, _value(sent), words, base[1] == 0, base[0] == _most(course, care)))
    return tuple(found)


def every(values: Mapping[str, str]) -> int | None:
    """In each of how many weeks they are to come, as it was sent; None for as it is."""
    number = whole(values.get("every", ""), 1)
    return number if number in RHYTHMS else None


def in_rhythm(course: Course, every: int | None) -> Course:
    """The same in another rhythm, if one was sent."""
    return replace(course, phases=tuple(replace(one, every=every or one.every) for one in course.phases))


def doses(fields: tuple[DoseField, ...]) -> dict[str, tuple[int, int]]:
    """What was changed of the template's doses."""
    return {field.care.slug: sent for field in fields if (sent := _read(field.value))}


def agreement(values: Mapping[str, str]) -> Agreement | None:
    """What was sent of the patient's agreement. Raises Unreadable where it isn't said how they agreed."""
    how, by = values.get("agreed", ""), "".join(filter(str.isprintable, values.get("agreed_by", ""))).strip()
    if not how and not by:
        return None
    try:
        return Agreement(Agreed(how), by[:LONGEST_NAME])
    except ValueError:
        raise Unreadable(_("Please choose how they agreed.")) from None


def agreed(facts: Mapping[str, str]) -> str:
    """An agreement as the history of a plan has it, as in "in person, Maria Lopez for them"."""
    how = str(_AGREED[Agreed(facts["how"])])
    return _("%(how)s, %(name)s for them", how=how, name=facts["by"]) if facts["by"] else how


def next_monday(today: date) -> date:
    return today + timedelta(days=_DAYS - today.weekday())


def _read(words: str) -> tuple[int, int] | None:
    fewest, _between, most = words.partition("-")
    least, greatest = whole(fewest, 1), whole(most or fewest, 1)
    if least is None or greatest is None or least > greatest:
        return None
    return least, greatest


def _value(dose: tuple[int, int] | None) -> str:
    return f"{dose[0]}-{dose[1]}" if dose else ""


def _first(course: Course, slug: str) -> tuple[int, int]:
    """Of the first phase that has any; none, where no phase has."""
    return next(
        ((one.fewest, one.most) for phase in course.phases for one in phase.doses if one.visit_type == slug),
        (0, 0),
    )


def _most(course: Course, care: VisitType) -> int:
    """As many as a week has room for with the days of rest between."""
    rest = course.rest_days.get(care.modality.slug, 0)
    return (_DAYS - 1) // (rest + 1) + 1


def _stepped(dose: tuple[int, int], way: str, most: int) -> tuple[int, int]:
    """One more or one fewer; of a range its most or its fewest."""
    ends = {"+": dose[1], "-": dose[0]}
    number = ends[way] if dose[0] != dose[1] else dose[0] + (1 if way == "+" else -1)
    number = min(max(number, 0), most)
    return number, number


def _words(dose: tuple[int, int]) -> str:
    fewest, most = dose
    if not most:
        return _("none")
    if fewest != most:
        return _("%(fewest)d to %(most)d a week", fewest=fewest, most=most)
    return _("%(number)d a week", number=most)


def _in_words(course: Course, slug: str, sent: tuple[int, int] | None) -> str:
    """As in "3 a week, then 2 a week, then none", or with the dose that was sent in the rhythm of each phase that has some."""
    if slug not in course.kinds:
        return _words(sent or (0, 0))
    phases = []
    for phase in course.phases:
        dose = next((one for one in phase.doses if one.visit_type == slug), None)
        if dose:
            phases.append(_of_phase(phase, sent or (dose.fewest, dose.most)))
        elif phase.doses:
            phases.append(_words((0, 0)))
    return _(", then ").join(dict.fromkeys(phases))


def _of_phase(phase: Phase, dose: tuple[int, int]) -> str:
    if phase.every == 1 or not dose[1]:
        return _words(dose)
    return ngettext("%(dose)d every %(num)d week", "%(dose)d every %(num)d weeks", phase.every, dose=dose[1])
