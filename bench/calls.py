"""An hour at the desk in Chromium: what a call takes in seconds, keys and clicks. `tests.browser.calls` plays it."""

import statistics
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from bench.clinic import make_app
from bench.measuring import Figure
from booking.extensions import db
from tests import databases
from tests.browser import calls
from tests.browser.calls import Book, Find, Here, Hour, Move, New
from tests.browser.serving import chromium_flags, chromium_program, free_address, serving

# A Tuesday, nine in Los Angeles, as in the table of calls.
NINE = datetime(2026, 9, 15, 16, 0, tzinfo=UTC)
WINDOW: Any = {"width": 1280, "height": 720}


def figures() -> Iterator[Figure]:
    """The hour's figures, on SQLite; none without Chromium, which is said."""
    program = chromium_program()
    if program is None:
        print(
            "  forty calls at the desk: not tried, for Chromium is missing (`make test` installs it)",
            flush=True,
        )
        return
    yield from _of(_played(program))


def _played(program: str) -> Hour:
    with ExitStack() as stack:
        instance = stack.enter_context(tempfile.TemporaryDirectory())
        url, address = stack.enter_context(databases.sqlite()), free_address()
        app = make_app(url, str(Path(instance)), BOOKING_BASE_URL=address)
        time = [NINE]
        calls.fill(app, NINE)
        live = stack.enter_context(serving(app, address, lambda: time[0]))
        browser = stack.enter_context(sync_playwright()).chromium.launch(
            executable_path=program, args=chromium_flags()
        )
        stack.callback(browser.close)

        def new_page() -> Any:
            return browser.new_context(viewport=WINDOW, base_url=live, locale="en-US").new_page()

        hour = calls.play(app, live, new_page, lambda now: time.__setitem__(0, now), NINE)
        with app.app_context():
            db.engine.dispose()
        return hour


def _of(hour: Hour) -> Iterator[Figure]:
    by_keys, by_mouse = {"by": "keys", "and_back": False}, {"by": "mouse", "and_back": False}
    yield Figure(
        "a move by keys, choosing included: keys and clicks",
        hour.median("strokes", Move, **by_keys),
        "median",
        at_most=6,
    )
    yield Figure(
        "the same: the longest, with a refusal on the way",
        max(one.strokes for one in hour.of(Move, **by_keys)),
        "",
    )
    yield Figure("the same: seconds", hour.median("seconds", Move, **by_keys), "s", at_most=3)
    yield Figure("a move by mouse: seconds", hour.median("seconds", Move, **by_mouse), "s", at_most=3)
    yield Figure("the same: keys and clicks", hour.median("strokes", Move, **by_mouse), "median")
    yield Figure(
        "a move that is taken back: keys and clicks", hour.median("strokes", Move, and_back=True), "median"
    )
    yield Figure("find a time: keys and clicks", hour.median("strokes", Find), "median")
    yield Figure("a visit for somebody known: seconds", hour.median("seconds", Book), "s", at_most=15)
    yield Figure("the same: keys, with those of the name", hour.median("strokes", Book), "median")
    yield Figure("the same: fields", max(one.fields for one in hour.of(Book)), "at most", at_most=5)
    yield Figure("a visit for somebody new: seconds", hour.median("seconds", New), "s")
    yield Figure("checked in: keys and clicks", hour.median("strokes", Here), "median")
    yield Figure("the slowest call of all", max(one.seconds for one in hour.took), "s")
    yield Figure("keys and clicks of all forty calls", sum(one.strokes for one in hour.took), "")
    yield Figure("the page's own time in a call", statistics.mean(one.seconds for one in hour.took), "s mean")
    for what, faults in (("lost", hour.lost), ("double", hour.double), ("not told once", hour.untold)):
        yield Figure(f"{what}{': ' if faults else ''}{'; '.join(faults)}", len(faults), "", at_most=0)
