"""The worker: looks at the queue every few seconds, and drains it.

APScheduler only ticks. What is due is a query, so nothing is lost with a process, and any number of workers may run.
"""

import os
import signal
import socket
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from flask import Flask
from sqlalchemy.orm import Session

from booking import clock
from booking.errors import Busy, ClinicNotReady
from booking.models import Heartbeat, Installation
from booking.reminders.delivery import deliver_due
from booking.services import claims, idempotency, outbox, reconciling, request_counts
from booking.services.own_day import tomorrow
from booking.services.plans import beginning, finishing, offering
from booking.services.plans.one_by_one import LeftAside
from booking.services.transaction import reading, run

log = structlog.get_logger()

TICK_SECONDS = 5
TIDY_MINUTES = 10
KEEP_LAPSED = timedelta(hours=1)
# More than this due at once, far more than a clinic's day: a jumped clock, or an import.
BURST = 2000


def _write_missing() -> None:
    missing = run(reconciling.write_missing) if reconciling.anything_wrong() else 0
    if missing:
        log.warning("reminders were missing", number=missing)


_TIDIES: tuple[tuple[str, Callable[[], object]], ...] = (
    ("missing reminders", _write_missing),
    ("lists of tomorrow", tomorrow.write_due),
    ("plans that are to begin", beginning.make_the_next_firm),
    ("make-up times", offering.send_due),
    ("plans that are over", finishing.end_what_is_over),
    ("old answers", lambda: run(idempotency.forget_old_answers)),
    ("counts of requests", lambda: run(request_counts.forget)),
    ("lapsed holds", lambda: run(lambda session: claims.forget_lapsed(session, clock.now() - KEEP_LAPSED))),
)


class Worker:
    """One worker. `name` tells its heartbeat from others'."""

    def __init__(self, app: Flask, name: str | None = None) -> None:
        self.app = app
        self.name = name or f"{socket.gethostname()}-{os.getpid()}"
        self.started_at = clock.now()
        self._stopping = threading.Event()
        self._untidy = ""

    def run(self) -> None:
        """Ticks until it is told to stop (SIGTERM, SIGINT), then ends after the message in hand, and gives back the rest."""
        scheduler = BackgroundScheduler(timezone="UTC")
        options = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        now = datetime.now(UTC)
        scheduler.add_job(self.tick, "interval", seconds=TICK_SECONDS, next_run_time=now, **options)
        scheduler.add_job(self.tidy, "interval", minutes=TIDY_MINUTES, next_run_time=now, **options)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stopping.set())
        scheduler.start()
        log.info("worker started", worker=self.name)
        self._stopping.wait()
        scheduler.shutdown(wait=True)
        with self.app.app_context():
            run(self._leave)
        log.info("worker stopped", worker=self.name)

    def tick(self) -> None:
        """Sends all that is due. Trouble is told in the heartbeat and tried again with the next tick."""
        with self.app.app_context():
            trouble = ""
            try:
                halted = self.halted()
                if halted:
                    trouble = halted
                else:
                    self._drain()
            except ClinicNotReady:
                trouble = "No clinic has been set up."
            except Busy:
                trouble = "The database can't be reached, or is locked."
            except Exception as fault:
                log.exception("tick failed", worker=self.name)
                trouble = f"{type(fault).__name__} while sending."
            self._beat(trouble or self._untidy)

    def tidy(self) -> None:
        """Writes reminders that are missing and lists that are due, offers what makes up for missed visits, ends plans that are
        over, and forgets what no longer counts. Each goes by itself; trouble with one is told in the heartbeat, and tried again
        with the next tidying.
        """
        troubles = []
        with self.app.app_context():
            for name, tidies in _TIDIES:
                try:
                    tidies()
                except (Busy, ClinicNotReady):
                    log.warning("tidying waits", worker=self.name, what=name)
                except LeftAside as fault:
                    troubles.append(f"{fault} ({name}); the log says why.")
                except Exception as fault:
                    log.exception("tidying failed", worker=self.name, what=name)
                    troubles.append(f"{type(fault).__name__} while tidying ({name}).")
        self._untidy = " ".join(troubles)

    def halted(self) -> str:
        """Why nothing may be sent from here, or nothing: another installation's database, or far too much at once."""
        with reading() as session:
            installation = session.get(Installation, 1)
        name = self.app.config["BOOKING"].instance
        if installation is None:
            run(lambda session: session.add(Installation(id=1, instance=name)))
        elif installation.instance != name:
            return f"This database belongs to the installation “{installation.instance}”, not to “{name}”."
        elif installation.halted:
            return installation.halted
        return self._burst()

    def _burst(self) -> str:
        number = outbox.burst(self.app.config.get("BOOKING_BURST", BURST))
        if not number:
            return ""
        why = f"{number} reminders are due at once, far above the usual. Look at the clock, then: flask messages resume"
        outbox.halt(why)
        return why

    def _drain(self) -> None:
        while not self._stopping.is_set() and deliver_due(stopping=self._stopping.is_set):
            self._beat("")

    def _beat(self, trouble: str) -> None:
        def action(session: Session) -> None:
            now = clock.now()
            beat = session.get(Heartbeat, self.name)
            if beat is None:
                beat = Heartbeat(worker=self.name, started_at=self.started_at)
                session.add(beat)
            beat.ticked_at, beat.trouble = now, trouble
            session.query(Heartbeat).where(Heartbeat.ticked_at < now - timedelta(days=1)).delete()

        try:
            run(action)
        except Busy:
            log.warning("no heartbeat", worker=self.name)

    def _leave(self, session: Session) -> None:
        beat = session.get(Heartbeat, self.name)
        if beat is not None:
            session.delete(beat)
