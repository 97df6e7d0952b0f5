"""What tests begin with is the same each time, and making it is most of what many of them cost. What it says to a fresh
database is listened to once, and said again to the next one that was told the same so far.

Only what a test begins with: what it is about happens anew each time. Nothing is said again after something else was
written, in a test that patches anything, or on another thread than its own.
"""

import threading
from collections.abc import Callable, Hashable
from copy import deepcopy
from dataclasses import dataclass
from functools import wraps
from itertools import count
from typing import Any, ParamSpec, TypeVar

import psycopg
from flask import Flask, current_app
from sqlalchemy import Connection, event

from booking import clock
from booking.extensions import db

Statement = tuple[str, Any]
Given = ParamSpec("Given")
Answer = TypeVar("Answer")

# A test that patches something makes all of its own: what is patched may be what makes it.
patching = False


@dataclass
class Told:
    """What a database was told since it was as new: `NOTHING`, a known story, or None, where nobody listened."""

    so_far: Hashable | None
    said: list[Statement] | None = None
    kept: int = 0
    whole: bool = True

    def heard(self, statement: str, parameters: Any) -> None:
        if not statement.startswith(("INSERT", "UPDATE", "DELETE")):
            return
        if self.said is None or not _on_main_thread():
            self.so_far, self.whole = None, False
        else:
            self.said.append((statement, parameters))

    def committed(self) -> None:
        self.kept = len(self.said or ())

    def taken_back(self) -> None:
        """What was rolled back leaves gaps in the numbers, which saying it again would not."""
        self.whole = self.whole and len(self.said or ()) == self.kept


NOTHING = "nothing"
_TOLD = "tests_told"
_known: dict[Hashable, tuple[list[Statement], Any, Hashable]] = {}
_numbers = count()


def begin(app: Flask) -> None:
    """Its database is as new."""
    app.extensions[_TOLD] = Told(NOTHING)


def listen(app: Flask) -> None:
    """From now on, in a context of its own."""
    begin(app)

    def heard(*given: Any) -> None:
        _, _, statement, parameters, *_ = given
        app.extensions[_TOLD].heard(statement, parameters)

    event.listen(db.engine, "before_cursor_execute", heard)
    event.listen(db.engine, "commit", lambda *_: app.extensions[_TOLD].committed())
    for back in ("rollback", "rollback_savepoint"):
        event.listen(db.engine, back, lambda *_: app.extensions[_TOLD].taken_back())


def told() -> Told:
    """What the database of this application was told so far."""
    found: Told = current_app.extensions.get(_TOLD) or Told(None)
    return found


def once(make: Callable[Given, Answer]) -> Callable[Given, Answer]:
    """Of a function that tests begin with: where the same was asked of the same, its rows are written again as they were,
    and its answer is the same.
    """

    @wraps(make)
    def made(*given: Given.args, **how: Given.kwargs) -> Answer:
        so_far = told()
        asked = repr((given, how))
        # What doesn't say what it is can't be known again.
        unknown = so_far.so_far in (NOTHING, None) or so_far.said is not None or " at 0x" in asked
        if unknown or patching or not _on_main_thread():
            return make(*given, **how)
        values = current_app.config["BOOKING"].values
        # The mail server of a test has a port of its own, which nothing of this is about.
        settings = repr({name: value for name, value in values.items() if name != "BOOKING_MAIL_PORT"})
        same = so_far.so_far, make.__module__, make.__qualname__, asked, clock.now(), settings
        if same not in _known:
            return _listened_to(so_far, same, lambda: make(*given, **how))
        said, answer, then = _known[same]
        if said:
            with db.engine.begin() as connection:
                say_again(connection, said)
        so_far.so_far = then
        return deepcopy(answer)  # type: ignore[no-any-return]

    return made


def _listened_to(so_far: Told, same: Hashable, make: Callable[[], Answer]) -> Answer:
    before = so_far.so_far
    so_far.said, so_far.kept, so_far.whole = [], 0, True
    try:
        answer = make()
        if so_far.whole and so_far.kept == len(so_far.said):
            then = next(_numbers) if so_far.said else before
            _known[same] = so_far.said, deepcopy(answer), then
            so_far.so_far = then
        else:
            so_far.so_far = None
        return answer
    except BaseException:
        so_far.so_far = None
        raise
    finally:
        so_far.said = None


def say_again(connection: Connection, said: list[Statement]) -> None:
    driver = connection.connection.driver_connection
    if isinstance(driver, psycopg.Connection):
        # All at once: each way to the server costs as much as what is done there.
        cursor = psycopg.ClientCursor(driver)
        cursor.execute(
            "; ".join(
                cursor.mogrify(statement, one)
                for statement, parameters in said
                for one in (parameters if isinstance(parameters, list) else [parameters])
            )
        )
        return
    for statement, parameters in said:
        connection.exec_driver_sql(statement, parameters)


def _on_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
