"""A plan is held whole while its patient types, counts as one hold, and gives way to nobody but its visitor's own booking."""

from datetime import date, timedelta
from typing import Any

import pytest

from booking.errors import TooManyHolds
from booking.models import Appointment, BookableBy, Claim, Hold, Reminders
from booking.services import holds
from booking.services.booking import Wish, book
from booking.services.clinic import present
from booking.services.plans.arranging import arranged_again, book_whole
from booking.services.plans.asking_again import wanted_by
from booking.services.plans.booking import book as book_plan
from booking.services.plans.choosing import PlanWish, VisitWish
from booking.services.plans.holding import held_for, hold_plan
from booking.services.plans.proposing import propose
from booking.services.plans.reading import by_link
from booking.services.plans.wanted import PlanWanted
from tests.clinics import plan_clinic, set_up
from tests.services.making import NINE, rows
from tests.services.plans.making import patient, prescribed
from tests.staffing import hired

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

FIRST_DAY = date(2026, 9, 21)


@pytest.fixture(autouse=True)
def _clinic(context: Any) -> None:
    set_up(plan_clinic())


def wanted(visitor: str | None = None, **how: Any) -> PlanWanted:
    course = present().plan_template("disc-gentle").course
    return PlanWanted(course, FIRST_DAY, visitor=visitor, **how)


def proposed(number: int = 0, visitor: str | None = None) -> tuple[VisitWish, ...]:
    found = propose(wanted(visitor))
    return tuple(
        VisitWish(one.visit_type.slug, one.practitioner.slug, one.starts_at)
        for one in found.proposals[number].visits
    )


def held(visits: tuple[VisitWish, ...], visitor: str = "me", network: str = "here") -> list[int]:
    course = present().plan_template("disc-gentle").course
    return hold_plan(
        course, FIRST_DAY, visits, audience=BookableBy.PATIENTS, visitor=visitor, network=network
    )


def wish(visits: tuple[VisitWish, ...], visitor: str = "me") -> PlanWish:
    return PlanWish(
        "disc-gentle", FIRST_DAY, visits, "Rosa", "Lima", f"{visitor}@example.com", None, Reminders.EMAIL,
        visitor=visitor,
    )  # fmt: skip


def single(visit: VisitWish) -> Wish:
    return Wish(
        visit.visit_type, visit.practitioner, visit.starts_at, "Omar", "Reyes", "omar@example.com", None,
        Reminders.EMAIL,
    )  # fmt: skip


def test_all_visits_are_held_and_nobody_else_can_take_them() -> None:
    visits = proposed()
    assert held(visits) == []
    assert len(rows(Hold)) == len(visits)
    assert {row["hold_id"] for row in rows(Claim)} == {row["id"] for row in rows(Hold)}
    assert held(visits, visitor="you") == list(range(len(visits)))
    assert proposed(visitor="me") == visits


def test_booking_drops_what_was_held() -> None:
    visits = proposed()
    held(visits)
    book_plan(wish(visits), actor="test", key="key-12345678")
    assert len(rows(Appointment)) == len(visits)
    assert rows(Hold) == []


def test_what_is_held_for_a_plan_is_free_for_whoever_books_it_for_its_patient() -> None:
    """The patient chose by the link, and was told to call."""
    made = prescribed(patient(), returning=())
    plan = by_link(made.reference, made.token)
    by_them, by_us = (wanted_by(plan, audience) for audience in (BookableBy.LINK, BookableBy.STAFF))
    before = propose(by_us).proposals[0].wishes
    chosen = propose(by_them).proposals[0].wishes
    hold_plan(
        plan.course, FIRST_DAY, chosen,
        audience=BookableBy.LINK, visitor=holds.of_plan(plan.reference), network="here",
    )  # fmt: skip
    found = held_for(plan.reference)
    assert found is not None and set(found.visits) == set(chosen)
    assert propose(by_us).proposals[0].wishes == before
    # For anybody else they are taken.
    others = hold_plan(
        plan.course, FIRST_DAY, chosen, audience=BookableBy.LINK, visitor="you", network="there"
    )
    assert others == list(range(len(chosen)))
    book_whole(
        hired(),
        arranged_again(hired(), plan.reference),
        chosen,
        reminders=Reminders.EMAIL,
        key="booked-by-desk",
    )
    assert len(rows(Appointment)) == len(chosen)
    assert rows(Hold) == [] and held_for(plan.reference) is None


def test_a_lapsed_plan_is_anybodys(standing_clock: Any) -> None:
    visits = proposed()
    held(visits)
    standing_clock.on(minutes=11)
    assert held(visits, visitor="you") == []


def test_choosing_again_holds_the_other_plan_instead() -> None:
    first, second = proposed(0), proposed(1)
    held(first)
    assert held(second) == []
    assert {row["from_cell"] for row in rows(Hold)} == {
        int(one.starts_at.timestamp()) // 300 for one in second
    }


def test_what_is_lost_is_named_and_the_rest_is_held() -> None:
    visits = proposed()
    book(single(visits[2]), actor="test", key="key-12345678")
    assert held(visits) == [2]
    assert len(rows(Hold)) == len(visits) - 1


def hold_single(number: int, visitor: str, network: str = "here") -> None:
    start = NINE + timedelta(minutes=30 * number)
    holds.hold("chiropractic-follow-up", "lin", start, visitor=visitor, network=network)


def test_a_plan_is_none_of_its_visitors_two_holds() -> None:
    visits = proposed()
    held(visits)
    for number in range(3):
        hold_single(number, "me")
    assert len(rows(Hold)) == len(visits) + 2


def test_a_plan_counts_as_one_hold_of_its_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holds, "OF_ONE_NETWORK", 3)
    held(proposed())
    hold_single(0, "a")
    hold_single(1, "b")
    with pytest.raises(TooManyHolds):
        hold_single(2, "c")


def test_a_network_that_holds_ten_holds_no_plan_besides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holds, "OF_ONE_NETWORK", 1)
    first, second = proposed(0), proposed(1)
    held(first)
    with pytest.raises(TooManyHolds):
        held(second, visitor="you")
    assert {row["visitor"] for row in rows(Hold)} == {"me"}
