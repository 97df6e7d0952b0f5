"""Free times: what is offered, and of every empty answer the right reason and the nearest fix."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from booking import clock
from booking.errors import NotFound, NotOffered
from booking.models import BookableBy
from booking.scheduling.reasons import Why
from booking.scheduling.timeline import cell_from
from booking.services.clinic_file import ClinicFile
from booking.services.search import FreeTime, FreeTimes, alternatives, free_times
from tests.clinics import clinic, every_day, practitioner, rooms, set_up, visit_type
from tests.conftest import MONDAY
from tests.services.making import NEXT_WEEK, NINE, booked

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

TUESDAY = NINE.date()
FRIDAY, SATURDAY = TUESDAY + timedelta(days=3), TUESDAY + timedelta(days=4)


def asked(practitioner: str | None = "ana", on: date = TUESDAY, visit: str = "follow-up") -> FreeTimes:
    return free_times(visit, practitioner, on, 1)


def told(free: FreeTime | None) -> tuple[datetime, str] | None:
    return free and (free.starts_at, free.practitioner.slug)


def why(found: FreeTimes) -> Why | None:
    """The reason of an answer, which there is if and only if nothing is offered."""
    assert (found.reason is None) == any(found.each())
    return found.reason.why if found.reason else None


def fixes(found: FreeTimes) -> tuple[Any, Any]:
    """The first free time with whom was asked for, and with anyone."""
    assert found.first_free is not None
    return told(found.first_free.same), told(found.first_free.anyone)


def half_an_hour(slug: str = "ana", **how: Any) -> dict[str, Any]:
    """Somebody who has time for one visit a day, at nine."""
    return practitioner(slug, hours=every_day("9:00-9:30"), **how)


def test_a_day_with_times_needs_no_reason() -> None:
    set_up()
    found = asked()
    assert why(found) is None
    assert found.first_free is None
    assert next(found.each()).starts_at == NINE
    assert [day.on for day in found.days_with_times] == [TUESDAY]


@pytest.mark.parametrize(
    "closed",
    [
        pytest.param({}, id="at the weekend"),
        pytest.param({"closures": [{"first": SATURDAY, "last": SATURDAY}]}, id="and by a closure"),
    ],
)
def test_closed_at_the_weekend_and_free_on_monday(closed: dict[str, Any]) -> None:
    set_up(clinic(**closed))
    found = asked(on=SATURDAY)
    assert why(found) is Why.CLOSED
    assert fixes(found) == ((NEXT_WEEK, "ana"), (NEXT_WEEK, "ana"))


@pytest.mark.parametrize("closing", ["closures", "dated_hours"])
def test_a_day_on_which_the_clinic_closes_says_closed(closing: str) -> None:
    entry = {"first": TUESDAY, "last": TUESDAY} if closing == "closures" else {"on": TUESDAY}
    set_up(clinic(**{closing: [entry]}))
    found = asked()
    assert why(found) is Why.CLOSED
    assert fixes(found)[0] == (NINE + timedelta(days=1), "ana")


def test_hours_too_short_for_the_visit_are_no_matter_of_other_days_but_of_other_people() -> None:
    long = visit_type("long", phases=[{"name": "treatment", "minutes": 300}])
    set_up(
        clinic(
            visit_types=[long],
            practitioners=[
                practitioner("ana", offers=["long"]),
                practitioner("ben", offers=["long"], hours={"thursday": ["9:00-16:00"]}),
            ],
        )
    )
    found = asked(visit="long")
    assert why(found) is Why.TOO_SHORT
    assert fixes(found) == (None, (NINE + timedelta(days=2), "ben"))


def test_whoever_is_away_has_a_day_on_which_they_are_back() -> None:
    off = [{"first": TUESDAY, "last": FRIDAY}]
    set_up(clinic(practitioners=[practitioner("ana", away=off), practitioner("ben")]))
    found = asked()
    assert why(found) is Why.AWAY
    # Friday is their last day off, and at the weekend they don't work.
    assert found.reason and found.reason.until == NEXT_WEEK.date()
    assert fixes(found) == ((NEXT_WEEK, "ana"), (NINE, "ben"))


def test_if_everybody_is_away_who_comes_back_first_counts() -> None:
    ana = practitioner("ana", away=[{"first": TUESDAY, "last": FRIDAY}])
    ben = practitioner("ben", away=[{"first": TUESDAY, "last": TUESDAY + timedelta(days=1)}])
    set_up(clinic(practitioners=[ana, ben]))
    found = asked(None)
    assert why(found) is Why.AWAY
    assert found.reason and found.reason.until == TUESDAY + timedelta(days=2)
    assert fixes(found) == ((NINE + timedelta(days=2), "ben"),) * 2


def test_who_is_fully_booked_has_another_day_and_others_have_this_one() -> None:
    set_up(clinic(practitioners=[half_an_hour("ana"), practitioner("ben")]))
    booked(practitioner="ana")
    found = asked()
    assert why(found) is Why.FULLY_BOOKED
    assert fixes(found) == ((NINE + timedelta(days=1), "ana"), (NINE, "ben"))


def in_one_room() -> ClinicFile:
    return clinic(practitioners=[half_an_hour("ana"), half_an_hour("ben")], rooms=rooms(1))


def with_one_device() -> ClinicFile:
    phases = [{"name": "treatment", "minutes": 30, "needs": ["practitioner", "room", "laser"]}]
    return clinic(
        practitioners=[half_an_hour("ana"), half_an_hour("ben")],
        visit_types=[visit_type(phases=phases)],
        devices=rooms(1, "laser"),
    )


@pytest.mark.parametrize(
    ("definition", "reason"), [(in_one_room, Why.NO_ROOM), (with_one_device, Why.NO_DEVICE)]
)
def test_a_free_practitioner_may_lack_a_room_or_a_device(definition: Any, reason: Why) -> None:
    set_up(definition())
    booked(practitioner="ben")
    found = asked("ana")
    assert why(found) is reason
    assert fixes(found) == ((NINE + timedelta(days=1), "ana"),) * 2


def test_what_is_too_soon_says_from_when_on_it_is_not() -> None:
    set_up(clinic(rules={"notice_minutes": 24 * 60}))
    found = asked(on=MONDAY.date())
    assert why(found) is Why.TOO_SOON
    assert found.reason and found.reason.not_before == cell_from(clock.now() + timedelta(days=1))
    assert fixes(found)[0] == (NINE, "ana")


def test_beyond_the_horizon_says_the_last_day_and_the_first_free_time_from_now_on() -> None:
    set_up(clinic(rules={"horizon_days": 7}))
    assert why(asked(on=NEXT_WEEK.date())) is None
    found = asked(on=NEXT_WEEK.date() + timedelta(days=1))
    assert why(found) is Why.BEYOND_HORIZON
    assert found.reason and found.reason.until == NEXT_WEEK.date()
    assert fixes(found)[0] == (MONDAY + timedelta(hours=2), "ana")


def test_a_practitioners_limit_is_a_reason_of_its_own() -> None:
    limit = {"scope": "practitioner", "per": "day", "visits": 1}
    set_up(clinic(rules={"limits": [limit]}, practitioners=[practitioner("ana"), practitioner("ben")]))
    booked(practitioner="ana")
    found = asked("ana")
    assert why(found) is Why.LIMIT_REACHED
    assert fixes(found) == ((NINE + timedelta(days=1), "ana"), (NINE, "ben"))


def test_who_does_not_offer_it_says_so_and_who_does_is_the_fix() -> None:
    set_up(
        clinic(
            visit_types=[visit_type(), visit_type("massage")],
            practitioners=[practitioner("ana"), practitioner("ben", offers=["massage"])],
        )
    )
    found = asked("ana", visit="massage")
    assert why(found) is Why.NOT_OFFERED
    assert fixes(found) == (None, (NINE, "ben"))
    for nowhere in ({"visit": "nothing"}, {"practitioner": "nobody"}):
        with pytest.raises(NotFound):
            asked(**nowhere)


def test_what_nobody_offers_has_no_fix() -> None:
    set_up(clinic(visit_types=[visit_type(), visit_type("massage")]))
    found = asked("ana", visit="massage")
    assert why(found) is Why.NOT_OFFERED
    assert fixes(found) == (None, None)
    with pytest.raises(NotOffered):
        asked(None, visit="massage")


def test_a_day_that_is_past_is_answered_with_today() -> None:
    set_up()
    found = free_times("follow-up", "ana", date(2020, 1, 1), 1)
    assert [day.on for day in found.days] == [MONDAY.date()]
    assert next(found.each()).starts_at == MONDAY + timedelta(hours=2)


def test_anyone_is_each_start_once_and_nobody_offers_what_is_lost() -> None:
    set_up(clinic(practitioners=[half_an_hour("ana"), half_an_hour("ben")]))
    assert [told(free) for free in asked(None).each()] == [(NINE, "ana")]
    booked(practitioner="ana")
    assert [told(free) for free in asked(None).each()] == [(NINE, "ben")]


def test_alternatives_are_with_the_same_person_while_there_are_enough() -> None:
    set_up(clinic(practitioners=[half_an_hour("ana"), practitioner("ben")]))
    booked(practitioner="ana")
    near = alternatives("follow-up", "ana", NINE)
    assert [one["practitioner"] for one in near] == ["ana"] * 3
    set_up(clinic(practitioners=[practitioner("ana", hours={"tuesday": ["9:00-9:30"]}), practitioner("ben")],
                  rules={"horizon_days": 7}))  # fmt: skip
    near = alternatives("follow-up", "ana", NINE)
    assert near[0] == {"starts_at": "2026-09-15T16:00:00Z", "practitioner": "ben"}
    assert len(near) == 3


def test_staff_see_what_patients_may_not_choose() -> None:
    set_up(clinic(visit_types=[visit_type(on_request=True)]))
    with pytest.raises(NotOffered):
        asked(None)
    # Nor does the quarter of an hour of patients bind them.
    starts = [
        free.starts_at for free in free_times("follow-up", None, TUESDAY, 1, audience=BookableBy.STAFF).each()
    ]
    assert starts[:2] == [NINE, NINE + timedelta(minutes=5)]
