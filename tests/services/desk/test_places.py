"""Where a visit can go, as the board lights it up; and the next times that suit. What is shown is what is accepted."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from booking.errors import BeyondHorizon, NeedsReason, NotChangeable, NotFound, Refusal
from booking.models import AbsenceKind
from booking.scheduling.timeline import cell_at, instant_of
from booking.services import absences
from booking.services.clinic import present
from booking.services.desk import statuses
from booking.services.desk.moving import Place, change
from booking.services.desk.panel import head
from booking.services.desk.places import find_times, nearest, places
from booking.services.transaction import run
from tests.clinics import clinic, practitioner, rooms, set_up, visit_type
from tests.conftest import MONDAY
from tests.services.making import NINE, booked
from tests.staffing import hired

HOUR = timedelta(hours=1)
TUESDAY = date(2026, 9, 15)

pytestmark = pytest.mark.usefixtures("standing_clock", "context", "the_clinic")


@pytest.fixture
def the_clinic(context: Any, standing_clock: Any) -> None:
    set_up(
        clinic(
            visit_types=[visit_type(pause_after_minutes=10), visit_type("other")],
            practitioners=[
                practitioner("ana"),
                practitioner("ben"),
                practitioner("cleo", offers=["other"]),
            ],
            rooms=rooms(2),
        )
    )


def starts(stretches: Any) -> set[int]:
    return {cell for first, last in stretches for cell in range(first, last)}


def test_what_only_the_notice_speaks_against_is_told_apart(standing_clock: Any) -> None:
    visit = booked(NINE + 5 * HOUR, practitioner="ana")
    booked(NINE + HOUR, practitioner="ana", email="x@example.com", first_name="Xenia")
    standing_clock.at(NINE)
    ana = places(hired(), visit.reference, TUESDAY).practitioners["ana"]
    at = cell_at(NINE)
    assert {at, at + 4, at + 20} <= starts(ana.soon) <= starts(ana.with_reason)
    # In the past; in a pause; on Xenia; late enough.
    assert not {at - 1, at + 5, at + 12, at + 24} & starts(ana.soon)


def test_what_is_free_what_needs_a_reason_and_why_not() -> None:
    visit = booked(practitioner="ana")
    booked(NINE + HOUR, practitioner="ana", email="x@example.com", first_name="Xenia")
    found = places(hired(), visit.reference, TUESDAY)
    assert set(found.practitioners) == {"ana", "ben"} and found.cells == {"ana": 6, "ben": 6}
    ana = found.practitioners["ana"]
    at = cell_at(NINE)
    # Where it stands; with the pause before Xenia; in the pause; on her; after her pause.
    assert at in starts(ana.free) and at + 4 in starts(ana.free)
    assert at + 5 in starts(ana.with_reason)
    assert at + 7 not in starts(ana.free) | starts(ana.with_reason)
    assert at + 20 in starts(ana.free) and at + 18 in starts(ana.with_reason)
    assert found.why("ana", at) == [] and found.why("ana", at + 4) == []
    (pause,) = found.why("ana", at + 5)
    assert (pause.code, pause.hard) == ("pause", False)
    taken = found.why("ana", at + 7)[0]
    assert (taken.code, taken.hard) == ("practitioner_taken", True)
    assert taken.facts["with_"][0]["whose"] == "Xenia Lima"
    early = found.why("ben", found.from_cell)
    assert [one.code for one in early] == ["too_soon", "outside_hours"] or early[-1].code == "outside_hours"
    for nobody in ("cleo", "zoe"):
        assert [one.code for one in found.why(nobody, at)] == ["not_offered"]
    assert [one.code for one in found.why("ana", at + 10_000)] == ["not_offered"]


def test_a_break_is_called_a_break_and_takes_a_reason() -> None:
    visit = booked(practitioner="ana")
    found = places(hired(), visit.reference, TUESDAY)
    lunch, evening = cell_at(NINE + 3 * HOUR), cell_at(NINE + 8 * HOUR)
    # Also where it only reaches into it.
    for cell in (lunch, lunch + 3, lunch - 3):
        (one,) = found.why("ana", cell)
        assert (one.code, one.hard) == ("in_a_break", False)
        assert cell in starts(found.practitioners["ana"].with_reason)
    assert [one.code for one in found.why("ana", evening)] == ["outside_hours"]


def test_time_off_is_nowhere_to_go() -> None:
    visit = booked(practitioner="ana")
    ben = present().practitioners["ben"].id
    run(
        lambda session: (
            absences.enter(session, AbsenceKind.TIME_OFF, ben, cell_at(NINE), cell_at(NINE + HOUR)).id
        )
    )
    found = places(hired(), visit.reference, TUESDAY)
    (away, *_) = found.why("ben", cell_at(NINE))
    assert away.code == "away" and away.facts["with_"][0]["by"] == "away"


def test_what_is_shown_is_what_is_accepted() -> None:
    """Each place of a morning, tried: free goes, with a reason goes with a reason, the rest doesn't go."""
    visit = booked(practitioner="ana")
    booked(NINE + HOUR, practitioner="ana", email="x@example.com")
    booked(NINE + 2 * HOUR, practitioner="ben", email="y@example.com")
    dana = hired()
    found = places(dana, visit.reference, TUESDAY)
    for slug, offered in found.practitioners.items():
        for cell in range(cell_at(NINE) - 1, cell_at(NINE) + 40, 7):
            wanted = Place(starts_at=instant_of(cell), practitioner=slug)
            key = f"{slug}-{cell}-xx"
            if cell in starts(offered.free):
                change(dana, visit.reference, wanted, version=None, key=key)
            elif cell in starts(offered.with_reason):
                with pytest.raises(NeedsReason):
                    change(dana, visit.reference, wanted, version=None, key=key)
                change(dana, visit.reference, wanted, version=None, reason="x", key=f"{key}-r")
            else:
                with pytest.raises(Refusal):
                    change(dana, visit.reference, wanted, version=None, reason="x", key=key)
            change(
                dana,
                visit.reference,
                Place(starts_at=NINE, practitioner="ana"),
                version=None,
                reason="x",
                key=f"{key}-b",
            )


def test_the_next_times_are_the_soonest_over_everybody() -> None:
    visit = booked(practitioner="ana")
    found = find_times(head(hired(), visit.reference), limit=5)
    assert found[0].starts_at == MONDAY + 2 * HOUR
    assert [one.practitioner.slug for one in found[:2]] == ["ana", "ben"]
    assert len(found) == 5 and all(one.ends_at - one.starts_at == HOUR / 2 for one in found)


def test_a_free_stretch_that_begins_beside_the_grid_is_found() -> None:
    earlier = booked(practitioner="ana")
    visit = booked(NINE + 2 * HOUR, practitioner="ana", first_name="Otto")
    dana = hired()
    # From ten past nine to twenty to ten, and the pause after it.
    change(dana, earlier.reference, Place(starts_at=NINE + HOUR / 6), version=None, key="beside the grid")
    only_ana = Place(practitioner="ana")
    found = find_times(head(dana, visit.reference), first=TUESDAY, days=1, place=only_ana, limit=99)
    starts = [(one.starts_at - NINE) / HOUR * 60 for one in found]
    # Not each five minutes after it.
    assert [one for one in starts if 0 <= one <= 75] == [50, 60, 75]


def test_the_next_times_by_weekday_part_of_the_day_and_person() -> None:
    visit = booked(practitioner="ana")
    dana = hired()
    found = find_times(
        head(dana, visit.reference),
        weekdays=(3,),
        part="afternoon",
        place=Place(practitioner="ben"),
        limit=50,
    )
    zone = present().zone
    local = [one.starts_at.astimezone(zone) for one in found]
    assert {one.weekday() for one in local} == {3} and {one.practitioner.slug for one in found} == {"ben"}
    assert min(one.hour for one in local) == 13
    morning = find_times(head(dana, visit.reference), first=TUESDAY, days=1, part="morning", limit=99)
    assert max(one.starts_at.astimezone(zone).hour for one in morning) < 12
    assert find_times(head(dana, visit.reference), place=Place(practitioner="cleo")) == []
    with pytest.raises(NotFound):
        find_times(head(dana, visit.reference), place=Place(practitioner="zoe"))


def test_times_are_found_for_the_very_wish() -> None:
    visit, dana = booked(practitioner="ana"), hired()
    booked(NINE + HOUR, practitioner="ana", email="x@example.com", first_name="Xenia")

    def at(**wish: Any) -> set[Any]:
        place = Place(practitioner="ana", **wish)
        found = find_times(head(dana, visit.reference), first=TUESDAY, days=1, place=place, limit=99)
        return {(one.starts_at - NINE) / HOUR for one in found}

    # Twice as long, it doesn't fit in before Xenia's any more.
    assert 0.25 in at()
    assert not {0.0, 0.25} & at(phase_minutes=(60,))
    assert 2.0 in at(phase_minutes=(60,)) and max(at(phase_minutes=(60,))) < max(at())
    assert 0.0 in at(phase_minutes=(45,)) and 0.0 not in at()


def test_near_a_place_that_cannot_be_the_same_wish_is_free() -> None:
    visit, dana = booked(practitioner="ana"), hired()
    booked(NINE + 5 * HOUR, practitioner="ana", email="x@example.com", first_name="Xenia")
    clashes = Place(starts_at=NINE + 5 * HOUR)
    found = nearest(dana, visit.reference, clashes)
    assert len(found) == 3 and {one.practitioner.slug for one in found} == {"ana"}
    assert [one.starts_at for one in found] == sorted(one.starts_at for one in found)
    assert max(abs(one.starts_at - NINE - 5 * HOUR) for one in found) <= 1.5 * HOUR
    for number, one in enumerate(found):
        change(dana, visit.reference, Place(starts_at=one.starts_at), version=None, key=f"near-{number}")
    with_ben = nearest(dana, visit.reference, Place(starts_at=NINE, practitioner="ben"), limit=1)
    assert [(one.starts_at, one.practitioner.slug) for one in with_ben] == [(NINE, "ben")]
    assert nearest(dana, visit.reference, Place(starts_at=NINE, practitioner="cleo")) == []


def test_near_a_place_that_cannot_be_what_is_only_too_soon_is_marked(standing_clock: Any) -> None:
    visit = booked(NINE + 5 * HOUR, practitioner="ana")
    booked(NINE + HOUR, practitioner="ana", email="x@example.com", first_name="Xenia")
    standing_clock.at(NINE)
    found = nearest(hired(), visit.reference, Place(starts_at=NINE + HOUR), limit=1)
    assert [one.soon for one in found] == [True]


def test_a_wish_that_breaks_a_rule_wherever_it_goes_has_places_all_the_same() -> None:
    visit = booked(NINE + 5 * HOUR, practitioner="ana")
    booked(NINE + HOUR, practitioner="ana", email="x@example.com", first_name="Xenia")
    shorter = Place(starts_at=NINE + HOUR, phase_minutes=(15,))
    assert len(nearest(hired(), visit.reference, shorter)) == 3
    free = find_times(head(hired(), visit.reference), place=replace(shorter, starts_at=None))
    assert free and not any(one.soon for one in free)


def test_a_patient_is_not_offered_two_places_at_once() -> None:
    visit = booked(practitioner="ana")
    other = booked(NINE + 5 * HOUR, practitioner="ben")
    at = cell_at(NINE + 5 * HOUR)
    found = places(hired(), visit.reference, TUESDAY)
    (elsewhere,) = found.why("ana", at)
    assert elsewhere.code == "patient_elsewhere" and elsewhere.facts["reference"] == other.reference


def test_who_is_in_the_room_may_get_another_practitioner_but_no_other_time(standing_clock: Any) -> None:
    visit, dana, at = booked(practitioner="ana"), hired(), cell_at(NINE)
    standing_clock.at(NINE)
    statuses.start(dana, visit.reference, key="start-001")
    found = places(dana, visit.reference, TUESDAY)
    assert starts(found.practitioners["ana"].free) == {at}
    offered = found.practitioners["ben"]
    assert starts(offered.free) | starts(offered.with_reason) == {at}
    assert [one.code for one in found.why("ben", at + 24)] == ["under_way"]
    assert find_times(head(dana, visit.reference)) == []
    change(dana, visit.reference, Place(practitioner="ben"), version=None, reason="x", key="ben-00001")


def test_what_is_over_goes_nowhere_and_absurd_days_are_refused() -> None:
    visit, dana = booked(practitioner="ana"), hired()
    for absurd in (date(1, 1, 1), date(9999, 12, 31)):
        with pytest.raises(BeyondHorizon):
            places(dana, visit.reference, absurd)
    with pytest.raises(BeyondHorizon):
        find_times(head(dana, visit.reference), first=date(9999, 12, 31))
    statuses.cancel(dana, visit.reference, key="cancel-01")
    with pytest.raises(NotChangeable):
        places(dana, visit.reference, TUESDAY)
