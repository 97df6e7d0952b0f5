"""What is asked of somebody who is about to book a plan: when they can come, with whom, from which day on.

The answers travel in addresses and forms, from page to page: nothing of them is kept until the plan is booked.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from flask_babel import gettext as _
from werkzeug.datastructures import MultiDict

from booking.models import BookableBy
from booking.scheduling.hours import wall_at
from booking.scheduling.plans.windows import Presence, TimeWindow
from booking.services.clinic import Clinic, Modality, Practitioner
from booking.services.plans.ground import HORIZON_DAYS
from booking.services.plans.impossible import Relaxation
from booking.services.plans.reading import PlanView
from booking.web import windows
from booking.web.plan_words import list_of

ABSENCES = 3
_MIDNIGHT = 24 * 60
_A_MONDAY = date(2001, 1, 1)


class Tick(NamedTuple):
    """A part of a weekday, Monday 0, that can be ticked. `value`: as it travels."""

    weekday: int
    part: windows.Part

    @property
    def value(self) -> str:
        return windows.box(self.weekday, self.part)


class TickRow(NamedTuple):
    """The parts of one weekday."""

    name: str
    ticks: tuple[Tick, ...]


class Whom(NamedTuple):
    """Who gives a kind of care. `only`: with whom it was prescribed, and with nobody else."""

    modality: Modality
    people: tuple[Practitioner, ...]
    only: tuple[Practitioner, ...]


@dataclass(frozen=True)
class Asking:
    """What is asked for one plan. `plan`: the one that was prescribed; None for one that patients begin by themselves."""

    clinic: Clinic
    modalities: tuple[Modality, ...]
    today: date
    whom: tuple[Whom, ...]
    plan: PlanView | None = None

    @property
    def rows(self) -> list[TickRow]:
        """Weekdays and parts of the day in which the clinic is open."""
        found = []
        for weekday in range(7):
            ticks = tuple(
                Tick(weekday, part) for part in windows.PARTS if windows.is_open(self.clinic, weekday, part)
            )
            if ticks:
                found.append(TickRow(self.clinic.times.weekday(_A_MONDAY + timedelta(days=weekday)), ticks))
        return found

    @property
    def agreed(self) -> tuple[TimeWindow, ...]:
        """The windows that were agreed with the prescription, where they are other than what can be ticked."""
        known = self.plan.presence.windows if self.plan else ()
        return known if known and self._ticked(known) is None else ()

    @property
    def agreed_words(self) -> str:
        """As in "Tuesday and Thursday 4:30 pm to 7:00 pm"."""
        times = self.clinic.times
        return "; ".join(
            _(
                "%(days)s %(opens)s to %(closes)s",
                days=list_of(
                    [times.weekday(_A_MONDAY + timedelta(days=one)) for one in sorted(window.weekdays)]
                ),
                opens=times.wall_time(wall_at(window.opens)),
                closes=times.wall_time(wall_at(window.closes)),
            )
            for window in self.agreed
        )

    def to_begin_with(self) -> "MultiDict[str, str]":
        """The answers before anybody has answered."""
        first_day = max(self.plan.first_day, self.today) if self.plan else self.today + timedelta(days=1)
        given: MultiDict[str, str] = MultiDict({"first": first_day.isoformat()})
        if self.plan is None:
            return given
        if self.agreed:
            given["agreed"] = "1"
        for tick in self._ticked(self.plan.presence.windows) or ():
            given.add("t", tick.value)
        for number, (first, last) in enumerate(self.plan.presence.away[:ABSENCES], 1):
            given[f"away_from_{number}"], given[f"away_to_{number}"] = first.isoformat(), last.isoformat()
        for modality, people in self.plan.wished.items():
            given[f"whom_{modality}"] = people[0] if people else ""
        return given

    def read(self, typed: "MultiDict[str, str]") -> "Answers":
        return Answers.of(self, typed if "asked" in typed else self.to_begin_with())

    def _ticked(self, known: Iterable[TimeWindow]) -> list[Tick] | None:
        """These windows as ticks, or None where they are other ones."""
        found = []
        for window in known:
            for weekday in sorted(window.weekdays):
                ticks = [
                    Tick(weekday, part)
                    for part in windows.PARTS
                    if (there := self._open(weekday, part.opens, part.closes))
                    and all(window.opens <= opens and closes <= window.closes for opens, closes in there)
                ]
                covered = [
                    one for tick in ticks for one in self._open(weekday, tick.part.opens, tick.part.closes)
                ]
                if _length(covered) != _length(self._open(weekday, window.opens, window.closes)):
                    return None
                found += ticks
        return found

    def _open(self, weekday: int, opens: int, closes: int) -> list[tuple[int, int]]:
        return windows.open_within(self.clinic, weekday, opens, closes)


@dataclass(frozen=True)
class Answers:
    """What was answered. `typed`: as it came, to be shown again and carried along; `errors`: by field, what has to be mended."""

    typed: "MultiDict[str, str]"
    first_day: date
    presence: Presence
    wished: Mapping[str, tuple[str, ...]]
    returning: frozenset[str]
    errors: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, asking: Asking, typed: "MultiDict[str, str]") -> "Answers":
        errors: dict[str, list[str]] = {}
        first_day = _first_day(asking, typed, errors)
        sent = set(typed.getlist("t"))
        ticked = windows.read(tick.value for row in asking.rows for tick in row.ticks if tick.value in sent)
        agreed = asking.agreed if "agreed" in typed else ()
        presence = Presence((*agreed, *ticked), tuple(_absences(typed, errors)))
        wished = {
            one.modality.slug: (slug,)
            for one in asking.whom
            if (slug := typed.get(f"whom_{one.modality.slug}")) in {person.slug for person in one.people}
            and slug
        }
        return cls(typed, first_day, presence, wished, _returning(asking, typed, errors), errors)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Everything that was answered, as it travels."""
        names = ("first", "t", "agreed", "away_", "whom_", "known_")
        kept = [
            (name, value[:60])
            for name, value in self.typed.items(multi=True)
            if name.startswith(names) and value
        ]
        return [("asked", "1"), *kept]

    def query(self, **more: Any) -> dict[str, Any]:
        """The same for an address."""
        found: dict[str, Any] = {}
        for name, value in self.pairs:
            found.setdefault(name, []).append(value)
        return found | more

    def relaxed(self, asking: Asking, one: Relaxation) -> dict[str, Any] | None:
        """The address of these answers with a relaxation; None for what the patient can't decide."""
        facts: Mapping[str, Any] = one.facts
        query = self.query()
        if one.kind == "any_time" or facts.get("any_time"):
            query = {name: value for name, value in query.items() if name not in ("t", "agreed")}
        if one.kind == "any_time":
            return query
        if one.kind == "start":
            return query | {"first": facts["day"].isoformat()}
        if one.kind == "window":
            more = [
                tick.value
                for row in asking.rows
                for tick in row.ticks
                if tick.weekday == facts["weekday"]
                and facts["opens"] <= tick.part.opens
                and tick.part.closes <= facts["closes"]
            ]
            return self.query(t=list(dict.fromkeys([*self.typed.getlist("t"), *more])))
        return None


def one_day(typed: "MultiDict[str, str]", today: date, returning: frozenset[str]) -> Answers:
    """The answers of somebody who asks for visits of one day, which is all that is asked for. Whoever is new has chosen a first
    visit by itself.
    """
    found = day_typed(typed.get("first", ""))
    on = found if found and today <= found <= today + timedelta(days=HORIZON_DAYS) else None
    errors = {} if on else {"first": [_("Please choose a day from today on.")]}
    day = on or today
    presence = Presence((TimeWindow(frozenset({day.weekday()}), 0, _MIDNIGHT),))
    return Answers(MultiDict({"first": day.isoformat()}), day, presence, {}, returning, errors)


def asking_for(
    clinic: Clinic,
    modalities: Sequence[tuple[Modality, str]],
    audience: BookableBy,
    today: date,
    plan: PlanView | None,
) -> Asking:
    """`modalities`: each with the visit type of its ordinary visit."""
    whom = []
    for modality, visit_type in modalities:
        only = plan.only.get(modality.slug, ()) if plan else ()
        people = clinic.who_offers(clinic.visit_type(visit_type), audience)
        named = tuple(person for slug in only if (person := clinic.person(slug)))
        whom.append(Whom(modality, () if named else people, named))
    return Asking(clinic, tuple(modality for modality, _care in modalities), today, tuple(whom), plan)


def day_typed(words: str) -> date | None:
    """A day as browsers send it, or as somebody types it where there is no calendar to tap; None for anything else."""
    for form in ("%Y-%m-%d", "%m/%d/%Y", "%m/%d/%y"):
        try:
            return datetime.strptime(words.strip(), form).date()  # noqa: DTZ007 - a day has no zone.
        except ValueError:
            continue
    return None


def _first_day(asking: Asking, typed: "MultiDict[str, str]", errors: dict[str, list[str]]) -> date:
    found = day_typed(typed.get("first", ""))
    last = asking.today + timedelta(days=HORIZON_DAYS)
    if found is None:
        errors["first"] = [_("Please write the first day, as in 12/31/2026.")]
    elif found < asking.today:
        errors["first"] = [_("The first day is over already. Please choose a later one.")]
    elif asking.plan and found < asking.plan.first_day:
        begins = asking.clinic.times.date(asking.plan.first_day)
        errors["first"] = [_("Your plan begins on %(day)s at the earliest.", day=begins)]
    elif found > last:
        errors["first"] = [_("Please choose a first day before %(day)s.", day=asking.clinic.times.date(last))]
    return found or asking.today


def _absences(typed: "MultiDict[str, str]", errors: dict[str, list[str]]) -> Iterable[tuple[date, date]]:
    for number in range(1, ABSENCES + 1):
        names = f"away_from_{number}", f"away_to_{number}"
        words = [typed.get(name, "").strip() for name in names]
        days = [day_typed(one) for one in words]
        for name, word, day in zip(names, words, days, strict=True):
            if word and day is None:
                errors[name] = [_("Please write a day, as in 12/31/2026.")]
        first, last = days[0], days[1]
        if first is None and last is not None and not words[0]:
            errors[names[0]] = [_("From which day on can't you come?")]
        elif first and last and last < first:
            errors[names[1]] = [_("The last day lies before the first. Please look at both.")]
        elif first and (last or not words[1]):
            # Somebody who writes one day means that day.
            yield first, last or first


def _returning(asking: Asking, typed: "MultiDict[str, str]", errors: dict[str, list[str]]) -> frozenset[str]:
    if asking.plan is not None:
        return frozenset(asking.plan.returning)
    found = set()
    for modality in asking.modalities:
        name = f"known_{modality.slug}"
        if "asked" in typed and typed.get(name) not in ("yes", "no"):
            errors[name] = [
                _("Please say whether you have had %(care)s with us before.", care=modality.name.lower())
            ]
        elif typed.get(name) == "yes":
            found.add(modality.slug)
    return frozenset(found)


def _length(stretches: Iterable[tuple[int, int]]) -> int:
    return sum(last - first for first, last in stretches)
