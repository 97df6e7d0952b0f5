"""What all tests share: a fresh application on each database, a clock that stands, and no way out of this machine."""

import atexit
import gc
import importlib
import os
import re
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, settings
from jinja2 import FileSystemBytecodeCache
from xdist.scheduler import LoadScopeScheduling

from booking import clock, config
from booking.app import create_app
from booking.extensions import db
from tests import databases

settings.register_profile(
    "project",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
# For a look around by hand: HYPOTHESIS_PROFILE=explore make test PYTEST=tests/scheduling
settings.register_profile(
    "explore", parent=settings.get_profile("project"), derandomize=False, max_examples=3000
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "project"))

# A Monday morning in Los Angeles, 8 am, far from any clock change.
MONDAY = datetime(2026, 9, 14, 15, 0, tzinfo=UTC)


_THIS_MACHINE = ("127.0.0.1", "::1", "localhost")
_tried_to_leave: list[str] = []


def _stay_on_this_machine(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuses any connection to elsewhere, and remembers it: the code under test may swallow the refusal."""
    if event in ("socket.connect", "socket.sendto"):
        connection, address = arguments
        host = address[0] if connection.family in (socket.AF_INET, socket.AF_INET6) else "localhost"
    elif event == "socket.getaddrinfo":
        host = arguments[0] or "localhost"
    else:
        return
    if host not in _THIS_MACHINE:
        _tried_to_leave.append(host)
        raise PermissionError(f"A test tried to reach {host}. Tests stay on this machine.")


sys.addaudithook(_stay_on_this_machine)


@pytest.fixture(autouse=True)
def nothing_leaves_this_machine() -> Iterator[None]:
    """A test that tries to reach another machine fails, whatever became of the refusal."""
    _tried_to_leave.clear()
    yield
    assert not _tried_to_leave, f"tried to reach {', '.join(_tried_to_leave)}"


_COMPILED_TEMPLATES = "TESTS_COMPILED_TEMPLATES"


def pytest_configure(config: pytest.Config) -> None:
    """One folder for all processes of a run: a template that one of them has compiled is read by the others."""
    if not hasattr(config, "workerinput"):
        folder = os.environ[_COMPILED_TEMPLATES] = tempfile.mkdtemp(prefix="booking-templates-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Of many processes each begins with test modules of its own: whoever is the first to import one makes its assertions
    tell more, which takes longer than all else, and the others find it done.
    """
    worker = getattr(session.config, "workerinput", None)
    if worker is None or session.config.args != session.config.getini("testpaths"):
        return
    modules = sorted(Path(__file__).parent.rglob("test_*.py"))
    for module in modules[int(worker["workerid"][2:]) :: worker["workercount"]]:
        importlib.import_module(".".join(module.relative_to(session.config.rootpath).with_suffix("").parts))


def pytest_collection_finish() -> None:
    """What has been read by now stays: nobody needs to look again and again whether it is of use."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Half as many again as there are processors: whoever watches a browser, or other processes, mostly waits."""
    processors = os.cpu_count() or 1
    return processors + processors // 2


# Their tests share what takes a while to make, so one process has all of those on a database.
_TOGETHER = ("tests/app/test_demo.py", "tests/architecture/test_queries.py", "tests/web/test_access.py")
# They wait for a browser, or for other processes.
_WAIT = (
    "tests/browser/",
    "tests/app/test_serving.py",
    "tests/architecture/test_wheel.py",
    "tests/concurrency/test_storm",
)


class _Together(LoadScopeScheduling):  # type: ignore[misc]
    """Gives each process one test after the other, and those of some files as a whole."""

    def _split_scope(self, nodeid: str) -> str:
        file, _, name = nodeid.partition("::")
        kind = re.search("sqlite|postgresql", name)
        return f"{file} on {kind and kind[0]}" if file in _TOGETHER else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return _Together(config, log)


def _spread(items: list[pytest.Item]) -> list[pytest.Item]:
    """Those that wait among those that work, so that there is always one to work while others wait; the last are short."""
    waiting = [item for item in items if item.nodeid.startswith(_WAIT)]
    working = [item for item in items if not item.nodeid.startswith(_WAIT)]
    placed = [
        (until * number / len(some), item)
        for some, until in ((waiting, 0.9), (working, 1.0))
        for number, item in enumerate(some)
    ]
    return [item for _, item in sorted(placed, key=lambda one: one[0])]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Notes in the report which tests need PostgreSQL or Chromium: `.ci/run` refuses a run that skipped one."""
    if hasattr(config, "workerinput"):
        items[:] = _spread(items)
    for item in items:
        if item.nodeid.startswith("tests/browser/"):
            item.add_marker(pytest.mark.browser)
        for needed in ("postgresql", "browser"):
            if item.get_closest_marker(needed):
                item.user_properties.append(("needs", needed))


KINDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]


@pytest.fixture(params=KINDS)
def database_kind(request: pytest.FixtureRequest) -> str:
    """Once SQLite and once PostgreSQL."""
    kind: str = request.param
    return kind


@pytest.fixture
def database_url(database_kind: str) -> Iterator[str]:
    """A fresh database, once on SQLite and once on PostgreSQL."""
    with databases.renewed(database_kind) as url:
        yield url


MakeApp = Callable[..., Flask]


@pytest.fixture
def make_app(tmp_path: Path) -> Iterator[MakeApp]:
    """Applications with settings of one's own, closed at the end."""
    made: list[Flask] = []

    def make(database_url: str, **settings: str) -> Flask:
        app = create_app(
            databases.SETTINGS | {"BOOKING_DATABASE_URL": database_url} | settings,
            instance_path=str(tmp_path / f"instance-{len(made)}"),
        )
        made.append(app)
        return app

    yield make
    for app in made:
        with app.app_context():
            db.engine.dispose()


@pytest.fixture
def app(database_url: str) -> Iterator[Flask]:
    """The application on a fresh database. No context is pushed: requests and use cases bring their own."""
    with standing(database_url) as app:
        yield app


@contextmanager
def standing(database_url: str, **settings: str) -> Iterator[Flask]:
    """The application on a fresh database, with settings of one's own that it reads when it needs them."""
    app = _standing(database_url).as_new(settings)
    yield app
    with app.app_context():
        # A file goes with its test; a server's connections rest for the next one, unless somebody has kept one.
        if db.engine.dialect.name == "sqlite" or db.engine.pool.checkedout():  # type: ignore[attr-defined]
            db.engine.dispose()


@cache
def _standing(database_url: str) -> "StandingApp":
    return StandingApp(database_url)


class StandingApp:
    """The application that tests of one process share, one for each database: what one of them costs to be made, and
    its templates and statements to be compiled, is more than most tests. What it remembers is forgotten in between.
    """

    def __init__(self, database_url: str) -> None:
        self._instance = Path(tempfile.mkdtemp(prefix="booking-instance-"))
        atexit.register(shutil.rmtree, self._instance, ignore_errors=True)
        self._settings = databases.SETTINGS | {"BOOKING_DATABASE_URL": database_url}
        self.app = create_app(self._settings, instance_path=str(self._instance))
        self.app.jinja_env.bytecode_cache = FileSystemBytecodeCache(os.environ[_COMPILED_TEMPLATES])
        self._was = [(kept, dict(kept)) for kept in self._remembered()]
        self._made_anew = databases.made_anew

    def as_new(self, settings: dict[str, str]) -> Flask:
        for kept, was in self._was:
            kept.clear()
            kept.update(was)
        if self._made_anew != databases.made_anew:
            self._made_anew = databases.made_anew
            with self.app.app_context():
                db.engine.dispose()
        shutil.rmtree(self._instance)
        self._instance.mkdir()
        if settings:
            self.app.config.update(config.load(self._instance, self._settings | settings).flask())
        return self.app

    def _remembered(self) -> tuple[dict[str, Any], ...]:
        return self.app.extensions, self.app.config, self.app.config["BOOKING"].values


@pytest.fixture
def context(app: Flask) -> Iterator[Flask]:
    """The application with its context, for use cases that are called directly."""
    with app.app_context():
        yield app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


class StandingClock:
    """A clock that stands at Monday, 8 am, until it is turned."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.at(MONDAY)

    def at(self, instant: datetime) -> None:
        self.now = instant
        self._stack.enter_context(clock.turned_to(instant))

    def on(self, **by: float) -> None:
        self.at(self.now + timedelta(**by))


@pytest.fixture
def standing_clock() -> Iterator[StandingClock]:
    with ExitStack() as stack:
        yield StandingClock(stack)
