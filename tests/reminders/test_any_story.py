"""Whatever is done to a plan, in whichever order: who reads all their mails and opens the files in them knows at the end what
stands, and no mail on the way names a time that they neither knew nor are told just then.

Each story is drawn by its number. More of them: STORIES=3000 make test PYTEST=tests/reminders/test_any_story.py
"""

import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Any

import pytest
from icalendar import Calendar

from booking import clock
from booking.errors import Refusal
from booking.models import Actor, Appointment, BookableBy, Patient, Role
from booking.scheduling.status import Status
from booking.services import links, rescheduling, visits
from booking.services.clinic import present
from booking.services.desk import records, statuses, undoing
from booking.services.desk.moving import Place, change
from booking.services.desk.new_visit import DeskWish, NewPatient, book as book_here
from booking.services.plans import taking_back
from booking.services.plans.booking import BookedPlan, book
from booking.services.plans.changing import (
    Decision,
    cancel_from,
    confirm,
    decide,
    go_on,
    pause,
    stop,
    told_now,
)
from booking.services.plans.frequency import change_doses
from booking.services.plans.make_ups import make_up_times
from booking.services.plans.repairing import take_for
from booking.services.plans.shifting import shift, shift_by_link
from booking.services.plans.visits import PlanVisit
from tests.clinics import plan_clinic, plan_template, set_up
from tests.conftest import StandingClock
from tests.reminders.conftest import drain
from tests.reminders.sink import Sink
from tests.services.making import rows
from tests.services.plans.making import (
    FOLLOW_UP,
    patient,
    prescribed,
    proposed,
    running,
    seen,
    wish,
)
from tests.staffing import hired

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

STORIES = range(int(os.environ.get("STORIES_FROM", "0")), int(os.environ.get("STORIES", "24")))
ADJUSTED = "chiropractic-follow-up"
# How long nothing happens, in seconds, and how often that is so: within the three minutes of a message, and long after.
_GAPS = {20: 4, 60: 4, 150: 3, 200: 4, 600: 3, 3600: 2, 7200: 2, 72_000: 2, 180_000: 1, 604_800: 0.4}
_HOURS_AWAY = (-24, -4, -3, -2, -1, 1, 2, 3, 4, 24, 48)
Stands = dict[str, tuple[datetime, str]]


@dataclass
class Patients:
    """What somebody knows who reads each mail. `calendar`: the entries of all files, by the visits' references."""

    log: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    calendar: dict[str, Any] = field(default_factory=dict)
    # Times that they have seen on a page or said on the telephone, and the visits about which they have.
    heard: set[datetime] = field(default_factory=set)
    spoken_of: set[str] = field(default_factory=set)

    def believes(self) -> Stands:
        return {
            name: (one["dtstart"].dt, str(one["status"]))
            for name, one in self.calendar.items()
            if str(one["status"]) != "CANCELLED"
        }

    def says(self, visit: PlanVisit, *more: datetime) -> None:
        self.heard |= {visit.starts_at, *more}
        self.spoken_of.add(visit.reference)

    def reads(self, mail: EmailMessage, ever: set[datetime], stand: set[datetime]) -> None:
        """`ever`: when any visit was ever to begin, and `stand`: when those begin that do."""
        subject, now, before = str(mail["Subject"]), clock.now(), self.believes()
        content = mail.get_body(("plain",))
        assert content is not None
        said = str(content.get_content())
        files = [part for part in mail.walk() if part.get_content_type() == "text/calendar"]
        for part in files:
            for one in Calendar.from_ical(part.get_payload(decode=True)).walk("vevent"):
                name = str(one["uid"]).partition("@")[0]
                if name not in self.calendar or self.calendar[name]["sequence"] <= one["sequence"]:
                    self.calendar[name] = one
        after = self.believes()
        self.log.append(f"{now:%m-%d %H:%M:%S}   {subject}")
        named = {at for at in ever if at > now and present().times.moment(at) in said}
        knew = {at for at, _ in (*before.values(), *after.values())} | self.heard
        if unknown := named - knew - (stand if not files else set()):
            self.wrong.append(f"{subject!r} names what they don't know of: {sorted(unknown)}")
        if not files or not any(word in subject for word in ("Changed", "Cancelled", "Moved")):
            return
        if before == after and not self.spoken_of:
            self.wrong.append(f"{subject!r} tells nothing")
        for name in (before.keys() | after.keys()) - self.spoken_of:
            was, is_now = before.get(name), after.get(name)
            if (was and was[0]) != (is_now and is_now[0]):
                told = {one[0] for one in (was, is_now) if one and one[0] > now}
                if untold := told - named:
                    self.wrong.append(f"{subject!r} changes {name} and doesn't name {sorted(untold)}")


class Story:
    """A plan to which anything happens, drawn by the story's number."""

    def __init__(self, number: int, sink: Sink, standing_clock: StandingClock) -> None:
        self.dice, self.sink, self.clock = random.Random(number), sink, standing_clock
        self.knows, self.ever = Patients(), set[datetime]()
        self.keys, self.entries = 0, list[int]()
        # What the desk has told by telephone alone: no mail is to say it.
        self.by_telephone = set[str]()
        self.plan = self.begins()
        self.desk, self.mei = hired(), hired(Role.DESK, Role.PRACTITIONER, practitioner="mei")
        (self.record,) = [row["reference"] for row in rows(Patient)]
        self.ways: list[tuple[Callable[[], str], float]] = [
            (self.desk_moves, 4), (self.desk_cancels, 2), (self.desk_undoes, 3), (self.desk_shifts, 2),
            (self.desk_pauses, 1), (self.goes_on, 0.5), (self.other_doses, 1.5), (self.makes_up, 2),
            (self.decides, 1.5), (self.tells, 1), (self.confirms, 0.5), (self.stops, 0.1), (self.takes_back, 3),
            (self.patient_moves, 2), (self.patient_cancels, 1), (self.patient_cancels_from, 0.4),
            (self.patient_shifts, 1), (self.somebody_else_comes, 1), (self.other_address, 0.4),
        ]  # fmt: skip

    def begins(self) -> BookedPlan:
        two_weeks, looks = {"weeks": 2, "doses": {FOLLOW_UP: 2}}, ["acupuncture-reassessment"]
        templates = [
            plan_template("stages", {}, reassessment=looks, phases=[two_weeks, two_weeks]),
            plan_template("weekly", {FOLLOW_UP: 1}, weeks=6),
            plan_template(
                "both", {FOLLOW_UP: 2, ADJUSTED: 1}, weeks=2, pairing={"gap_minutes": 15}, reassessment=looks
            ),
            plan_template("own", {FOLLOW_UP: 2}, weeks=3, self_service=True, reassessment=looks),
        ]
        set_up(plan_clinic(plan_templates=templates))
        template = self.dice.choice(["stages", "stages", "weekly", "both", "own"])
        if template == "own":
            return book(wish(proposed("own")[0], "own"), actor="rosa", key=self.key())
        return running(prescribed(patient(), template))

    def is_told(self) -> None:
        """All of it, to its end: whoever is to be told is told, and all that waits has gone."""
        self.look()
        self.mails_come()
        for _ in range(self.dice.randrange(3, 14)):
            self.something_happens()
            self.time_passes()
        self.clock.on(minutes=5)
        self.mails_come()
        told_now(self.mei, self.plan.reference, key=self.key())
        for _ in range(2):
            self.clock.on(minutes=5)
            self.mails_come()

    def differs(self) -> list[str]:
        """What stands otherwise than they believe."""
        now, later = clock.now(), "TENTATIVE"
        # Of what gave way they hear with the next message about the plan.
        gave_way = {
            row["reference"]
            for row in rows(Appointment)
            if row["status"] is Status.CANCELLED and row["penciled"]
        }
        stands = {
            one.reference: (one.starts_at, later if one.penciled else "CONFIRMED")
            for one in seen(self.plan).ahead(now)
        }
        believed = {name: one for name, one in self.knows.believes().items() if one[0] > now}
        # Where they come at that time all the same, for another visit, there is nothing to tell.
        taken = {at for at, _ in stands.values()}
        believed = {name: one for name, one in believed.items() if name in stands or one[0] not in taken}
        return [
            f"{name} stands {stands.get(name)}, and they believe {believed.get(name)}"
            for name in sorted((stands.keys() | believed.keys()) - self.by_telephone)
            if stands.get(name) != believed.get(name)
            and not (name in gave_way and believed[name][1] == later)
        ]

    # What happens

    def something_happens(self) -> None:
        (does,) = self.dice.choices([way for way, _ in self.ways], [often for _, often in self.ways])
        try:
            said = does()
        except Refusal:
            return
        except IndexError:  # There is nothing of that kind.
            return
        self.knows.log.append(f"{clock.now():%m-%d %H:%M:%S} {does.__name__} {said}")
        self.look()

    def desk_moves(self) -> str:
        visit, who, spoken = self.visit(), self.dice.choice([None, "dan", "mei"]), self.dice.random() < 0.1
        there = self.elsewhere(visit)
        done = change(
            self.desk, visit.reference, Place(starts_at=there, practitioner=who), version=None, reason="Late",
            spoken=spoken, key=self.key(),
        )  # fmt: skip
        if spoken:
            self.knows.says(visit, there)
            self.by_telephone.add(visit.reference)
        self.entries += [done.entry_id] if done.entry_id else []
        return f"{said_of(visit)} to {there:%m-%d %H:%M} {who} {spoken=}"

    def desk_cancels(self) -> str:
        visit, by = self.visit(), self.dice.choice([Actor.STAFF, Actor.PATIENT])
        if by is Actor.PATIENT:
            self.knows.says(visit)
        done = statuses.cancel(self.desk, visit.reference, by=by, key=self.key())
        self.entries += [done.entry_id] if done.entry_id else []
        return f"{said_of(visit)} {by}"

    def desk_undoes(self) -> str:
        undoing.undo(self.desk, self.entries[-1], key=self.key())
        return str(self.entries.pop())

    def desk_shifts(self) -> str:
        visit = self.visit()
        there = self.elsewhere(visit)
        shift(self.desk, self.plan.reference, visit.reference, there, None, partly=True, key=self.key())
        return f"{said_of(visit)} to {there:%m-%d %H:%M}"

    def desk_pauses(self) -> str:
        first = self.visit().starts_at.astimezone(present().zone).date()
        last = first + timedelta(days=self.dice.choice([0, 2, 6]))
        pause(self.desk, self.plan.reference, first, last, "Away", key=self.key())
        return f"{first} to {last}"

    def goes_on(self) -> str:
        paused = self.dice.choice(seen(self.plan).pauses)
        first = max(paused.first, clock.now().date() + timedelta(days=1))
        go_on(self.desk, self.plan.reference, first, "Back", key=self.key())
        return str(first)

    def other_doses(self) -> str:
        week, dose = self.dice.randrange(seen(self.plan).course.weeks), self.dice.choice([1, 2, 3])
        change_doses(self.desk, self.plan.reference, week, {FOLLOW_UP: (dose, dose)}, "", key=self.key())
        self.on_the_telephone()
        return f"{dose} from week {week + 1}"

    def makes_up(self) -> str:
        offered = self.dice.choice(
            [one for one in make_up_times(seen(self.plan), BookableBy.STAFF) if one.times]
        )
        time = self.dice.choice(offered.times)
        take_for(
            self.desk, self.plan.reference, offered.missed.week, offered.missed.care.slug, time.starts_at,
            time.practitioner.slug, replaces=offered.replaces and offered.replaces.starts_at, key=self.key(),
        )  # fmt: skip
        self.on_the_telephone()
        return f"at {time.starts_at:%m-%d %H:%M}"

    def decides(self) -> str:
        (what,) = self.dice.choices([Decision.CONTINUE, Decision.TAPER, Decision.STOP], [6, 2, 1])
        told, doses = self.dice.random() < 0.3, {FOLLOW_UP: (1, 1)} if what is Decision.TAPER else None
        decide(self.mei, self.plan.reference, what, told=told, weeks=2, doses=doses, key=self.key())
        return f"{what} {told=}"

    def tells(self) -> str:
        return str(told_now(self.mei, self.plan.reference, key=self.key()))

    def confirms(self) -> str:
        confirm(self.mei, self.plan.reference, key=self.key())
        return ""

    def stops(self) -> str:
        stop(self.desk, self.plan.reference, "Abroad", key=self.key())
        return ""

    def takes_back(self) -> str:
        who = self.dice.choice([self.desk, self.mei])
        found = taking_back.possible(who, self.plan.reference)
        if found is None:
            return "nothing"
        taking_back.take_back(who, self.plan.reference, found.entry, key=self.key())
        return str(found.entry)

    def patient_moves(self) -> str:
        visit = self.visit()
        there = self.elsewhere(visit)
        self.knows.says(visit, there)
        rescheduling.reschedule(visit.reference, link(visit), there, None, actor="rosa", key=self.key())
        return f"{said_of(visit)} to {there:%m-%d %H:%M}"

    def patient_cancels(self) -> str:
        visit = self.visit()
        self.knows.says(visit)
        visits.cancel(visit.reference, link(visit), "", actor="rosa", key=self.key())
        return said_of(visit)

    def patient_cancels_from(self) -> str:
        first = self.dice.choice(self.ahead()[-4:])
        for one in self.ahead():
            self.knows.says(one)
        cancel_from(self.plan.reference, self.plan.token, first.reference, "", actor="rosa", key=self.key())
        return said_of(first)

    def patient_shifts(self) -> str:
        visit = self.visit()
        there = self.elsewhere(visit)
        for one in self.ahead():
            self.knows.says(one, one.starts_at + (there - visit.starts_at))
        shift_by_link(
            self.plan.reference, self.plan.token, visit.reference, there, actor="rosa", key=self.key()
        )
        return f"{said_of(visit)} to {there:%m-%d %H:%M}"

    def somebody_else_comes(self) -> str:
        """For whom what is only penciled in gives way."""
        visit, key = self.dice.choice([one for one in self.ahead() if one.penciled]), self.key()
        other = NewPatient("Olga", f"Berg{key}", "+18185550199", f"olga{key}@example.com")
        who, at = visit.practitioner.slug, visit.starts_at
        done = book_here(self.desk, DeskWish(other, FOLLOW_UP, who, at, reason="Pain"), key=key)
        self.entries.append(done.entry_id)
        return said_of(visit)

    def other_address(self) -> str:
        """Whoever had it before may have heard of what is told anew."""
        self.knows.heard |= self.ever
        self.knows.spoken_of |= {one.reference for one in seen(self.plan).visits}
        key, (values, version, _) = self.key(), records.to_edit(self.desk, self.record)
        other = replace(values, email=f"rosa{key}@example.com")
        records.edit(self.desk, self.record, other, version=version, visits_too=True, key=key)
        return str(other.email)

    # Parts

    def on_the_telephone(self) -> None:
        """They may have been, when visits were added: so that these are cancelled is told, also before they were written to."""
        self.knows.heard |= {one.starts_at for one in self.ahead()}

    def key(self) -> str:
        self.keys += 1
        return f"story-{self.keys:04}"

    def look(self) -> None:
        self.ever |= {one.starts_at for one in seen(self.plan).visits}

    def ahead(self) -> tuple[PlanVisit, ...]:
        return seen(self.plan).ahead(clock.now())

    def visit(self) -> PlanVisit:
        ahead = self.ahead()
        return self.dice.choice(ahead[:4] if self.dice.random() < 0.6 else ahead)

    def elsewhere(self, visit: PlanVisit) -> datetime:
        away = timedelta(hours=self.dice.choice(_HOURS_AWAY))
        soon = visit.starts_at + away < clock.now() + timedelta(hours=1)
        return visit.starts_at + (abs(away) if soon else away)

    def time_passes(self) -> None:
        (left,) = self.dice.choices([*_GAPS], [*_GAPS.values()])
        while left > 0:
            step = min(left, 200 if left <= 600 else 3600)
            self.clock.on(seconds=step)
            left -= step
            self.mails_come()

    def mails_come(self) -> None:
        drain()
        stand = {one.starts_at for one in seen(self.plan).standing} if self.sink.taken else set()
        for mail in self.sink.taken:
            if str(mail["To"]).startswith("rosa"):
                self.knows.reads(mail, self.ever, stand)
        self.sink.taken.clear()


def said_of(visit: PlanVisit) -> str:
    return f"{visit.reference} {visit.starts_at:%m-%d %H:%M}"


def link(visit: PlanVisit) -> str:
    (number,) = [row["link_number"] for row in rows(Appointment) if row["reference"] == visit.reference]
    return links.token(visit.reference, number)


@pytest.mark.parametrize("number", STORIES)
def test_who_reads_their_mails_knows_what_stands(
    sink: Sink, standing_clock: StandingClock, number: int
) -> None:
    story = Story(number, sink, standing_clock)
    story.is_told()
    wrong = [*story.knows.wrong, *story.differs()]
    assert not wrong, "\n".join(["", *story.knows.log, "", *wrong])
