"""How gunicorn serves the application: `gunicorn --config python:booking.gunicorn_settings 'booking.app:create_app()'`.

Every name in lower case is one of gunicorn's own settings. What belongs to one machine (the address to listen on, the
proxy in front) is given on the command line or in GUNICORN_CMD_ARGS, which win over this file.
"""

import ctypes
import gc
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy.exc import DBAPIError

from booking.config import ConfigurationError
from booking.errors import Busy
from booking.extensions import db
from booking.services.clinic import missing_pages
from booking.services.desk import people

# Two processes, so that one may be busy or dying; threads enough that slow senders don't fill even one of them, for
# nothing spreads connections evenly: of 25 half-sent requests one process may get all.
worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = 32
backlog = 512

timeout = 30
graceful_timeout = 5
# Longer than the pause between two pages would only keep connections of phones that are gone.
keepalive = 5

# One copy of the program in memory, from which the workers are forked; its faults end the start, in words.
preload_app = True

# A worker shows that it lives by touching a file, which must never wait for a disk.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - gunicorn makes a file of its own in it

# gunicorn would open a control socket in the home folder. Signals do all that we need.
control_socket_disable = True

# Lines about requests would hold what opens somebody's visit. The proxy in front may count requests; see docs/deployment.md.
accesslog = None
errorlog = "-"
loglevel = "warning"


# The C library gives nearly each thread a heap of its own, most of which stays empty. Python runs one thread at a time,
# so two are enough; where there is another C library, there is no such call. (M_ARENA_MAX of mallopt(3) is -8.)
with suppress(AttributeError, OSError):
    ctypes.CDLL(None).mallopt(-8, 2)


def when_ready(server: Any) -> None:
    """The last look before patients come, and then: what the program holds now stays, and the workers share it.

    Collecting it in the workers would copy its memory into each of them.
    """
    application = server.app.wsgi()
    refuse_unfit(application)
    with application.app_context():
        # A database that can't be reached now, or isn't migrated yet, is asked again by whoever searches.
        with suppress(Busy, DBAPIError):
            people.prepare()
        db.engine.dispose()
    gc.collect()
    gc.freeze()


def refuse_unfit(application: Flask) -> None:
    """Production doesn't start without the pages that a provider must show."""
    with application.app_context():
        faults = missing_pages() if application.config["BOOKING"].production else []
    if faults:
        raise ConfigurationError(faults)


def post_fork(server: Any, worker: Any) -> None:
    """A worker opens connections of its own; one that the parent had opened must not be shared by two."""
    application = worker.app.wsgi()
    with application.app_context():
        db.engine.dispose(close=False)
