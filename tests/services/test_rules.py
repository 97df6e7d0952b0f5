"""The clinic's rules through the use cases: limits, notice, cut-off, reminders, who may book what, rooms and devices."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from booking.errors import LimitReached, NotOffered, SlotTaken, TooLateToChange, TooSoon
from booking.models import Appointment, BookableBy, Claim, Device, Message, Practitioner, Room
from booking.scheduling.reasons import Why
from booking.scheduling.timeline import instant_of
from booking.services import visits
from booking.services.rescheduling import reschedule
from booking.services.search import free_times
from tests.clinics import clinic, every_day, needled, practitioner, rooms, set_up, visit_type
from tests.services.making import NEXT_WEEK, NINE, booked, rows

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

TUESDAY = NINE.date()
BOTH = ["follow-up", "massage"]
TWO_TYPES = [visit_type(), visit_type("massage")]


def limited(scope: str, per: str, **how: Any) -> None:
    """A clinic of two people and two kinds of visit, with one limit."""
    limit = {"scope": scope, "per": per, "visits": 1} | how
    set_up(
        clinic(
            visit_types=TWO_TYPES,
            practitioners=[practitioner("ana", offers=BOTH), practitioner("ben", offers=BOTH)],
            rules={"limits": [limit]},
        )
    )


def guest(name: str) -> dict[str, Any]:
    return {"first_name": name, "email": f"{name.lower()}@example.com"}


def days_of(person: str, visit: str = "follow-up", days: int = 7) -> list[int]:
    """How many days after Tuesday this person still has times."""
    found = free_times(visit, person, TUESDAY, days)
    return [(day.on - TUESDAY).days for day in found.days_with_times]


# Limits


def test_a_practitioners_day_ends_with_its_last_visit() -> None:
    limited("practitioner", "day")
    assert days_of("ana") == [0, 1, 2, 3, 6]
    booked(practitioner="ana")
    assert days_of("ana") == [1, 2, 3, 6]
    with pytest.raises(SlotTaken):
        booked(NINE + timedelta(hours=2), practitioner="ana", **guest("Omar"))
    booked(NINE + timedelta(hours=2), practitioner="ben", **guest("Omar"))


def test_a_practitioners_week_goes_from_sunday_to_saturday() -> None:
    limited("practitioner", "week", visits=2)
    booked(NINE, practitioner="ana")
    booked(NINE + timedelta(days=1), practitioner="ana")
    assert days_of("ana") == [6]
    with pytest.raises(SlotTaken):
        booked(NINE + timedelta(days=3), practitioner="ana", **guest("Omar"))
    booked(NEXT_WEEK, practitioner="ana", **guest("Omar"))


@pytest.mark.parametrize("per", ["day", "week"])
def test_a_limit_of_one_visit_type_counts_and_binds_that_type_alone(per: str) -> None:
    limited("practitioner", per, visit_type="massage")
    booked(practitioner="ana", visit_type="follow-up")
    assert 0 in days_of("ana", "massage")
    booked(NINE + timedelta(hours=1), practitioner="ana", visit_type="massage", **guest("Omar"))
    assert days_of("ana", "massage") == ([1, 2, 3, 6] if per == "day" else [6])
    assert 0 in days_of("ana", "follow-up")


def test_a_limit_of_one_practitioner_does_not_bind_another() -> None:
    limited("practitioner", "day", practitioner="ana")
    booked(practitioner="ana")
    booked(practitioner="ben", **guest("Omar"))
    assert 0 not in days_of("ana")
    assert 0 in days_of("ben")


def test_anyone_goes_to_whom_the_limit_does_not_bind() -> None:
    limited("practitioner", "day", practitioner="ana")
    booked(practitioner="ana")
    assert booked(NINE + timedelta(hours=1), **guest("Omar")).practitioner == "ben"


@pytest.mark.parametrize(
    ("per", "refused", "welcome"), [("day", timedelta(hours=2), timedelta(days=1)),
                                    ("week", timedelta(days=3), timedelta(days=6))],
)  # fmt: skip
def test_a_patients_limit_names_the_telephone_and_binds_nobody_else(
    per: str, refused: timedelta, welcome: timedelta
) -> None:
    limited("patient", per)
    booked(practitioner="ana")
    with pytest.raises(LimitReached) as said:
        # Also with somebody else: it is the patient's limit.
        booked(NINE + refused, practitioner="ben")
    assert said.value.facts == {"phone": "+18185550100"}
    booked(NINE + refused, practitioner="ben", **guest("Omar"))
    booked(NINE + welcome, practitioner="ben")


def test_a_patients_limit_of_one_visit_type_leaves_the_others() -> None:
    limited("patient", "day", visit_type="massage")
    booked(visit_type="massage")
    booked(NINE + timedelta(hours=1), visit_type="follow-up")
    with pytest.raises(LimitReached):
        booked(NINE + timedelta(hours=2), visit_type="massage")


@pytest.mark.parametrize("scope", ["practitioner", "patient"])
def test_a_visit_may_move_within_its_own_full_day_and_frees_it_when_it_goes(scope: str) -> None:
    limited(scope, "day")
    visit = booked(NEXT_WEEK, practitioner="ana")
    again = {"practitioner": "ana"} | (guest("Omar") if scope == "practitioner" else {})
    with pytest.raises((SlotTaken, LimitReached)):
        booked(NEXT_WEEK + timedelta(hours=1), **again)
    later = NEXT_WEEK + timedelta(hours=2)
    reschedule(visit.reference, visit.token, later, "ana", actor="t", key="m")
    assert booked_at() == [later]
    visits.cancel(visit.reference, visit.token, "", actor="t", key="c")
    booked(NEXT_WEEK + timedelta(hours=1), key="once more", **again)


def booked_at() -> list[datetime]:
    return [instant_of(row["from_cell"]) for row in rows(Appointment)]


def test_a_move_into_a_patients_full_day_is_refused_and_changes_nothing() -> None:
    limited("patient", "day")
    booked(NEXT_WEEK, practitioner="ana")
    visit = booked(NEXT_WEEK + timedelta(days=1), practitioner="ana")
    before = rows(Appointment), rows(Claim)
    with pytest.raises(LimitReached):
        reschedule(visit.reference, visit.token, NEXT_WEEK + timedelta(hours=2), "ana", actor="t", key="m")
    assert (rows(Appointment), rows(Claim)) == before


# A visit type's own notice, cut-off and reminders


def test_first_visits_have_a_notice_of_their_own(standing_clock: Any) -> None:
    set_up(
        clinic(
            visit_types=[visit_type(), visit_type("first", kind="first")],
            practitioners=[practitioner(offers=["follow-up", "first"])],
            rules={"first_visit_notice_minutes": 48 * 60},
        )
    )
    with pytest.raises(TooSoon) as refused:
        booked(NINE, visit_type="first")
    assert refused.value.facts == {"earliest": "2026-09-16T15:00:00Z"}
    booked(NINE + timedelta(days=1), visit_type="first")
    booked(NINE, visit_type="follow-up", **guest("Omar"))


def test_a_visit_types_own_notice_counts_before_that_of_first_visits() -> None:
    first = visit_type("first", kind="first", notice_minutes=60)
    set_up(
        clinic(
            visit_types=[first],
            practitioners=[practitioner(offers=["first"])],
            rules={"first_visit_notice_minutes": 48 * 60},
        )
    )
    booked(NINE, visit_type="first")


def test_a_visit_type_may_have_its_own_cut_off(standing_clock: Any) -> None:
    set_up(
        clinic(
            visit_types=[visit_type(), visit_type("massage", cut_off_minutes=120)],
            practitioners=[practitioner(offers=BOTH)],
        )
    )
    short = booked(NEXT_WEEK, visit_type="massage")
    long = booked(NEXT_WEEK + timedelta(hours=1), **guest("Omar"))
    standing_clock.at(NEXT_WEEK - timedelta(hours=2))
    with pytest.raises(TooLateToChange) as refused:
        visits.cancel(long.reference, long.token, "", actor="t", key="long")
    assert refused.value.facts["until"] == "2026-09-20T17:00:00Z"
    assert visits.visit(short.reference, short.token).change_until == NEXT_WEEK - timedelta(hours=2)
    standing_clock.on(seconds=1)
    with pytest.raises(TooLateToChange):
        visits.cancel(short.reference, short.token, "", actor="t", key="late")
    standing_clock.on(seconds=-1)
    visits.cancel(short.reference, short.token, "", actor="t", key="in time")


@pytest.mark.parametrize(("days", "kinds"), [([5], {"reminder-5d"}), ([], set())])
def test_a_visit_type_may_have_its_own_reminder_days(days: list[int], kinds: set[str]) -> None:
    set_up(clinic(visit_types=[visit_type(reminder_days=days)]))
    booked(NEXT_WEEK + timedelta(days=1))
    assert {row["kind"] for row in rows(Message)} == {"confirmation"} | kinds


# Who may book what


def offering(bookable_by: str) -> dict[str, Any]:
    return {"offers": [{"visit_type": "follow-up", "bookable_by": bookable_by}]}


def test_by_link_only_is_offered_to_who_names_the_person() -> None:
    set_up(clinic(practitioners=[practitioner("ana", **offering("link")), practitioner("ben")]))
    assert {free.practitioner.slug for free in free_times("follow-up", None, TUESDAY, 5).each()} == {"ben"}
    assert booked(practitioner="ana").practitioner == "ana"
    booked(NINE, practitioner="ben", **guest("Omar"))
    with pytest.raises(SlotTaken):
        # Ana is free in a quarter of an hour, but nobody gets to her unnamed.
        booked(NINE + timedelta(minutes=15), **guest("Mia"))


def test_if_all_are_by_link_only_then_anyone_is_nobody() -> None:
    set_up(clinic(practitioners=[practitioner("ana", **offering("link"))]))
    with pytest.raises(NotOffered):
        booked()
    booked(practitioner="ana")


def test_staff_only_is_for_staff_also_when_named() -> None:
    set_up(clinic(practitioners=[practitioner("ana", **offering("staff")), practitioner("ben")]))
    found = free_times("follow-up", "ana", TUESDAY, 1)
    assert found.reason and found.reason.why is Why.NOT_OFFERED
    with pytest.raises(NotOffered):
        booked(practitioner="ana")
    visit = booked(practitioner="ana", audience=BookableBy.STAFF)
    assert visit.practitioner == "ana"
    assert rows(Appointment)[0]["booked_by"] == "staff"


def test_staff_decide_themselves_who_takes_a_new_patient() -> None:
    first = {"visit_type": "first", "takes_new": False}
    set_up(
        clinic(
            visit_types=[visit_type("first", kind="first")],
            practitioners=[practitioner("ana", offers=[first])],
        )
    )
    with pytest.raises(NotOffered):
        booked(visit_type="first", practitioner="ana")
    assert booked(visit_type="first", practitioner="ana", audience=BookableBy.STAFF).practitioner == "ana"


def test_takes_new_says_nothing_of_visits_that_are_no_first_ones() -> None:
    full = {"visit_type": "follow-up", "takes_new": False}
    set_up(clinic(practitioners=[practitioner(offers=[full])]))
    assert booked().practitioner == "ana"


# Rooms, devices, and rest


def slugs(kind: Any) -> dict[int, str]:
    return {row["id"]: row["slug"] for row in rows(kind)}


def rooms_given() -> list[str]:
    names = slugs(Room)
    return [names[visit["room_id"]] for visit in rows(Appointment)]


def test_rooms_are_given_in_the_order_that_the_practitioner_prefers() -> None:
    everybody = [
        practitioner("ana", rooms=["room-3", "room-1"]),
        practitioner("ben", rooms=["room-3"]),
        practitioner("mia", rooms=["room-3"]),
    ]
    set_up(clinic(practitioners=everybody, rooms=rooms(3)))
    booked(practitioner="ana")
    booked(practitioner="ben", **guest("Omar"))
    booked(practitioner="mia", **guest("Mia"))
    booked(NINE + timedelta(hours=1), practitioner="ben", **guest("Zoe"))
    # Their first choice, else by name.
    assert rooms_given() == ["room-3", "room-1", "room-2", "room-3"]


def test_without_a_wish_the_order_of_kinds_decides() -> None:
    set_up(
        clinic(
            rooms=[*rooms(1, "big"), *rooms(1, "small")],
            visit_types=[visit_type(room_kinds=["small", "big"])],
            practitioners=[practitioner("ana"), practitioner("ben")],
        )
    )
    booked(practitioner="ana")
    booked(practitioner="ben", **guest("Omar"))
    assert rooms_given() == ["small-1", "big-1"]


def test_each_device_serves_one_visit_at_a_time_and_only_in_its_own_phase() -> None:
    phases = [
        {"name": "needling", "minutes": 15},
        {"name": "rest", "minutes": 15, "needs": ["room", "estim"]},
    ]
    everybody = [practitioner(slug, offers=["needles"]) for slug in ("ana", "ben", "mia")]
    set_up(
        clinic(
            visit_types=[visit_type("needles", phases=phases)],
            practitioners=everybody,
            rooms=rooms(4),
            devices=rooms(2, "estim"),
        )
    )
    booked(practitioner="ana", visit_type="needles")
    booked(practitioner="ben", visit_type="needles", **guest("Omar"))
    with pytest.raises(SlotTaken):
        booked(practitioner="mia", visit_type="needles", **guest("Mia"))
    booked(NINE + timedelta(minutes=15), practitioner="mia", visit_type="needles", **guest("Zoe"))
    start = rows(Appointment)[0]["from_cell"]
    names = slugs(Device)
    taken = [
        (names[row["resource_id"]], row["from_cell"] - start, row["to_cell"] - start)
        for row in rows(Claim)
        if row["resource_id"] in names
    ]
    assert taken == [("estim-1", 3, 6), ("estim-2", 3, 6), ("estim-1", 6, 9)]


def needles(**how: Any) -> None:
    set_up(
        clinic(
            visit_types=[needled()],
            practitioners=[practitioner("ana", offers=["needles"], **how.pop("ana", {}))],
            rooms=rooms(4),
            **how,
        )
    )


@pytest.mark.parametrize(("at_once", "rules"), [(None, {}), (3, {}), (None, {"at_once": 3})])
def test_so_many_patients_at_once_and_no_more_while_needles_rest(
    at_once: int | None, rules: dict[str, int]
) -> None:
    """A rest of 60 minutes has room for the hands-on time of more patients than anybody wants to have lying there."""
    phases = [
        {"name": "needling", "minutes": 10},
        {"name": "rest", "minutes": 60, "needs": ["room"]},
        {"name": "removal", "minutes": 5},
    ]
    set_up(
        clinic(
            visit_types=[visit_type("needles", phases=phases)],
            practitioners=[practitioner(offers=["needles"], at_once=at_once)],
            rooms=rooms(5),
            rules=rules,
        )
    )
    at_most = at_once or rules.get("at_once", 2)
    for number in range(at_most):
        booked(NINE + timedelta(minutes=15 * number), visit_type="needles", **guest(f"Guest{number}"))
    with pytest.raises(SlotTaken):
        booked(NINE + timedelta(minutes=15 * at_most), visit_type="needles", **guest("Mia"))
    booked(NINE + timedelta(minutes=75), visit_type="needles", **guest("Zoe"))
    assert slugs(Practitioner) == {rows(Appointment)[0]["practitioner_id"]: "ana"}


def test_who_lets_needles_rest_stays_in_the_house() -> None:
    # 9:00 to 9:50; hands are needed until 9:15 and from 9:40 on.
    needles(ana={"hours": every_day("9:00-9:15", "9:40-12:00")})
    with pytest.raises(SlotTaken):
        booked(NINE, visit_type="needles")
    booked(NINE + timedelta(minutes=40), visit_type="needles", audience=BookableBy.STAFF)
    needles(ana={"hours": every_day("9:00-12:00")})
    booked(NINE + timedelta(days=1), visit_type="needles")


@pytest.mark.parametrize("what", ["away", "closures"])
def test_nobody_is_away_and_nothing_closes_while_needles_rest(what: str) -> None:
    entry = [{"first": TUESDAY, "last": TUESDAY, "hours": "9:20-9:25"}]
    needles(**({"ana": {"away": entry}} if what == "away" else {"closures": entry}))
    with pytest.raises(SlotTaken):
        booked(NINE, visit_type="needles")
    booked(NINE + timedelta(minutes=30), visit_type="needles")
