"""The one clock of the clinic.

Tests and the demo turn it. Only the worker's ticks and the windows of the rate limits go by the machine's time instead.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

_turned_to: ContextVar[datetime | None] = ContextVar("clock_turned_to", default=None)


def now() -> datetime:
    """The present instant, aware and in UTC."""
    return _turned_to.get() or datetime.now(UTC)


@contextmanager
def turned_to(instant: datetime) -> Iterator[None]:
    """Within the block, `now()` answers `instant`: for the demo's past visits and for tests.

    Only this thread (or task) sees it.
    """
    if instant.tzinfo is None:
        raise ValueError("The clock turns to an aware instant, not to a naive one.")
    token = _turned_to.set(instant.astimezone(UTC))
    try:
        yield
    finally:
        _turned_to.reset(token)
