"""What the API takes and gives of treatment plans, as the OpenAPI document describes it."""

import re
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from booking.scheduling.plans.windows import Presence, TimeWindow
from booking.web.api.schemas import Given, Instant, Slug, Taken, Visitor, day

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

# What a stranger may ask for at once.
MOST_VISITS, MOST_WINDOWS, MOST_ABSENCES, MOST_NAMES = 40, 20, 10, 20


def _minutes(words: object) -> int:
    """Of the wall clock, since midnight."""
    found = re.fullmatch(r"(?a:([01]\d|2[0-3]):([0-5]\d)|24:00)", words) if isinstance(words, str) else None
    if not found:
        raise ValueError("write a time of the day, as in 16:00; the end of the day is 24:00")
    return 24 * 60 if found[1] is None else int(found[1]) * 60 + int(found[2])


def clock_time(minutes: int) -> str:
    """The same, as it is written."""
    return f"{minutes // 60:02}:{minutes % 60:02}"


Day = Annotated[
    date,
    BeforeValidator(day),
    Field(json_schema_extra={"type": "string", "format": "date", "example": "2026-12-03"}),
]
ClockTime = Annotated[
    int,
    BeforeValidator(_minutes),
    Field(json_schema_extra={"type": "string", "pattern": r"^\d\d:\d\d$", "example": "16:00"}),
]
Names = Annotated[list[Slug], Field(min_length=1, max_length=MOST_NAMES)]


class Window(Taken):
    """A stretch of some weekdays, on the clinic's wall clock; a visit lies wholly inside."""

    weekdays: Annotated[list[Weekday], Field(min_length=1, max_length=len(WEEKDAYS))]
    opens: ClockTime = Field(alias="from")
    closes: ClockTime = Field(alias="to")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.closes <= self.opens:
            raise ValueError("a window ends after it begins")
        return self


class Absence(Taken):
    """Days on which the patient can't come, the first and the last."""

    first: Day
    last: Day

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.last < self.first:
            raise ValueError("the last day lies before the first")
        return self


class Asked(Taken):
    """What is asked of a plan. `plan`: the reference of a prescribed one, which its token opens; what isn't said of it is
    as it was prescribed.
    """

    template: Slug | None = None
    plan: Slug | None = None
    first_day: Day | None = None
    windows: Annotated[list[Window], Field(max_length=MOST_WINDOWS)] | None = None
    away: Annotated[list[Absence], Field(max_length=MOST_ABSENCES)] | None = None
    practitioners: Annotated[dict[Slug, Names], Field(max_length=MOST_NAMES)] | None = None
    returning: Annotated[list[Slug], Field(max_length=MOST_NAMES)] | None = None

    def presence(self, known: Presence) -> Presence:
        """When the patient can come; what isn't said of that is as it is known."""
        windows, away = known.windows, known.away
        if self.windows is not None:
            windows = tuple(
                TimeWindow(frozenset(WEEKDAYS.index(name) for name in one.weekdays), one.opens, one.closes)
                for one in self.windows
            )
        if self.away is not None:
            away = tuple((one.first, one.last) for one in self.away)
        return Presence(windows, away)

    @property
    def only(self) -> dict[str, tuple[str, ...]] | None:
        """By modality with whom, and with nobody else, if that is said."""
        return (
            {name: tuple(people) for name, people in self.practitioners.items()}
            if self.practitioners
            else None
        )


class VisitWanted(Taken):
    visit_type: Slug
    practitioner: Slug
    starts_at: Instant


class PlanWanted(Asked, Visitor):
    visits: Annotated[list[VisitWanted], Field(min_length=1, max_length=MOST_VISITS)]


class DoseOfWeek(Given):
    """So many visits a week, the fewest and the most."""

    visit_type: str
    fewest: int
    most: int


class Phase(Given):
    """So many weeks with the same doses; where `every` is 2, each second week has them."""

    weeks: int
    every: int
    doses: list[DoseOfWeek]


class PlanTemplate(Given):
    """`self_service`: patients may begin it by themselves. `rest_days`: free days between two visits, by modality.
    `reassessment`: visit types of which one, after each phase, decides how it goes on.
    """

    id: str
    name: str
    summary: str
    self_service: bool
    weeks: int
    phases: list[Phase]
    rest_days: dict[str, int]
    reassessment: list[str]


class PlanTemplates(Given):
    plan_templates: list[PlanTemplate]


class ProposedVisit(Given):
    """`week`: of the plan, from 1 on. `provisional`: it holds its time until a practitioner has decided. `bent`: why it isn't
    at its regular time, in words.
    """

    visit_type: str
    practitioner: str
    starts_at: str
    local: str
    week: int
    provisional: bool
    bent: str | None


class Proposal(Given):
    """`score`: what the plan costs, by its measure; the least is the best. `beyond_allowance`: visits that may not be
    covered; always empty where the patient isn't known.
    """

    title: str
    measure: str
    score: int
    visits: list[ProposedVisit]
    beyond_allowance: list[str]


class Said(Given):
    code: str
    message: str


class ProposedWindow(Given):
    """As `windows` takes it."""

    weekdays: list[Weekday]
    opens: str = Field(alias="from")
    closes: str = Field(alias="to")


class Relaxation(Given):
    """One change with which a plan was found, each tried by itself. `window`: one more; `any_time` without a fact: none at all;
    `practitioners`: anyone for this `modality`; `besides`: the visit of this `visit_type` that the patient has on this `day`
    outside the plan is moved, or all of them; `start`: another `first_day`; `fewer`: so many `visits` of a `visit_type` in a
    `week`. With `any_time`, no window at all as well.
    """

    code: Literal["window", "any_time", "practitioners", "besides", "start", "fewer"]
    message: str
    window: ProposedWindow | None = None
    modality: str | None = None
    first_day: str | None = None
    week: int | None = None
    visit_type: str | None = None
    visits: int | None = None
    day: str | None = None
    any_time: bool | None = None


class Impossible(Given):
    """The first week that fails, from 1 on; why; and what would help, what asks the least of the patient first."""

    week: int
    reasons: list[Said]
    relaxations: list[Relaxation]


class Proposals(Given):
    """The best first. `notes`: what holds for all of them, such as that only some weeks can be booked yet."""

    time_zone: str
    proposals: list[Proposal]
    impossible: Impossible | None
    notes: list[Said]


class BookedVisit(Given):
    reference: str
    visit_type: str
    starts_at: str
    local: str
    practitioner: str
    provisional: bool
    manage_url: str
    manage_token: str


class BookedPlan(Given):
    reference: str
    plan_url: str
    plan_token: str
    visits: list[BookedVisit]


class VisitOfPlan(BookedVisit):
    """A visit as it stands now."""

    ends_at: str
    week: int
    status: str


class Dose(DoseOfWeek):
    """What became of a kind of care in a week. `left`: how many it lacks of the fewest."""

    booked: int
    attended: int
    missed: int
    made_up: int
    left: int


class Week(Given):
    week: int
    first: str
    last: str
    doses: list[Dose]


class Plan(Given):
    reference: str
    template: str
    name: str
    status: Literal["prescribed", "running", "paused", "stopped", "completed"]
    first_day: str
    time_zone: str
    weeks: list[Week]
    visits: list[VisitOfPlan]
