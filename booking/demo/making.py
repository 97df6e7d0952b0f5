"""Making the demo clinic: its file is applied, and its visits are booked through the use cases, around today.

The clock is turned to the moment at which each visit was booked, so that everything about it is as if it had happened:
its history, its messages, its reference. The messages of these visits end as `demo` and are never sent.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from booking import clock
from booking.demo import plans, staff
from booking.demo.people import Person, patients
from booking.errors import Refusal
from booking.formatting import iso_utc
from booking.models import (
    Actor,
    Appointment,
    BookableBy,
    Clinic as ClinicRow,
    Installation,
    Message,
    MessageState,
    Payment,
    Reminders,
    Task,
)
from booking.scheduling.status import Status, move
from booking.scheduling.timeline import cell_from
from booking.services import clinic_file, clinic_rows, history, outbox
from booking.services.booking import Wish, book
from booking.services.clinic import Clinic, present
from booking.services.clinic_file import Away, ClinicFile
from booking.services.reminded import BY_TEXT
from booking.services.search import free_times
from booking.services.transaction import reading, run

FILE = Path(__file__).with_name("clinic.toml")

_LOADING = "The demo is being loaded. If that was interrupted: flask demo"
# Some 300 visits are past and 250 to come, at whatever hour of a day that is as full as a day is.
PAST, TODAY, FUTURE = 275, 30, 204
PAST_DAYS, FUTURE_DAYS = 42, 35
_FIRST_VISITS = ("acupuncture-first", "chiropractic-first")
_USUAL = (
    ("acupuncture-follow-up",) * 5
    + ("chiropractic-follow-up",) * 3
    + ("massage-60",) * 2
    + ("massage-90", "cupping")
)
_NOTES = (
    "",
    "",
    "",
    "",
    "Lower back, worse in the mornings.",
    "I may be five minutes late.",
    "Ground floor, if possible.",
)


@dataclass(frozen=True)
class Made:
    """How many visits were made until the end of today, and for the days after it."""

    past: int
    future: int


def clinic_is_there() -> bool:
    with reading() as session:
        return session.scalar(select(ClinicRow.id)) is not None


def make() -> Made:
    """Loads the demo into an empty database. No worker sends anything meanwhile."""
    outbox.halt(_LOADING)
    now = clock.now()
    definition = clinic_file.parse(FILE.read_text(encoding="utf-8"))
    clinic_rows.apply(_around(definition, now.astimezone(definition.zone).date()))
    run(staff.hire)
    clinic, dice = present(), Random(20)
    people = patients(140)
    today = clinic.times.local_date(now)
    # People with an address, and none of those who come often.
    plans.make(clinic, [person for person in people[40:] if person.email][:5], now)
    past = _fill(clinic, dice, people, _open_days(clinic, today, -PAST_DAYS, -1), PAST, now)
    past += _fill(clinic, dice, people, _open_days(clinic, today, 0, 0), TODAY, now)
    run(lambda session: _settle_past(session, dice, now))
    future = _fill(clinic, dice, people, _open_days(clinic, today, 1, FUTURE_DAYS), FUTURE, now)
    run(_keep_quiet)
    return Made(past, future)


def finish_interrupted() -> bool:
    """Brings a demo that was stopped while it loaded into a state in which it sends nothing. Whether there was one."""
    with reading() as session:
        installation = session.get(Installation, 1)
        interrupted = installation is not None and installation.halted == _LOADING
    if interrupted and clinic_is_there():
        now = clock.now()
        run(lambda session: _settle_past(session, Random(20), now))
        run(_keep_quiet)
        return True
    return False


def _around(definition: ClinicFile, today: date) -> ClinicFile:
    """The file with a closure and somebody away in the weeks to come. Tuesdays, Thursdays and Saturdays stay open."""
    friday = today + timedelta(days=(4 - today.weekday()) % 7 + 14)
    monday = today + timedelta(days=(0 - today.weekday()) % 7 + 7)
    people = [
        person.model_copy(
            update={"away": [Away(first=monday, last=monday + timedelta(days=4), reason="Vacation")]}
        )
        if person.id == "grace-whitfield"
        else person
        for person in definition.practitioners
    ]
    closure = Away(first=friday, last=friday, reason="Staff training")
    return definition.model_copy(update={"closures": [closure], "practitioners": people})


def _open_days(clinic: Clinic, today: date, first: int, last: int) -> list[date]:
    weekdays = {hours.weekday for hours in clinic.hours}
    days = [today + timedelta(days=offset) for offset in range(first, last + 1)]
    return [day for day in days if day.weekday() in weekdays]


def _fill(
    clinic: Clinic, dice: Random, people: list[Person], days: list[date], wanted: int, now: datetime
) -> int:
    """Books so many visits on these days, those who come often first."""
    made, today = 0, clinic.times.local_date(now)
    for person, visit_type, day in _plan(dice, people, days, wanted):
        made += _book(clinic, dice, person, visit_type, day, now)
    weights = [_busy(abs((day - today).days)) for day in days]
    for attempt in range(wanted * 3 if days else 0):
        if made >= wanted:
            break
        person, visit_type = dice.choice(people[4:]), dice.choice(_USUAL)
        (day,) = dice.choices(days, weights=weights)
        made += _book(clinic, dice, person, visit_type, day, now, first=attempt % 9 == 0)
    return made


def _busy(days_away: int) -> float:
    """How many visits a day has, beside others: the nearer to today, the more there is to see."""
    return 1 + 12 / (1 + days_away)


def _plan(
    dice: Random, people: list[Person], days: list[date], wanted: int
) -> Iterator[tuple[Person, str, date]]:
    """Those who come two or three times a week, with chiropractic once a week."""
    for person in people:
        if not person.often:
            continue
        weekdays = (0, 2, 4) if person.often == 3 else (1, 3)
        for day in days:
            if day.weekday() in weekdays and dice.random() < 0.9:
                yield person, "acupuncture-follow-up", day
            elif day.weekday() == 3 and dice.random() < 0.7:
                yield person, "chiropractic-follow-up", day


def _book(
    clinic: Clinic,
    dice: Random,
    person: Person,
    visit_type: str,
    day: date,
    now: datetime,
    *,
    first: bool = False,
) -> bool:
    if first:
        visit_type = dice.choice(_FIRST_VISITS)
    noon = datetime.combine(day, datetime.min.time(), clinic.zone) + timedelta(hours=12)
    lead = timedelta(days=dice.choice((1, 2, 3, 5, 7, 10, 14, 20)), minutes=dice.randrange(0, 300))
    with clock.turned_to(min(noon - lead, now - timedelta(minutes=dice.randrange(5, 3000)))):
        try:
            free = list(free_times(visit_type, None, day, 1, audience=BookableBy.STAFF).each())
            if not free:
                return False
            book(
                _wish(dice, person, visit_type, dice.choice(free).starts_at),
                actor="demo",
                key=f"{dice.random()}",
            )
        except Refusal:
            return False
    return True


def _wish(dice: Random, person: Person, visit_type: str, starts_at: datetime) -> Wish:
    fitting = [Reminders.EMAIL] * 3 if person.email else []
    if person.phone:
        fitting += [Reminders.TEXT, Reminders.CALL] + ([Reminders.BOTH] if person.email else [])
    reminders = dice.choice(fitting)
    return Wish(
        visit_type=visit_type,
        practitioner=None,
        starts_at=starts_at,
        first_name=person.first_name,
        last_name=person.last_name,
        email=person.email,
        phone=person.phone,
        reminders=reminders,
        text_consent=reminders in BY_TEXT,
        payment=dice.choice([*Payment, None]),
        note=dice.choice(_NOTES),
        policy_version="2026-09",
        audience=BookableBy.STAFF,
    )


def _settle_past(session: Session, dice: Random, now: datetime) -> None:
    """What became of the visits that are over: nearly all were given, a few people didn't come."""
    over = select(Appointment).where(
        Appointment.to_cell <= cell_from(now), Appointment.status == Status.BOOKED
    )
    for visit in session.scalars(over):
        became = Status.NOSHOW if dice.random() < 0.06 else Status.FULFILLED
        visit.status = move(visit.status, became)
        visit.version += 1
        with clock.turned_to(visit.ends_at):
            history.note(session, visit, became.value, Actor.SYSTEM, at=iso_utc(visit.ends_at))


def _keep_quiet(session: Session) -> None:
    """The demo's own messages are never sent; those of whoever books from now on are."""
    session.get_one(Installation, 1).halted = ""
    session.execute(
        update(Message)
        .where(Message.state == MessageState.QUEUED)
        .values(state=MessageState.DEMO)
        .execution_options(synchronize_session=False)
    )
    now = clock.now()
    # What the desk of the demo owed until yesterday it has done; today's is there to be looked at.
    session.execute(
        update(Task)
        .where(Task.due_on < now.date() - timedelta(days=1), Task.settled_at.is_(None))
        .values(settled_at=now, settled_by="Demo")
        .execution_options(synchronize_session=False)
    )
