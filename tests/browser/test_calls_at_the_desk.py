"""Calls of a busy hour at the desk, as `tests.browser.calls` plays them: few keys and clicks, and nothing is lost.

`make bench` plays the whole hour, and counts its seconds.
"""

import pytest
from flask import Flask

from tests.browser import calls
from tests.browser.calls import Book, Move
from tests.browser.conftest import NewPage
from tests.conftest import StandingClock
from tests.services.making import NINE

WINDOW = {"width": 1280, "height": 720}


@pytest.fixture
def app(app: Flask) -> Flask:
    calls.fill(app, NINE)
    return app


# It takes half a minute here, and longer while others use the machine.
@pytest.mark.timeout(600)
def test_busy_calls_lose_nothing_double_nothing_and_tell_everybody_once(
    app: Flask, live: str, new_page: NewPage, standing_clock: StandingClock
) -> None:
    hour = calls.play(app, live, lambda: new_page(WINDOW), standing_clock.at, NINE, calls.SHORT)
    assert len(hour.took) == 17
    assert (hour.lost, hour.double, hour.untold) == ([], [], [])
    assert hour.median("strokes", Move, by="keys", and_back=False) <= 6
    assert hour.median("strokes", Move, by="mouse", and_back=False) <= 6
    assert max(one.fields for one in hour.of(Book)) <= 5
    assert sum(one.recovered for one in hour.took) == 3
    assert {type(one.call.does) for one in hour.took} == {type(call.does) for call in calls.CALLS}
    assert len(hour.of(Move, by="keys")) == 5 and len(hour.of(Move, by="mouse")) == 4
