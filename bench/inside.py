"""Use cases without HTTP: offers against fetching rows, what a long history costs, and the worker against bare SMTP."""

import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import cycle

from flask import Flask, current_app
from sqlalchemy import insert, select, text
from sqlalchemy.orm import Session

from bench.clinic import make_app
from bench.measuring import Figure, interleaved, statements
from bench.pages import Bookings
from booking import clock
from booking.extensions import db
from booking.models import Appointment, Claim, Message, MessageState
from booking.reminders import delivery
from booking.reminders.channels.mail import mailer
from booking.reminders.composing import compose
from booking.scheduling import offers as engine
from booking.scheduling.timeline import cell_from
from booking.services import booking
from booking.services.clinic import the_clinic
from booking.services.search import free_times
from booking.services.transaction import reading
from tests.databases import free_port

MAILS = 200


def figures(app: Flask, repeats: int) -> Iterator[Figure]:
    """The offers use case and the pure engine against fetching the same practitioners' claims as rows."""
    with app.app_context():
        asked = free_times("follow-up", None, days=30).offers.situation
        people = [person.id for person in asked.practitioners]

        def fetch() -> object:
            with Session(db.engine) as session:
                return session.scalars(
                    select(Claim).where(
                        Claim.resource_id.in_(people),
                        Claim.to_cell > asked.window.start,
                        Claim.from_cell < asked.window.end,
                    )
                ).all()

        def computed(days: int, whom: str | None = None) -> Callable[[], object]:
            def action() -> None:
                _forget_answers()
                free_times("follow-up", whom, days=days)

            return action

        took = interleaved(
            {
                "fetch": fetch,
                "anyone": computed(30),
                "one day": computed(1),
                "ninety": computed(90),
                "one": computed(30, "person-1"),
                "again": lambda: free_times("follow-up", None, days=30),
            },
            repeats, 30, time.process_time,
        )  # fmt: skip
        took |= interleaved({"engine": lambda: engine.find(asked)}, repeats, 500, time.process_time)
        yield Figure("fetching the claims of 6, 30 days", took["fetch"] * 1000, "ms")
        use_case, pure = took["anyone"] / took["fetch"], took["engine"] / took["fetch"]
        yield Figure(
            f"offers use case, anyone of 6, 30 days ({took['anyone'] * 1000:.2f} ms)",
            use_case,
            "x fetch",
            at_most=0.5,
        )
        yield Figure("the same, asked again while nothing changed", took["again"] * 1000, "ms")
        yield Figure(f"pure engine, the same ({took['engine'] * 1e6:.0f} us)", pure, "x fetch", at_most=0.02)
        yield Figure("6 practitioners against one", took["anyone"] / took["one"], at_most=4)
        yield Figure("30 days against one", took["anyone"] / took["one day"], at_most=2.5)
        yield Figure("90 days against 30", took["ninety"] / took["anyone"], at_most=3.3)
        for days in (1, 30, 90):
            _forget()
            cold = statements(db.engine, lambda days=days: free_times("follow-up", None, days=days))  # type: ignore[misc]
            yield Figure(f"SQL statements for offers of {days} days, nothing kept", cold, "", at_most=3)


def _forget() -> None:
    """Nothing is kept in the process any more."""
    current_app.extensions.pop("booking_availability", None)
    _forget_answers()


def _forget_answers() -> None:
    """What is kept of the resources stays, but each answer is computed anew."""
    current_app.extensions.pop("booking_free_times", None)


# What a long history costs


def growth(short: Flask, long: Flask, repeats: int) -> Iterator[Figure]:
    """The same on a clinic with a short and with a long history, in turns."""
    for what, most, made, times in (
        ("offers, nothing kept in the process", 1.1, _cold_offers, 10),
        ("a booking", 1.15, _booking, 10),
        ("claiming 50 due reminders", 1.1, _claiming, 1),
    ):
        took = interleaved({"short": made(short), "long": made(long)}, repeats * 6, times, time.perf_counter)
        name = f"{what} ({took['short'] * 1000:.2f} ms), with the long history"
        yield Figure(name, took["long"] / took["short"], at_most=most)


def _cold_offers(app: Flask) -> Callable[[], object]:
    def action() -> None:
        with app.app_context():
            _forget()
            free_times("follow-up", None, days=30)

    return action


def _booking(app: Flask) -> Callable[[], object]:
    wishes = Bookings(app).wishes()

    def action() -> None:
        with app.app_context():
            wish = next(wishes)
            booking.book(wish, actor="bench", key=wish.email or "")

    return action


def _claiming(app: Flask) -> Callable[[], object]:
    _queue(app, 5000)

    def action() -> None:
        with app.app_context():
            if len(delivery.claim(50)) != 50:
                raise RuntimeError("Too few reminders were due.")

    return action


# The worker


def worker(app: Flask, url: str, instance: str, repeats: int) -> Iterator[Figure]:
    """Claim, compose, send and mark, against composing and sending the same mails over one connection."""
    with _sink() as port:
        settings = {
            "BOOKING_MAIL_HOST": "127.0.0.1",
            "BOOKING_MAIL_PORT": str(port),
            "BOOKING_MAIL_SECURITY": "none",
            "BOOKING_MAIL_SENDER": "visits@clinic.example",
        }
        sending = make_app(url, instance, **settings)
        with sending.app_context():
            with db.engine.begin() as connection:
                connection.execute(text("UPDATE messages SET state = 'dropped' WHERE state = 'queued'"))

            def through_the_outbox() -> None:
                _queue(sending, MAILS)
                began.append(time.perf_counter())
                while delivery.deliver_due():
                    pass

            def bare() -> None:
                with reading() as session:
                    clinic = the_clinic(session)
                    rows = session.scalars(
                        select(Message).where(Message.kind == "reminder-1d").limit(MAILS)
                    ).all()
                    began.append(time.perf_counter())
                    with mailer() as mails:
                        for row in rows:
                            mails.send(compose(session, clinic, row))

            began: list[float] = []
            rates: dict[str, list[float]] = {"outbox": [], "bare": []}
            for _ in range(repeats):
                for name, action in (("outbox", through_the_outbox), ("bare", bare)):
                    action()
                    rates[name].append(MAILS / (time.perf_counter() - began[-1]))
            db.engine.dispose()
    outbox, smtp = (sorted(rates[name])[len(rates[name]) // 2] for name in ("outbox", "bare"))
    least = 0.75 if url.startswith("sqlite") else 0.55
    yield Figure(
        f"worker ({outbox:.0f} mails/s) against bare SMTP ({smtp:.0f}/s)", outbox / smtp, at_least=least
    )


def _queue(app: Flask, wanted: int) -> None:
    """So many due reminders, each of another patient's visit, as far as there are."""
    with app.app_context(), db.engine.begin() as connection:
        now = clock.now()
        ahead = connection.execute(
            select(Appointment.__table__).where(
                Appointment.status == "booked",
                Appointment.email.is_not(None),
                Appointment.to_cell > cell_from(now + timedelta(hours=3)),
            )
        )
        visits = {visit.patient_id: visit for visit in ahead}.values()
        number = connection.scalar(text("SELECT coalesce(max(id), 0) FROM messages"))
        connection.execute(
            insert(Message.__table__),
            [
                {
                    "subject": f"appointment/{visit.reference}", "kind": "reminder-1d", "sequence": visit.sequence, "channel": "email",
                    "appointment_id": visit.id, "address": visit.email, "facts": {}, "state": MessageState.QUEUED, "written_at": now,
                    "due_at": now - timedelta(minutes=1), "not_after": now + timedelta(hours=2), "attempts": 0, "last_error": "",
                    "resend": number + n, "mail_id": f"bench-{number + n}@example.com",
                }
                for n, visit in zip(range(wanted), cycle(visits), strict=False)
            ],
        )  # fmt: skip


@contextmanager
def _sink() -> Iterator[int]:
    """A mail server in a process of its own, so that its work is not ours."""
    port = free_port()
    process = multiprocessing.get_context("spawn").Process(target=_take_mails, args=(port,), daemon=True)
    process.start()
    time.sleep(2)
    try:
        yield port
    finally:
        process.terminate()
        process.join()


def _take_mails(port: int) -> None:
    from aiosmtpd.controller import Controller
    from aiosmtpd.handlers import Sink

    Controller(Sink(), hostname="127.0.0.1", port=port).start()
    while True:
        time.sleep(3600)
