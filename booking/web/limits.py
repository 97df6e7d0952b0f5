"""How often one network may ask. Searches are counted in memory, per process; what writes is counted in the database.

The windows and their arithmetic are those of the `limits` package; we bring its storage.
"""

import hashlib
import time

from flask import current_app
from limits import RateLimitItem, parse
from limits.storage import MemoryStorage, Storage
from limits.strategies import FixedWindowRateLimiter

from booking.errors import TooManyRequests
from booking.services import request_counts
from booking.services.transaction import transaction
from booking.web import visitor

# Generous: a whole family, or a library, may share one address.
RATES = {
    "search": parse("240 per minute"),
    "hold": parse("60 per 10 minutes"),
    "book": parse("40 per 10 minutes"),
    "change": parse("60 per 10 minutes"),
    "link": parse("10 per hour"),
}
# Before a password or a code is looked at: never switched off. By network, by account from a network, by account.
_SECRETS = {
    "sign-in": parse("40 per 15 minutes"),
    "password here": parse("10 per 15 minutes"),
    "password": parse("100 per day"),
    "code": parse("10 per 15 minutes"),
    "reset": parse("10 per hour"),
    "reset for": parse("5 per hour"),
    "account": parse("20 per 15 minutes"),
}
_IN_MEMORY = ("search",)


class DatabaseStorage(Storage):
    """Counts in our own database."""

    STORAGE_SCHEME = None

    @property
    def base_exceptions(self) -> type[Exception]:
        return Exception

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        return request_counts.count(key, expiry, amount)

    def get(self, key: str) -> int:
        return request_counts.counted(key)[0]

    def get_expiry(self, key: str) -> float:
        ends_at = request_counts.counted(key)[1]
        return ends_at.timestamp() if ends_at else time.time()

    def check(self) -> bool:
        return True

    def reset(self) -> int | None:
        return None

    def clear(self, key: str) -> None:
        with transaction() as session:
            request_counts.forget(session, key)


def _limiter(kind: str) -> FixedWindowRateLimiter:
    """Each application has its own."""
    name = "booking_limits_memory" if kind in _IN_MEMORY else "booking_limits_database"
    if name not in current_app.extensions:
        storage = MemoryStorage() if kind in _IN_MEMORY else DatabaseStorage()
        current_app.extensions[name] = FixedWindowRateLimiter(storage)
    found: FixedWindowRateLimiter = current_app.extensions[name]
    return found


def allow_secret(kind: str, *whose: str) -> None:
    """Counts a try of something secret, also where BOOKING_RATE_LIMITS is off. `whose`: an address or an account.

    Raises TooManyRequests, before anything costly is done.
    """
    marks = [hashlib.sha256(one.encode("utf-8", "replace")).hexdigest()[:32] for one in whose]
    _hit(_SECRETS[kind], kind, *marks)


def allow(kind: str) -> None:
    """Counts this request. Raises TooManyRequests, with the seconds to wait, when there were too many."""
    if not current_app.config["BOOKING"].rate_limits:
        return
    _hit(RATES[kind], kind, visitor.network())


def _hit(rate: RateLimitItem, kind: str, *whose: str) -> None:
    limiter = _limiter(kind)
    if not limiter.hit(rate, kind, *whose):
        ends = limiter.get_window_stats(rate, kind, *whose).reset_time
        raise TooManyRequests(retry_after=max(1, int(ends - time.time()) + 1))
