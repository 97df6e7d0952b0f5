"""Who writes to the SQLite file next.

SQLite lets one writer in at a time, and its own way of waiting is unfair: a writer that has just finished may begin
again before one that has waited for seconds. So writers pass a turnstile of two file locks beside the database file.
One of them at a time stands in the door, the first lock, and waits for the room, the second. Whoever leaves the room
has to come back through the door, so the one who stands there is next. Who gets into the door is chance.

The locks bind every process on the machine that writes to this file. Each attempt opens descriptors of its own,
because threads that share one share its lock. The system drops the locks of a process that dies.
"""

import fcntl
import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PAUSE = 0.0004


class WaitedTooLong(Exception):
    """The deadline passed before it was this writer's turn."""


class CannotQueue(Exception):
    """The locks can't be opened, as on a disk that is read-only."""


class Turnstile:
    """Lets one writer in at a time, over threads and processes; nobody overtakes the one in the door."""

    def __init__(self, database: Path) -> None:
        self._door = database.with_name(database.name + ".door")
        self._room = database.with_name(database.name + ".room")
        # Threads of this process queue here first, so that few descriptors contend for the files.
        self._threads = threading.Lock()

    @contextmanager
    def pass_through(self, seconds: float) -> Iterator[None]:
        """Holds the room within the block. Raises WaitedTooLong after `seconds` of waiting."""
        deadline = time.monotonic() + seconds
        if not self._threads.acquire(timeout=seconds):
            raise WaitedTooLong
        try:
            door = _opened(self._door)
            try:
                _lock(door, deadline)
                room = _opened(self._room)
                try:
                    _lock(room, deadline)
                    fcntl.flock(door, fcntl.LOCK_UN)
                    yield
                finally:
                    os.close(room)
            finally:
                os.close(door)
        finally:
            self._threads.release()


def _opened(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as fault:
        raise CannotQueue(str(fault)) from fault


def _lock(descriptor: int, deadline: float) -> None:
    """A lock with a deadline: the system's own waiting has none, so we ask again and again."""
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise WaitedTooLong from None
            time.sleep(_PAUSE * (1 + random.random()))
