"""The only code that commits.

A use case opens one transaction, once. `transaction()` won't nest, starts from fresh reads, takes the write lock at
once on SQLite, and turns a broken guard of the database into the matching refusal. `reading()` is for pages: it can't
write. Shared parts of use cases receive the session and never commit.
"""

import math
import random
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Engine, Integer, bindparam, event, func, select
from sqlalchemy.engine import Connection
from sqlalchemy.exc import (
    DBAPIError,
    DisconnectionError,
    IntegrityError,
    OperationalError,
    TimeoutError as PoolTimeout,
)
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from booking.errors import Busy, SlotTaken
from booking.extensions import db
from booking.services.turnstile import CannotQueue, Turnstile, WaitedTooLong

PATIENCE_SECONDS = 5.0
RETRIES = 5
IDLE_SECONDS = 1.0
OVERLAP = "claims overlap"  # What the SQLite triggers say; the migrations use this word.

_OVERLAP_ON_POSTGRESQL = "23P01"
_WORTH_ANOTHER_TRY = ("40P01", "40001")
_READ_ONLY = "25006"  # As after a fail-over, until the address leads to the new primary.

T = TypeVar("T")
_inside: ContextVar[bool] = ContextVar("inside_transaction", default=False)


class Contention(Busy):
    """The database asks for the same transaction once more, as after a deadlock."""

    code = "contention"


class _OneTransaction(Session):
    """A session that lives for one transaction, so it looks for its connection once and not for every statement."""

    _found: Connection | None = None

    def connection(self, *given: Any, **how: Any) -> Connection:
        if self._found is None:
            self._found = super().connection(*given, **how)
        return self._found


@contextmanager
def transaction() -> Iterator[Session]:
    """One transaction that writes: committed at the end of the block, rolled back by any exception.

    Raises SlotTaken when the database refuses an overlap, Busy when it can't be reached or is locked for too long,
    Contention when the same transaction is worth another try (see `run`).
    """
    if _inside.get():
        raise RuntimeError("A transaction is open already. Pass its session on instead of opening another.")
    token = _inside.set(True)
    try:
        with (
            _turn(db.engine),
            _words_for_faults(),
            _OneTransaction(db.engine, expire_on_commit=False) as session,
        ):
            session.connection(execution_options={"booking_writes": True})
            yield session
            session.commit()
    finally:
        _inside.reset(token)


@contextmanager
def reading() -> Iterator[Session]:
    """One transaction that only reads. Nothing that is changed in it is kept."""
    if _inside.get():
        raise RuntimeError("A transaction is open already. Read with its session.")
    with _words_for_faults(), _OneTransaction(db.engine, expire_on_commit=False, autoflush=False) as session:
        yield session


def run(action: Callable[[Session], T]) -> T:
    """`action(session)` in one transaction, again with a fresh one after a deadlock, up to five times."""
    for attempt in range(1, RETRIES + 1):
        try:
            with transaction() as session:
                return action(session)
        except Contention:
            if attempt == RETRIES:
                raise Busy(retry_after=2) from None
            time.sleep(random.uniform(0.005, 0.03) * attempt)
    raise AssertionError("unreachable")


_LOCK_SPACE = 7301  # Of all advisory locks in the database, ours.
_NAME_LOCK = select(
    func.pg_advisory_xact_lock(bindparam("space", type_=Integer), bindparam("mark", type_=Integer))
)


def lock_names(session: Session, *names: str) -> None:
    """Makes whoever else locks one of these names wait until this transaction ends: for what has no row to lock yet.

    In sorted order, so that two transactions never wait for each other. SQLite has one writer at a time anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        for mark in sorted(zlib.crc32(name.encode()) for name in names):
            session.connection().execute(_NAME_LOCK, {"space": _LOCK_SPACE, "mark": mark - 2**31})


@contextmanager
def _turn(engine: Engine) -> Iterator[None]:
    """On SQLite, waits for this writer's turn."""
    turnstile = _turnstiles.get(engine)
    if turnstile is None:
        yield
        return
    try:
        with turnstile.pass_through(PATIENCE_SECONDS):
            yield
    except WaitedTooLong:
        raise Busy(retry_after=2) from None
    except CannotQueue as fault:
        raise Busy(retry_after=5) from fault


@contextmanager
def _words_for_faults() -> Iterator[None]:
    try:
        yield
    except IntegrityError as fault:
        if _state(fault) == _OVERLAP_ON_POSTGRESQL or OVERLAP in str(fault.orig):
            raise SlotTaken from fault
        raise
    except OperationalError as fault:
        if _state(fault) in _WORTH_ANOTHER_TRY:
            raise Contention(retry_after=2) from fault
        raise Busy(retry_after=5) from fault
    except PoolTimeout as fault:
        raise Busy(retry_after=5) from fault
    except DBAPIError as fault:
        if fault.connection_invalidated or _state(fault) == _READ_ONLY:
            raise Busy(retry_after=5) from fault
        raise


def _state(fault: DBAPIError) -> str | None:
    return getattr(fault.orig, "sqlstate", None)


# What an engine needs to know of its database.

_turnstiles: dict[Engine, Turnstile] = {}


# A fault names the statement, never what it was given: that is somebody's name and address.
_NO_DATA_IN_LOGS = {"hide_parameters": True}


def engine_options(url: str) -> dict[str, Any]:
    """Options for the engine of this database: room for every thread, and no endless waiting."""
    if url.startswith("sqlite"):
        return {
            **_NO_DATA_IN_LOGS,
            "pool_size": 20,
            "max_overflow": 20,
            "pool_timeout": PATIENCE_SECONDS,
            "connect_args": {"timeout": PATIENCE_SECONDS},
        }
    # On today's disks a page anywhere costs hardly more than the next one: so indexes are used, and a long history costs nothing.
    settings = (
        "-c lock_timeout=5000 -c statement_timeout=20000 -c idle_in_transaction_session_timeout=60000"
        " -c TimeZone=UTC -c random_page_cost=1.1"
    )
    return {
        **_NO_DATA_IN_LOGS,
        "pool_size": 10,
        # A connection for each thread of the web server, if it comes to that.
        "max_overflow": 22,
        "pool_timeout": PATIENCE_SECONDS,
        "connect_args": {"connect_timeout": 5, "options": settings},
    }


def prepare(engine: Engine) -> None:
    """Teaches an engine our habits; called once when the application is made."""
    if engine.dialect.name == "sqlite":
        _prepare_sqlite(engine)
    else:
        _prepare_postgresql(engine)


def _prepare_postgresql(engine: Engine) -> None:
    """Asks a connection that was idle whether it still lives; one that was in use a moment ago needn't be asked."""

    @event.listens_for(engine, "checkin")
    def checked_in(connection: Any, record: ConnectionPoolEntry) -> None:
        record.info["idle_since"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def checked_out(connection: Any, record: ConnectionPoolEntry, *_: Any) -> None:
        if time.monotonic() - record.info.get("idle_since", math.inf) < IDLE_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except Exception as fault:
            # The pool throws away what it has and opens a new one.
            raise DisconnectionError from fault


def _prepare_sqlite(engine: Engine) -> None:
    if engine.url.database:
        _turnstiles[engine] = Turnstile(Path(engine.url.database).resolve())

    @event.listens_for(engine, "connect")
    def connected(connection: Any, record: Any) -> None:
        # The driver would begin transactions at moments of its own; we say when, in `began`.
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def began(connection: Connection) -> None:
        if connection.get_execution_options().get("booking_writes"):
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            # Waits for nobody, so it may go to the driver as it is: every page begins so, many more than once.
            connection.connection.cursor().execute("BEGIN")
