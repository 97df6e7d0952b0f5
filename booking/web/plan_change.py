"""A change of a plan: what it asks for, what it would do, and doing it. The changes themselves:
`plan_change_kinds`, `plan_decide`, `plan_shift`.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from flask_babel import gettext as _

from booking.services.clinic import Practitioner, VisitType
from booking.services.plans.reading import PlanView
from booking.services.plans.visits import PlanVisit
from booking.services.staff.who import Who
from booking.web import asked, payer, prescriptions


@dataclass(frozen=True)
class Preview:
    """What a change would do: lists under a heading each, and what else is to be known. `beyond`: lines of visits that may not
    be covered; `stops`: the payer is to be asked before these are booked. `instead`: other times, as they are sent and in words;
    `partly`: some of it can be done. `pattern`: how the weeks look before and after, where that is what changes.
    """

    lists: tuple[tuple[str, tuple[str, ...]], ...]
    notes: tuple[str, ...] = ()
    possible: bool = True
    beyond: tuple[str, ...] = ()
    stops: bool = False
    instead: tuple[tuple[str, str], ...] = ()
    partly: bool = False
    pattern: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Change(ABC):
    """A change of this plan, as it was sent; without values, as its form begins. `asks`: what the preview depends on."""

    plan: PlanView
    values: Mapping[str, str]
    name: ClassVar[str]
    title: ClassVar[Any]
    button: ClassVar[Any]
    asks: ClassVar[tuple[str, ...]] = ()
    tell_field: ClassVar[str] = "tell"
    rhythms: ClassVar[Mapping[int, Any]] = prescriptions.RHYTHMS

    @property
    def is_asked(self) -> bool:
        """Whether a form that nobody has sent yet says what it would do."""
        return not self.asks

    @property
    def gone(self) -> str:
        """That what it was asked for isn't there any more."""
        return ""

    @property
    def trouble(self) -> str:
        """What isn't understood of what was sent."""
        return ""

    @property
    def done(self) -> str:
        """Said once it is done."""
        return _("Done.")

    @abstractmethod
    def preview(self, who: Who) -> Preview:
        """What it would do."""

    @abstractmethod
    def do(self, who: Who, version: int | None, key: str) -> dict[str, Any] | None:
        """Does it; returns where to go on, if not to the plan."""

    def mark(self, who: Who) -> str:
        return self.mark_of(self.preview(who))

    def mark_of(self, preview: Preview) -> str:
        """Of what was asked for and shown: another one as soon as something else would be done."""
        seen = [self[name] for name in self.asks], preview, self.doses, self.every
        return hashlib.sha256(repr(seen).encode()).hexdigest()[:32]

    def __getitem__(self, name: str) -> str:
        return self.values.get(name, "")

    @property
    def reason(self) -> str:
        return asked.reason() if "reason" in self.values else ""

    @property
    def beyond(self) -> str:
        """Why it is done all the same, where the payer is to be asked first: that they were."""
        return payer.was_asked(self.values)

    @property
    def tell(self) -> bool:
        """Whether the patient is written to; a form begins with yes, but while somebody has yet to tell them what was decided."""
        return self.tell_field in self.values or ("key" not in self.values and not self.plan.untold_since)

    @property
    def fields(self) -> tuple[prescriptions.DoseField, ...]:
        return ()

    @property
    def doses(self) -> dict[str, tuple[int, int]]:
        return prescriptions.doses(self.fields)

    @property
    def every(self) -> int | None:
        return prescriptions.every(self.values)

    def visits(self, visits: Iterable[PlanVisit]) -> tuple[str, ...]:
        """Visits in words."""
        return tuple(line(self.plan, one.starts_at, one.visit_type, one.practitioner) for one in visits)


def line(plan: PlanView, at: datetime, visit_type: VisitType, person: Practitioner) -> str:
    when = plan.clinic.times.short_moment(at)
    return _("%(when)s, %(visit)s, %(who)s", when=when, visit=visit_type.name, who=person.name)
