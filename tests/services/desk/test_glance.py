"""Today at a glance: each thing that wants the desk's eyes is on its list, and off it once it is seen to."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from booking import clock
from booking.errors import NotFound
from booking.models import Appointment, Heartbeat, Message, MessageState, Role
from booking.scheduling.status import Status
from booking.services import inbound_texts, visits
from booking.services.desk import board, glance, resending
from booking.services.desk.board import View
from booking.services.transaction import run
from tests.clinics import clinic, needled, practitioner, set_up, visit_type
from tests.conftest import MONDAY, StandingClock
from tests.services.making import booked, rows
from tests.staffing import hired

# Monday, 11 am; it is eight in the morning.
ELEVEN = MONDAY + timedelta(hours=3)


@pytest.fixture(autouse=True)
def clinic_is_set_up(context: Flask, standing_clock: Any) -> None:
    set_up(
        clinic(
            visit_types=[visit_type(), needled()],
            practitioners=[practitioner(offers=["follow-up", "needles"])],
        )
    )


def now_is(reference: str, **how: Any) -> None:
    """The visit as staff left it."""

    def action(session: Any) -> None:
        visit = session.scalars(select(Appointment).where(Appointment.reference == reference)).one()
        for name, value in how.items():
            setattr(visit, name, value)
        visit.version += 1

    run(action)


def names(found: Any) -> list[str]:
    return [one.patient for one in found]


def test_who_is_here_who_is_late_and_who_has_not_confirmed(
    context: Flask, standing_clock: StandingClock
) -> None:
    here = booked(ELEVEN, first_name="Ida")
    booked(ELEVEN + timedelta(minutes=30), first_name="Ben")
    booked(ELEVEN + timedelta(hours=3), first_name="Zoe")
    now_is(here.reference, status=Status.ARRIVED)
    standing_clock.at(ELEVEN + timedelta(minutes=40))
    found = glance.glance(hired())
    assert (names(found.here), names(found.late), names(found.unconfirmed)) == (
        ["Ida Lima"],
        ["Ben Lima"],
        ["Zoe Lima"],
    )


def test_the_board_counts_as_not_confirmed_whom_the_glance_lists(
    context: Flask, standing_clock: StandingClock
) -> None:
    booked(ELEVEN, first_name="Ben")
    booked(ELEVEN + timedelta(minutes=30), first_name="Eva")
    cannot = booked(ELEVEN + timedelta(hours=2), first_name="Kai")
    booked(ELEVEN + timedelta(hours=3), first_name="Zoe")
    visits.cannot_come(cannot.reference, cannot.token, actor="t", key="cannot-1")
    for minutes, ahead in ((0, 2), (35, 1), (300, 0)):
        standing_clock.at(ELEVEN + timedelta(minutes=minutes))
        shown = board.day(hired(), MONDAY.date(), View.PEOPLE)
        assert (shown.counts.unconfirmed, len(glance.glance(hired()).unconfirmed)) == (ahead, ahead)


def test_who_never_arrived_stays_on_the_list_until_somebody_settles_it(
    context: Flask, standing_clock: StandingClock
) -> None:
    visit = booked(ELEVEN, first_name="Ben")
    for minutes in (25, 40, 300):
        standing_clock.at(ELEVEN + timedelta(minutes=minutes))
        assert names(glance.glance(hired()).late) == ["Ben Lima"]
    assert glance.glance(hired()).pressing.unsettled == 1
    now_is(visit.reference, status=Status.NOSHOW)
    assert glance.glance(hired()).late == ()


def test_what_is_only_penciled_in_is_neither_late_nor_to_be_confirmed_and_presses_once_it_is_over(
    context: Flask, standing_clock: StandingClock
) -> None:
    visit, who = booked(ELEVEN, first_name="Ben"), hired()
    now_is(visit.reference, penciled=True)
    seen = []
    for minutes in (-60, 15, 40):
        standing_clock.at(ELEVEN + timedelta(minutes=minutes))
        found = glance.glance(who)
        (shown,) = board.day(who, MONDAY.date(), View.PEOPLE).visits
        seen.append((found.late, found.unconfirmed, shown.lapsed, found.pressing.unsettled))
    assert seen == [((), (), False, 0), ((), (), False, 0), ((), (), True, 1)]


def test_a_day_closes_from_late_afternoon_on_or_once_all_is_over(
    context: Flask, standing_clock: StandingClock
) -> None:
    def closes_at(hours: float) -> bool:
        standing_clock.at(MONDAY + timedelta(hours=hours))
        return glance.glance(hired()).closes

    assert (closes_at(7), closes_at(8)) == (False, True)
    booked(ELEVEN + timedelta(days=1))
    booked(ELEVEN + timedelta(days=1, hours=2))
    assert (closes_at(25), closes_at(28), closes_at(30)) == (False, False, True)


def test_needles_that_should_be_out(context: Flask, standing_clock: StandingClock) -> None:
    visit = booked(ELEVEN, visit_type="needles", practitioner="ana")
    now_is(visit.reference, status=Status.CHECKED_IN, started_at=ELEVEN, needles_in_at=ELEVEN)
    standing_clock.at(ELEVEN + timedelta(minutes=20))
    found = glance.glance(hired())
    assert [one.needles_out_at for one in found.needles] == [ELEVEN + timedelta(minutes=25)]
    assert found.needles_over == 0
    standing_clock.at(ELEVEN + timedelta(minutes=31))
    assert glance.glance(hired()).needles_over == 1
    now_is(visit.reference, needles_out_at=clock.now())
    assert glance.glance(hired()).needles == ()


def test_i_cannot_come_was_pressed(context: Flask) -> None:
    visit = booked(ELEVEN)
    visits.cannot_come(visit.reference, visit.token, actor="t", key="cannot-1")
    found = glance.glance(hired())
    assert names(found.cannot_come) == ["Rosa Lima"]
    assert found.unconfirmed == ()


def test_gaps_of_the_day_begin_now_at_the_earliest(context: Flask, standing_clock: StandingClock) -> None:
    def gaps() -> list[tuple[datetime, datetime]]:
        return [(gap.starts_at, gap.ends_at) for gap in glance.glance(hired()).gaps]

    nine, noon, one, five = (MONDAY + timedelta(hours=hours) for hours in (1, 4, 5, 9))
    assert gaps() == [(nine, noon), (one, five)]
    booked(one)
    assert gaps()[-1] == (one + timedelta(minutes=30), five)
    standing_clock.at(noon - timedelta(minutes=10))
    assert gaps() == [(one + timedelta(minutes=30), five)]


def test_messages_that_failed_until_somebody_sees_to_them(context: Flask) -> None:
    booked(ELEVEN)
    failed = update(Message).values(state=MessageState.DEAD, last_error="550 no such user")
    run(lambda session: session.execute(failed))
    found = glance.glance(hired())
    assert names(found.failed) == ["Rosa Lima"]
    assert (found.failed[0].kind, found.pressing.calls) == ("confirmation", 1)
    resending.settle(hired(), found.failed[0].id, key="settle-01")
    assert glance.glance(hired()).failed == ()


def test_replies_with_the_visit_that_they_may_be_about(context: Flask) -> None:
    visit = booked(ELEVEN, phone="+18185550123")
    inbound_texts.receive("+18185550123", "I am running late", "sm-1")
    inbound_texts.receive("+18185550199", "Who is this?", "sm-2")
    inbound_texts.receive("+18185550123", "STOP", "sm-3")
    replies = glance.glance(hired()).replies
    assert [(reply.words, reply.reference) for reply in replies] == [
        ("I am running late", visit.reference),
        ("Who is this?", None),
    ]
    resending.settle_text(hired(), replies[0].id, key="read-0001")
    assert len(glance.glance(hired()).replies) == 1


def test_a_worker_that_is_silent_for_two_minutes(context: Flask, standing_clock: StandingClock) -> None:
    assert glance.glance(hired()).worker.silent

    def beat(session: Any) -> None:
        session.add(Heartbeat(worker="w", started_at=MONDAY, ticked_at=clock.now(), trouble=""))

    run(beat)
    assert not glance.glance(hired()).worker.silent
    standing_clock.on(minutes=2, seconds=1)
    assert glance.glance(hired()).worker.silent
    assert len(rows(Heartbeat)) == 1


def test_practitioners_have_a_page_of_their_own(context: Flask) -> None:
    with pytest.raises(NotFound):
        glance.glance(hired(Role.PRACTITIONER, practitioner="ana"))
