"""Timelines: integers whose bits are five-minute cells."""

import itertools
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, strategies as st

from booking.scheduling.timeline import (
    Window,
    cell_at,
    cell_from,
    first_place,
    fits,
    instant_of,
    places,
    stretches,
    widen,
)

timelines = st.integers(0, 2**200 - 1)


def test_cells_are_counted_from_the_epoch_in_any_zone() -> None:
    assert cell_at(datetime(1970, 1, 1, 0, 5, tzinfo=UTC)) == 1
    assert cell_at(datetime(1970, 1, 1, 1, 5, tzinfo=timezone(timedelta(hours=1)))) == 1
    assert instant_of(cell_at(datetime(2026, 12, 3, 17, 15, tzinfo=UTC))) == datetime(
        2026, 12, 3, 17, 15, tzinfo=UTC
    )


def test_an_instant_between_two_cells_begins_none() -> None:
    with pytest.raises(ValueError, match="five minutes"):
        cell_at(datetime(2026, 12, 3, 17, 16, tzinfo=UTC))


@pytest.mark.parametrize(("second", "cell"), [(0, 0), (1, 1), (299, 1), (300, 1), (301, 2)])
def test_the_first_cell_from_an_instant_on_includes_it(second: int, cell: int) -> None:
    assert cell_from(datetime.fromtimestamp(second, UTC)) == cell


def test_a_stretch_is_clipped_to_its_window() -> None:
    window = Window(10, 5)
    assert window.stretch(0, 12) == 0b00011
    assert window.stretch(13, 99) == 0b11000
    assert window.stretch(0, 10) == 0
    assert window.stretch(12, 12) == 0


def test_nothing_that_takes_no_time_fits() -> None:
    with pytest.raises(ValueError, match="no time"):
        fits(0b111, 0)


@given(timelines, st.integers(1, 40))
def test_it_fits_where_so_many_ones_stand_in_a_row(free: int, cells: int) -> None:
    row = (1 << cells) - 1
    assert fits(free, cells) == sum(1 << place for place in range(200) if free >> place & row == row)


@given(timelines, st.integers(0, 20), st.integers(0, 20))
def test_widening_spreads_each_one(taken: int, before: int, after: int) -> None:
    spread = {near for place in places(taken) for near in range(max(place - before, 0), place + after + 1)}
    assert set(places(widen(taken, before, after))) == spread


@given(timelines)
def test_places_and_stretches_are_all_of_it(timeline: int) -> None:
    assert sum(1 << place for place in places(timeline)) == timeline
    runs = list(stretches(timeline))
    assert sum((1 << last) - (1 << first) for first, last in runs) == timeline
    assert all(last < first for (_, last), (first, _) in itertools.pairwise(runs))
    assert first_place(timeline) == (runs[0][0] if runs else None)
