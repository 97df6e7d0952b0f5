"""Statuses and the moves between them."""

import pytest

from booking.scheduling.status import CORRECTIONS, MOVES, IllegalMove, Status, can, move


def test_the_run_of_a_day() -> None:
    status = Status.BOOKED
    for then in (Status.ARRIVED, Status.CHECKED_IN, Status.FULFILLED):
        status = move(status, then)
    assert status is Status.FULFILLED


@pytest.mark.parametrize("status", list(Status))
def test_a_button_pressed_twice_succeeds_quietly(status: Status) -> None:
    assert move(status, status) is status


def test_what_is_over_can_only_be_corrected() -> None:
    with pytest.raises(IllegalMove):
        move(Status.NOSHOW, Status.ARRIVED)
    assert Status.ARRIVED in CORRECTIONS[Status.NOSHOW]


def test_a_cancelled_visit_has_given_its_time_away() -> None:
    assert not any(can(Status.CANCELLED, then) for then in Status if then is not Status.CANCELLED)
    # Whose wish it was, and why, can be said anew.
    assert CORRECTIONS[Status.CANCELLED] == {Status.CANCELLED}


def test_every_status_has_its_moves() -> None:
    assert set(MOVES) == set(Status)
    assert set(CORRECTIONS) <= set(Status)
