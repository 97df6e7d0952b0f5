"""What nobody has decided on gives way: to the desk, and to first visits of patients, where the clinic wants it so."""

from datetime import timedelta
from typing import Any

import pytest

from booking.errors import Clash, NeedsReason, SlotTaken, VisitsTaken
from booking.formatting import iso_utc
from booking.models import (
    Appointment,
    BookableBy,
    Claim,
    HistoryEntry,
    Message,
    Patient,
    PlanEntry,
    Reminders,
)
from booking.reminders import bounces
from booking.reminders.delivery import deliver_due
from booking.scheduling.plans.windows import Presence, TimeWindow
from booking.scheduling.timeline import cell_at
from booking.services import booking, giving_way, holds
from booking.services.clinic import present
from booking.services.desk import board, calls, moving, new_visit, records, undoing
from booking.services.desk.moving import Place
from booking.services.desk.new_visit import DeskWish
from booking.services.desk.records import Values
from booking.services.plans.asking_again import asked_for, wanted_by
from booking.services.plans.booking import BookedPlan, book as book_plan
from booking.services.plans.changing import Decision, cancel_from, decide, pause, stop, told_now
from booking.services.plans.choosing import PlanWish, VisitWish
from booking.services.plans.frequency import change_doses
from booking.services.plans.holding import hold_plan
from booking.services.plans.lacking import lacking
from booking.services.plans.make_ups import make_up_times
from booking.services.plans.proposing import propose
from booking.services.plans.reading import by_link
from booking.services.plans.repairing import take_for
from booking.services.plans.shifting import shift
from booking.services.plans.visits import PlanVisit
from booking.services.search import free_times
from booking.services.transaction import reading
from tests.clinics import plan_template
from tests.services.making import booked, rows, wish
from tests.services.plans.making import (
    FIRST,
    FOLLOW_UP,
    patient,
    practitioner,
    prescribed,
    proposed,
    running,
    seen,
    times_told,
    where_mei_is_alone,
    wish as plan_wish,
)
from tests.staffing import hired

pytestmark = pytest.mark.usefixtures("standing_clock", "context")


def clinic_whose_penciled_visits(**give_way: Any) -> None:
    where_mei_is_alone(
        plan_template("once", {FOLLOW_UP: 1}, weeks=1, self_service=True),
        plan_template("adjusted", {"chiropractic-follow-up": 1}, weeks=1),
        **give_way,
    )


@pytest.fixture(autouse=True)
def clinic(context: Any, standing_clock: Any) -> None:
    clinic_whose_penciled_visits()


@pytest.fixture
def stages() -> BookedPlan:
    """A plan of two stages: what lies behind the reassessment is penciled in."""
    return running(prescribed(patient(), "stages"))


def penciled(plan: BookedPlan) -> PlanVisit:
    found = [one for one in seen(plan).standing if one.penciled]
    assert len(found) == 2
    return found[0]


def at_the_desk(visit: PlanVisit, **how: Any) -> DeskWish:
    other = patient("Otto", "otto@example.com")
    return DeskWish(other, FOLLOW_UP, None, visit.starts_at, **how)


def status_of(reference: str) -> str:
    return next(str(row["status"]) for row in rows(Appointment) if row["reference"] == reference)


def test_one_visit_gives_way_where_one_is_enough(stages: BookedPlan) -> None:
    other = running(prescribed(patient("Omar", "omar@example.com"), "stages"), key="other")
    waits = [row for row in rows(Appointment) if row["penciled"]]
    alone, *pair = [row["id"] for row in waits][:3]
    assert other and len(pair) == 2

    def possible(others: frozenset[int]) -> bool:
        return alone in others or others.issuperset(pair)

    first, last = min(row["from_cell"] for row in waits), max(row["to_cell"] for row in waits)
    with reading() as session:
        assert giving_way.few(session, first, last, possible) == {alone}
        assert giving_way.few(session, first, last, lambda others: others.issuperset(pair)) == set(pair)
        assert giving_way.few(session, first, last, lambda _: False) is None


def test_the_desk_is_told_what_gives_way_takes_it_and_gives_it_back(stages: BookedPlan) -> None:
    desk, visit = hired(), penciled(stages)
    _stamp, shown = board.board(desk, board.Asked(visit.starts_at.date(), board.View.PEOPLE))
    assert visit.reference in {
        one.reference for column in shown.columns for one in column.visits if one.penciled
    }
    asked = at_the_desk(visit)
    with pytest.raises(NeedsReason) as refused:
        new_visit.book(desk, asked, key="desk-0001")
    assert refused.value.facts["breaches"] == ["penciled"]
    (named,) = refused.value.facts["facts"]["penciled"]["visits"]
    assert (named["whose"], named["decides"]) == ("Rosa Lima", "Mei Tanaka")
    waiting = len(rows(Message))

    made = new_visit.book(desk, DeskWish(**vars(asked) | {"reason": "Penciled in"}), key="desk-0002")
    assert status_of(visit.reference) == "cancelled"
    # Its dose is to be booked again, its history says why, and its patient was promised nothing.
    assert [one.visit.reference for one in lacking(seen(stages), visit.starts_at) if one.visit] == [
        visit.reference
    ]
    assert [row["what"] for row in rows(HistoryEntry) if row["what"] == "gave way"] == ["gave way"]
    assert rows(PlanEntry)[-1]["what"] == "gave way"
    assert not any(row["subject"].endswith(visit.reference) for row in rows(Message)[waiting:])

    undoing.undo(desk, made.entry_id, key="undo-0001")
    assert status_of(visit.reference) == "booked" and penciled(stages).reference == visit.reference
    assert len({row["appointment_id"] for row in rows(Claim)}) == len(seen(stages).standing)


def test_what_gave_way_comes_back_though_its_patients_name_was_corrected_meanwhile(
    stages: BookedPlan,
) -> None:
    desk, visit = hired(), penciled(stages)
    made = new_visit.book(desk, at_the_desk(visit, reason="Penciled in"), key="desk-0001")
    (rosa,) = [row for row in rows(Patient) if row["first_name"] == "Rosa"]
    corrected = Values("Rosa", "Pereira", rosa["phone"], rosa["email"])
    records.edit(desk, rosa["reference"], corrected, version=rosa["edit"], visits_too=False, key="edit-0001")
    undoing.undo(desk, made.entry_id, key="undo-0001")
    assert status_of(visit.reference) == "booked"


def plan_mails() -> list[str]:
    """What was sent of changes of plans."""
    deliver_due()
    return [row["sent_text"] for row in rows(Message) if row["kind"] == "plan-change" and row["sent_text"]]


@pytest.mark.parametrize("gone", [True, False])
def test_what_comes_back_is_penciled_in_and_who_read_that_it_is_cancelled_is_told(
    stages: BookedPlan, standing_clock: Any, gone: bool
) -> None:
    desk, visit = hired(), penciled(stages)
    made = new_visit.book(desk, at_the_desk(visit, reason="Penciled in"), key="desk-0001")
    first = seen(stages).standing[0]
    pause(desk, stages.reference, first.starts_at.date(), first.starts_at.date(), "Away", key="pause-001")
    if gone:
        standing_clock.on(minutes=3)
        assert len(plan_mails()) == 1
    undoing.undo(desk, made.entry_id, key="undo-0001")
    assert penciled(stages).reference == visit.reference
    standing_clock.on(minutes=3)
    *before, last = plan_mails()
    says = present().times.moment(visit.starts_at)
    assert len(before) == gone and says in last and "penciled in" in last
    assert (says in last.partition("New:")[2].partition("All other")[0]) == gone
    assert says not in last.partition("Cancelled:")[2].partition("All other")[0].partition("New:")[0]


def test_who_never_read_that_a_visit_gave_way_reads_nothing_when_it_comes_back(stages: BookedPlan) -> None:
    desk, visit = hired(), penciled(stages)
    made = new_visit.book(desk, at_the_desk(visit, reason="Penciled in"), key="desk-0001")
    undoing.undo(desk, made.entry_id, key="undo-0001")
    assert penciled(stages).reference == visit.reference and named_as_cancelled() == []


def test_what_was_decided_on_meanwhile_comes_back_firm_and_is_told_with_the_decision(
    stages: BookedPlan, standing_clock: Any
) -> None:
    desk, visit = hired(), penciled(stages)
    made = new_visit.book(desk, at_the_desk(visit, reason="Penciled in"), key="desk-0001")
    decide(practitioner(), stages.reference, Decision.CONTINUE, told=False, key="decide-01")
    undoing.undo(desk, made.entry_id, key="undo-0001")
    (back,) = [one for one in seen(stages).standing if one.reference == visit.reference]
    assert not back.penciled and named_as_cancelled() == []
    told_now(practitioner(), stages.reference, key="told-0001")
    standing_clock.on(minutes=3)
    (mail,) = plan_mails()
    assert present().times.moment(visit.starts_at) in mail and "Cancelled" not in mail


def test_what_gave_way_of_a_plan_that_is_over_does_not_come_back(stages: BookedPlan) -> None:
    desk, visit = hired(), penciled(stages)
    made = new_visit.book(desk, at_the_desk(visit, reason="Penciled in"), key="desk-0001")
    stop(practitioner(), stages.reference, "Gone abroad", key="stop-0001")
    undoing.undo(desk, made.entry_id, key="undo-0001")
    assert status_of(visit.reference) == "cancelled"


def test_a_visit_is_moved_onto_what_gives_way_but_onto_nothing_firm(stages: BookedPlan) -> None:
    desk, visit = hired(), penciled(stages)
    firm = next(one for one in seen(stages).standing if not one.penciled)
    moved = booked(
        visit.starts_at + timedelta(days=7), visit_type=FOLLOW_UP, first_name="Otto", email="o@example.com"
    )
    there = Place(starts_at=visit.starts_at)
    preview = moving.preview(desk, moved.reference, there)
    assert preview.breaches == ("penciled",) and not preview.clash and preview.room
    assert [one["whose"] for one in preview.facts["penciled"]["visits"]] == ["Rosa Lima"]
    with pytest.raises(NeedsReason):
        moving.change(desk, moved.reference, there, version=None, key="moved-001")
    moving.change(desk, moved.reference, there, version=None, reason="Penciled in", key="moved-002")
    assert status_of(visit.reference) == "cancelled"
    with pytest.raises(Clash):
        moving.change(
            desk, moved.reference, Place(starts_at=firm.starts_at), version=None, reason="No", key="moved-003"
        )
    assert status_of(firm.reference) == "booked"


def test_where_somebody_holds_what_is_penciled_in_the_desk_is_told_of_them(stages: BookedPlan) -> None:
    visit = penciled(stages)
    moved = booked(
        visit.starts_at + timedelta(days=7), visit_type=FOLLOW_UP, first_name="Otto", email="o@example.com"
    )
    holds.hold(FIRST, None, visit.starts_at, visitor="one", network="n")
    with pytest.raises(Clash) as refused:
        moving.change(
            hired(),
            moved.reference,
            Place(starts_at=visit.starts_at),
            version=None,
            reason="Now",
            key="moved-001",
        )
    assert "hold" in {one["by"] for one in refused.value.facts["with_"]}


def test_a_first_visit_is_offered_and_booked_where_something_is_penciled_in(stages: BookedPlan) -> None:
    visit = penciled(stages)
    day = visit.starts_at.date()

    def offered(visit_type: str) -> bool:
        return visit.starts_at in {one.starts_at for one in free_times(visit_type, None, day, 1).each()}

    assert offered(FIRST) and not offered(FOLLOW_UP)
    chosen: dict[str, Any] = {"visit_type": FIRST, "practitioner": None, "starts_at": visit.starts_at}
    holds.hold(FIRST, None, visit.starts_at, visitor="one", network="n")
    # Somebody else is typing: nobody is offered what would overlap, nor can the desk take it.
    assert not offered(FIRST)
    with pytest.raises(SlotTaken):
        holds.hold(FIRST, None, visit.starts_at, visitor="two", network="n")
    with pytest.raises(Clash):
        new_visit.book(hired(), at_the_desk(visit, reason="Penciled in"), key="desk-0001")
    assert status_of(visit.reference) == "booked"
    mine = wish(**chosen | {"first_name": "Ida", "email": "ida@example.com", "visitor": "one"})
    booking.book(mine, actor="one", key="first-001")
    assert status_of(visit.reference) == "cancelled"
    # With the decision the patient of the plan hears of it, once.
    decide(practitioner(), stages.reference, Decision.CONTINUE, told=True, key="decide-01")
    (told,) = [row for row in rows(Message) if row["kind"] == "plan-change"]
    assert [len(one) for one in times_told(told["facts"]).values()] == [1, 0, 1]
    assert not offered(FIRST)


@pytest.mark.parametrize("to", ["desk", "nobody"])
def test_it_gives_way_to_whom_the_clinics_file_says(to: str) -> None:
    clinic_whose_penciled_visits(penciled_gives_way_to=to)
    visit = penciled(running(prescribed(patient(), "stages")))
    free = free_times(FIRST, None, visit.starts_at.date(), 1)
    assert visit.starts_at not in {one.starts_at for one in free.each()}
    with pytest.raises(NeedsReason if to == "desk" else Clash):
        new_visit.book(hired(), at_the_desk(visit), key="desk-0001")


def only_then(visit: PlanVisit, minutes: int = 80) -> dict[str, Any]:
    """A plan for somebody who can come at the time of this visit and at no other."""
    local = visit.starts_at.astimezone(present().zone)
    opens = local.hour * 60 + local.minute
    window = TimeWindow(frozenset({local.weekday()}), opens, opens + minutes)
    first_day = local.date() - timedelta(days=local.weekday())
    return {
        "template": "once",
        "first_day": first_day,
        "presence": Presence((window,)),
        "returning": frozenset(),
    }


def test_the_first_visit_of_a_new_plan_takes_what_is_penciled_in(stages: BookedPlan) -> None:
    visit = penciled(stages)
    asked = only_then(visit)
    (proposal,) = proposed(**asked)
    assert proposal.wishes == (VisitWish(FIRST, "mei", visit.starts_at),)
    # Who isn't new is offered what is free only, and so is the desk, which has no reason to give here.
    shorter = only_then(visit, int((visit.ends_at - visit.starts_at).total_seconds()) // 60)
    assert not proposed(**shorter | {"returning": frozenset({"acupuncture"})})
    assert not proposed(**asked | {"audience": BookableBy.STAFF})

    course, first_day = present().plan_template("once").course, asked["first_day"]

    def held_by(visitor: str) -> list[int]:
        return hold_plan(
            course, first_day, proposal.wishes, audience=BookableBy.PATIENTS, visitor=visitor, network=visitor
        )

    assert held_by("one") == []
    # While they type it is theirs, though what is penciled in keeps its claims until it is booked.
    assert held_by("two") == [0] and not proposed(**asked)
    assert status_of(visit.reference) == "booked"
    mine = plan_wish(
        proposal, "once", first_day=first_day, returning=(), email="ida@example.com", visitor="one"
    )
    made = book_plan(mine, actor="one", key="plan-0001")
    assert status_of(visit.reference) == "cancelled"
    assert [one.starts_at for one in seen(made).standing] == [visit.starts_at]
    assert [one.visit.reference for one in lacking(seen(stages), visit.starts_at) if one.visit] == [
        visit.reference
    ]
    decide(practitioner(), stages.reference, Decision.CONTINUE, told=True, key="decide-01")
    (told,) = [row for row in rows(Message) if row["kind"] == "plan-change"]
    assert [len(one) for one in times_told(told["facts"]).values()] == [1, 0, 1]


def test_to_its_own_patient_nothing_gives_way(stages: BookedPlan) -> None:
    """A first visit of another plan, or by itself, at a time at which they are to come anyway: they would lose that one unasked."""
    visit = penciled(stages)
    (rosa,) = [row["reference"] for row in rows(Patient)]
    asked = only_then(visit, 40)
    new = prescribed(
        rosa, "adjusted", first_day=asked["first_day"], presence=asked["presence"], returning=("acupuncture",)
    )
    plan = by_link(new.reference, new.token)
    assert not propose(wanted_by(plan, BookableBy.LINK)).proposals
    with pytest.raises(VisitsTaken):
        book_plan(
            PlanWish(
                "adjusted", asked["first_day"], (VisitWish("chiropractic-first", "aaron", visit.starts_at),), "Rosa", "Lima",
                "rosa@example.com", None, Reminders.EMAIL, plan=new.reference, token=new.token, audience=BookableBy.LINK,
            ),
            actor="link", key="plan-0001",
        )  # fmt: skip
    for visit_type in (FIRST, "chiropractic-first"):
        with pytest.raises(SlotTaken):
            booked(visit.starts_at, visit_type=visit_type)
    assert penciled(stages).reference == visit.reference
    # With somebody else it does.
    booked(visit.starts_at, visit_type=FIRST, first_name="Ida", email="ida@example.com")
    assert status_of(visit.reference) == "cancelled"


def lost(plan: BookedPlan) -> PlanVisit:
    """A penciled visit of it that the desk has given to somebody else."""
    visit = penciled(plan)
    new_visit.book(hired(), at_the_desk(visit, reason="Penciled in"), key="desk-0001")
    assert status_of(visit.reference) == "cancelled"
    return visit


def named_as_cancelled() -> list[set[str]]:
    """What each message about a change of a plan says of it."""
    return [times_told(row["facts"])["cancelled"] for row in rows(Message) if row["kind"] == "plan-change"]


def made_up(plan: BookedPlan) -> None:
    offered = make_up_times(seen(plan), BookableBy.STAFF)[0]
    time, missed = offered.times[0], offered.missed
    who, care = time.practitioner.slug, missed.care.slug
    take_for(hired(), plan.reference, missed.week, care, time.starts_at, who, key="make-up-1")


def moved_on(plan: BookedPlan) -> None:
    first = seen(plan).standing[0]
    shift(
        hired(), plan.reference, first.reference, first.starts_at + timedelta(minutes=5), None, key="shift-1"
    )


@pytest.mark.parametrize("change", [made_up, moved_on])
def test_any_message_about_the_plan_tells_what_gave_way(
    stages: BookedPlan, change: Any, standing_clock: Any
) -> None:
    visit = lost(stages)
    change(stages)
    (told,) = named_as_cancelled()
    assert iso_utc(visit.starts_at) in told
    standing_clock.on(minutes=3)
    deliver_due()
    stop(practitioner(), stages.reference, "Gone abroad", key="stop-0001")
    assert iso_utc(visit.starts_at) not in named_as_cancelled()[-1], "they have heard of it"


def paused_untold(plan: BookedPlan) -> None:
    day = seen(plan).standing[0].starts_at.date()
    pause(practitioner(), plan.reference, day, day, "Away", tell=False, key="pause-001")


def decided_untold(plan: BookedPlan) -> None:
    decide(practitioner(), plan.reference, Decision.CONTINUE, told=False, key="decide-01")


@pytest.mark.parametrize("untold", [paused_untold, decided_untold])
def test_what_gave_way_is_owed_until_a_message_tells_it(stages: BookedPlan, untold: Any) -> None:
    visit = lost(stages)
    untold(stages)
    assert named_as_cancelled() == []
    far = visit.starts_at.date() + timedelta(days=70)
    pause(practitioner(), stages.reference, far, far, "Away", key="pause-002")
    assert named_as_cancelled() == [{iso_utc(visit.starts_at)}]
    pause(practitioner(), stages.reference, far, far, "Away", key="pause-003")
    assert len(named_as_cancelled()) == 1


def test_what_gave_way_goes_with_what_waits_also_where_the_next_change_is_told_to_nobody(
    stages: BookedPlan, standing_clock: Any
) -> None:
    first, second, *_ = [one.starts_at.date() for one in seen(stages).standing]
    pause(hired(), stages.reference, first, first, "Away", key="pause-001")
    visit = lost(stages)
    pause(hired(), stages.reference, second, second, "Away", tell=False, key="pause-002")
    standing_clock.on(minutes=3)
    (mail,) = plan_mails()
    assert present().times.moment(visit.starts_at) in mail
    stop(practitioner(), stages.reference, "Gone abroad", key="stop-0001")
    assert iso_utc(visit.starts_at) not in named_as_cancelled()[-1], "they have heard of it"


def test_what_gave_way_is_not_the_patients_own_doing_and_who_is_not_reached_about_it_is_called(
    stages: BookedPlan, standing_clock: Any
) -> None:
    visit, last = lost(stages), seen(stages).standing[-1]
    cancel_from(stages.reference, stages.token, last.reference, "", actor="rosa", key="from-0001")
    (told,) = [row for row in rows(Message) if row["kind"] == "plan-change"]
    assert iso_utc(visit.starts_at) in times_told(told["facts"])["cancelled"] and "own" not in told["facts"]
    standing_clock.on(minutes=3)
    deliver_due()
    (told,) = [row for row in rows(Message) if row["kind"] == "plan-change"]
    assert calls.call_list(hired()).calls == ()
    assert bounces.receive(bounces.Report(told["mail_id"], "no such user"))
    deliver_due()
    assert [one.plan for one in calls.call_list(hired()).calls] == [stages.reference]


def other_doses_without_other_visits(plan: BookedPlan, *, tell: bool, key: str) -> None:
    # Of the second week one has given way, and the other is all that is prescribed from now on.
    change_doses(hired(), plan.reference, 1, {FOLLOW_UP: (1, 1)}, "", tell=tell, key=key)


def test_a_change_that_touches_no_visit_tells_what_gave_way_if_it_is_told(stages: BookedPlan) -> None:
    visit = lost(stages)
    standing = [one.reference for one in seen(stages).standing]
    other_doses_without_other_visits(stages, tell=False, key="doses-001")
    assert named_as_cancelled() == []
    other_doses_without_other_visits(stages, tell=True, key="doses-002")
    assert [one.reference for one in seen(stages).standing] == standing
    assert named_as_cancelled() == [{iso_utc(visit.starts_at)}]
    other_doses_without_other_visits(stages, tell=True, key="doses-003")
    assert len(named_as_cancelled()) == 1, "nothing is left to tell"


def test_a_plan_that_runs_keeps_to_what_is_free(stages: BookedPlan) -> None:
    visit = penciled(stages)
    new = patient("Ida", "ida@example.com")
    made = running(prescribed(new, "once", returning=(), first_day=visit.starts_at.date()), key="other-plan")
    asked = asked_for(seen(made), BookableBy.LINK)
    first = present().visit_type(FIRST)
    cells = [asked.cell(first, day, one) for day in range(7) for one in asked.choices(first, day)]
    assert cells and cell_at(visit.starts_at) not in cells


@pytest.mark.parametrize("to", ["desk", "nobody"])
def test_new_plans_find_it_free_only_where_the_clinics_file_says_so(to: str) -> None:
    clinic_whose_penciled_visits(penciled_gives_way_to=to)
    assert not proposed(**only_then(penciled(running(prescribed(patient(), "stages")))))
