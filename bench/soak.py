"""Soaks: workers killed while reminders go out, web workers killed while visits are booked, and a simulated year.

- The worker is killed (SIGKILL) again and again while reminders go to a real SMTP server, and others as texts. After
  dropping repeats of one Message-ID each mail must have arrived exactly once, with at most one repeat per kill. Each text
  must have gone once, or be in doubt and have gone by mail as well.
- Web workers are killed while visits are booked. There may be no half-booking.
- A year, with both clock changes, runs through the real outbox, while visits are moved and cancelled and people say STOP.
  What went out, and when, must be exactly what follows from the visits; no text in quiet hours.
"""

import argparse
import http.client
import json
import os
import random
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, time as wall_time, timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from flask import Flask
from sqlalchemy import and_, insert, or_, select, text, update

from bench import plan_soak
from bench.clinic import contended_starts, fresh, fresh_processes, make_app
from bench.crowds import OVERLAPS, count
from bench.storm import HALF_BOOKINGS, appointment, server
from booking import clock
from booking.errors import Refusal
from booking.extensions import db
from booking.models import Appointment, Channel, Message, MessageState, Reminders, TextConsent
from booking.reminders import delivery, worker as workers
from booking.reminders.delivery import deliver_due
from booking.reminders.worker import Worker
from booking.services import booking, inbound_texts, visits
from booking.services.clinic import present
from booking.services.rescheduling import reschedule
from booking.services.search import free_times
from tests import databases
from tests.databases import free_port

# So short that what a killed worker held comes back within the soak.
LEASE = timedelta(seconds=3)
TICK_SECONDS = 1


# Reminders under fire


def _sink(port: int, file: str) -> None:
    """A mail server in a process of its own: writes each Message-ID that it takes to a file, and flushes."""
    from aiosmtpd.controller import Controller

    class Keeps:
        def __init__(self) -> None:
            self.file = Path(file).open("a", buffering=1)  # noqa: SIM115 - open for as long as the process lives

        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
            content = envelope.content.decode("utf-8", "replace")
            (name,) = [line for line in content.splitlines() if line.lower().startswith("message-id:")][:1]
            self.file.write(name.split(":", 1)[1].strip() + "\n")
            return "250 OK"

    Controller(Keeps(), hostname="127.0.0.1", port=port).start()
    threading.Event().wait()


def work(url: str, instance: str, port: int) -> None:
    """A worker with a short lease, in this process, until it is killed."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # What it writes of the mails that its forerunner began.
    delivery.LEASE, delivery.LEASE_LEFT, workers.TICK_SECONDS = LEASE, timedelta(0), TICK_SECONDS
    app = make_app(url, instance, **_mail(port))
    # Three thousand at once would halt a clinic's worker, so that somebody looks at the clock.
    app.config["BOOKING_BURST"] = 1_000_000
    Worker(app).run()


def _mail(port: int) -> dict[str, str]:
    return {
        "BOOKING_MAIL_HOST": "127.0.0.1",
        "BOOKING_MAIL_PORT": str(port),
        "BOOKING_MAIL_SECURITY": "none",
        "BOOKING_MAIL_SENDER": "visits@clinic.example",
    }


def _queue(app: Flask, mails: int, texts: int) -> tuple[set[str], set[str]]:
    """So many due reminders: mails of one visit, each with a number of its own, and between them texts, each of a visit
    and to a number of its own. Returns the mails' Message-IDs and the texts' numbers.
    """
    mail_ids = [f"soak-{number}@clinic.example" for number in range(mails)]
    phones = [f"+1818{number:07}" for number in range(texts)]
    start = contended_starts(app)[0].astimezone(UTC)
    wish = booking.Wish(
        "plain", None, start, "Soak", "Guest", "soak@example.com", "+18185550100", Reminders.TEXT, text_consent=True
    )  # fmt: skip
    with app.app_context():
        booking.book(wish, actor="soak", key="soak")
        with db.engine.begin() as connection:
            visit, consent, mail = (
                dict(connection.execute(select(kind.__table__)).mappings().first() or {})
                for kind in (Appointment, TextConsent, Message)
            )
            connection.execute(Message.__table__.delete())
            # The mails are this visit's: else the worker would find its text missing, and write it.
            connection.execute(update(Appointment.__table__).values(reminders=Reminders.EMAIL))
            for row in (visit, consent, mail):
                del row["id"]
            due = clock.now() - timedelta(minutes=1)
            mail |= {"kind": "reminder-1d", "due_at": due, "not_after": start}
            others = []
            for number, phone in enumerate(phones):
                other = visit | {"reference": f"SOAK{number:06}", "phone": phone}
                made = connection.execute(insert(Appointment.__table__), other).inserted_primary_key
                others.append(
                    mail | {"appointment_id": made[0], "subject": f"appointment/SOAK{number:06}", "channel": "text",
                            "address": phone, "mail_id": f"text-{number}@clinic.example"}
                )  # fmt: skip
            connection.execute(
                insert(TextConsent.__table__), [consent | {"phone": phone} for phone in phones]
            )
            messages = others + [
                mail | {"resend": n, "mail_id": mail_id} for n, mail_id in enumerate(mail_ids)
            ]
            random.Random(4).shuffle(messages)
            connection.execute(
                insert(Message.__table__),
                [one | {"due_at": due + timedelta(milliseconds=n)} for n, one in enumerate(messages)],
            )
    return {f"<{mail_id}>" for mail_id in mail_ids}, set(phones)


def killed_workers(kind: str, reminders: int, kills: int, texts: int) -> dict[str, Any]:
    """Sends so many reminders by mail, and so many texts, while the worker is killed so often."""
    made = fresh_processes()
    dice = random.Random(1)
    # Texts may go at any hour: this runs by the real clock.
    with (
        tempfile.TemporaryDirectory() as folder,
        fresh(kind, f"{folder}/app", texts="0:00-24:00") as (url, app),
    ):
        wanted, phones = _queue(app, reminders, texts)
        port, taken, written = free_port(), Path(folder, "taken"), Path(folder, "worker", "mail")
        taken.touch()
        sink = made.Process(target=_sink, args=(port, str(taken)), daemon=True)
        sink.start()
        began, done_kills = time.perf_counter(), 0

        def waiting() -> int:
            return count(app, "SELECT count(*) FROM messages WHERE state IN ('queued', 'sending')")

        def gone() -> int:
            return len(taken.read_bytes()) + (len(os.listdir(written)) if written.exists() else 0)

        def start() -> BaseProcess:
            process = made.Process(target=work, args=(url, f"{folder}/worker", port))
            process.start()
            return process

        worker = start()
        deadline = time.monotonic() + 60 + kills * 6 + reminders / 20
        while waiting() and time.monotonic() < deadline:
            before = gone()
            # Killed in the middle of its work: only after it has begun to send.
            while gone() == before and waiting() and time.monotonic() < deadline:
                time.sleep(0.01)
            if done_kills < kills and waiting():
                time.sleep(dice.random() * 0.08)
                worker.kill()
                worker.join()
                done_kills += 1
                worker = start()
        worker.terminate()
        worker.join(30)
        sink.terminate()
        arrived = Counter(taken.read_text().split())
        texted = Counter(
            path.read_text().split("\n")[0].removeprefix("To: ") for path in written.glob("[!.]*.txt")
        )
        in_doubt, by_mail = _in_doubt(app)
        return {
            "reminders": reminders,
            "texts": texts,
            "kills": done_kills,
            "seconds": round(time.perf_counter() - began, 1),
            "lost": len(wanted - arrived.keys()),
            "repeats": sum(arrived.values()) - len(arrived),
            "texts_in_doubt": len(in_doubt),
            "texts_lost": len(phones - texted.keys() - in_doubt) + len(in_doubt - by_mail),
            "texts_twice": sum(texted.values()) - len(texted),
            "not_sent": _not_sent(app),
        }


def _in_doubt(app: Flask) -> tuple[set[str], set[str]]:
    """The numbers whose text was cut off when it was handed over, and those of them who had a mail instead."""
    with app.app_context(), db.engine.connect() as connection:
        doubtful = select(Message.appointment_id, Message.address).where(Message.state == MessageState.UNSURE)
        visit_by_phone = {phone: visit for visit, phone in connection.execute(doubtful)}
        mailed = set(
            connection.scalars(
                select(Message.appointment_id).where(
                    Message.state == MessageState.SENT, Message.channel == "email"
                )
            )
        )
    return set(visit_by_phone), {phone for phone, visit in visit_by_phone.items() if visit in mailed}


def _not_sent(app: Flask) -> list[str]:
    """What neither went out nor is in doubt, and why."""
    fine = (MessageState.SENT, MessageState.SIMULATED, MessageState.UNSURE)
    with app.app_context(), db.engine.connect() as connection:
        rows = connection.execute(
            select(Message.state, Message.attempts, Message.last_error).where(Message.state.not_in(fine))
        )
        return [f"{state.value} after {attempts} tries: {why}" for state, attempts, why in rows]


# Bookings under fire


def killed_web_workers(kind: str, bookings: int, kills: int) -> dict[str, Any]:
    """Books over HTTP while web workers are killed. No half-booking, no overlap; what was acknowledged is there."""
    dice = random.Random(2)
    with (
        tempfile.TemporaryDirectory() as instance,
        fresh(kind, instance) as (url, app),
        server(url, instance) as (port, master),
    ):
        starts, acknowledged, asked, stop = (
            contended_starts(app, days=20),
            list[str](),
            Counter[str](),
            threading.Event(),
        )

        def client(seed: int) -> None:
            mine = random.Random(seed)
            for number in range(bookings // 4):
                key = f"{seed}-{number}"
                headers = {"Content-Type": "application/json", "Idempotency-Key": key}
                body = appointment(mine.choice(starts), "anyone", f"guest{key}@example.com")
                # Asked again under the same key until there is an answer, as a program would.
                for _ in range(100):
                    try:
                        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
                        connection.request("POST", "/api/v1/appointments", body, headers)
                        answer = connection.getresponse()
                        said = json.loads(answer.read())
                        connection.close()
                    except (OSError, http.client.HTTPException, json.JSONDecodeError):
                        asked["cut off"] += 1
                        time.sleep(0.05)
                        continue
                    asked[str(answer.status)] += 1
                    if answer.status == 201:
                        acknowledged.append(said["reference"])
                    if answer.status != 503:
                        break

        crowd = [threading.Thread(target=client, args=(seed,)) for seed in range(4)]
        for thread in crowd:
            thread.start()
        done = 0
        while any(thread.is_alive() for thread in crowd):
            children = Path(f"/proc/{master.pid}/task/{master.pid}/children").read_text().split()
            if children and done < kills:
                with suppress(ProcessLookupError):
                    os.kill(int(dice.choice(children)), signal.SIGKILL)
                    done += 1
            stop.wait(0.1 + dice.random() * 0.2)
        for thread in crowd:
            thread.join()
        with app.app_context(), db.engine.connect() as connection:
            there = set(connection.scalars(text("SELECT reference FROM appointments")))
        return {
            "kills": done,
            "answers": dict(asked),
            "acknowledged": len(acknowledged),
            "acknowledged_but_not_there": len(set(acknowledged) - there),
            "there_but_not_acknowledged": len(there - set(acknowledged)),
            "half_bookings": count(app, HALF_BOOKINGS),
            "overlaps": count(app, OVERLAPS),
        }


# A simulated year

TICK = timedelta(minutes=20)
TEXTS = "10:00-16:00"
TEXTS_FROM, TEXTS_TO = wall_time(10), wall_time(16)
REMINDED_DAYS_BEFORE = (3, 1)
_BY = {
    Reminders.EMAIL: ("email",), Reminders.TEXT: ("text",), Reminders.BOTH: ("email", "text"), Reminders.CALL: ("call",),
}  # fmt: skip
# (reference, kind, calendar's sequence, channel), and when it went.
Told = tuple[str, str, int, str]


@dataclass
class Life:
    """What happened to one visit, and what its patient must have heard of it: worked out from this alone, without any
    code of the product's.
    """

    reference: str
    token: str
    phone: str
    email: str | None
    by: tuple[str, ...]
    # When it was booked or moved, and to what time.
    times: list[tuple[datetime, datetime]] = field(default_factory=list)
    cancelled_at: datetime | None = None
    stopped_at: datetime | None = None

    def must_have_heard(self, zone: ZoneInfo, ends: datetime) -> Iterator[tuple[Told, datetime]]:
        """What went out before `ends`, each at the first tick that it was due at."""
        changes = [at for at, _ in self.times[1:]] + [self.cancelled_at or ends]
        for sequence, ((since, start), until) in enumerate(zip(self.times, changes, strict=True)):
            yield from self._answer("change" if sequence else "confirmation", sequence, since)
            for days in REMINDED_DAYS_BEFORE:
                for channel in self.by:
                    due = _same_time_before(start, days, zone)
                    if channel == "text":
                        due = _within_hours(due, zone)
                    goes = due + (since - due) % TICK
                    if self._way(channel, goes) == "text":
                        # The last minutes in which texts may go can lie between two ticks.
                        goes = _within_hours(goes, zone)
                    way = self._way(channel, goes)
                    if since < due and goes < min(until, ends) and way:
                        yield (self.reference, f"reminder-{days}d", sequence, way), goes
        if self.cancelled_at:
            yield from self._answer("cancellation", len(self.times), self.cancelled_at)

    def _answer(self, kind: str, sequence: int, at: datetime) -> Iterator[tuple[Told, datetime]]:
        channel = "email" if self.email else "text" if "text" in self.by else None
        way = self._way(channel, at) if channel else None
        # Nobody is called to hear that what they have cancelled themselves is cancelled.
        if way and (kind, way) != ("cancellation", "call"):
            yield (self.reference, kind, sequence, way), at

    def _way(self, channel: str, at: datetime) -> str | None:
        """How it goes; None where somebody said STOP and hears it by mail anyway."""
        if channel != "text" or not self.stopped_at or at < self.stopped_at:
            return channel
        return None if "email" in self.by else "email" if self.email else "call"


def _same_time_before(start: datetime, days: int, zone: ZoneInfo) -> datetime:
    local = start.astimezone(zone)
    before = datetime.combine(local.date() - timedelta(days=days), local.time(), zone)
    return before.astimezone(UTC)


def _within_hours(due: datetime, zone: ZoneInfo) -> datetime:
    """At once, or in the next morning at which texts may go. All visits here begin later than that."""
    local = due.astimezone(zone)
    if TEXTS_FROM <= local.time() < TEXTS_TO:
        return due
    day = local.date() + timedelta(days=local.time() >= TEXTS_TO)
    return datetime.combine(day, TEXTS_FROM, zone).astimezone(UTC)


def simulated(kind: str, first: datetime, days: int, visits_a_day: int = 2) -> dict[str, Any]:
    """Days of a clinic through the real outbox. Each morning visits are booked some days ahead, some are moved or
    cancelled, somebody says STOP, and a row is lost that the worker has to write again; and the worker ticks.
    """
    dice, lives, lost = random.Random(3), list[Life](), 0
    ends = first + timedelta(days=days)
    with (
        tempfile.TemporaryDirectory() as instance,
        fresh(kind, instance, texts=TEXTS) as (_, app),
        app.app_context(),
    ):
        zone = present().zone
        worker = Worker(app, "soak")
        now = first
        while now < ends:
            local = now.astimezone(zone)
            with clock.turned_to(now):
                if local.hour == 8 and local.minute < TICK.seconds // 60:
                    lives += [life for _ in range(visits_a_day) if (life := _book_ahead(dice))]
                    _move_one(dice, lives)
                    _cancel_one(dice, lives)
                    _stop_one(dice, lives)
                    lost += _lose_one(dice)
                    worker.tidy()
                while deliver_due():
                    pass
            now += TICK
        with db.engine.connect() as connection:
            rows = connection.execute(
                select(
                    Message.subject, Message.kind, Message.sequence, Message.channel, Message.sent_at
                ).where(
                    or_(
                        Message.state.in_((MessageState.SENT, MessageState.SIMULATED, MessageState.TO_CALL)),
                        # It stood on the list of calls until the visit was moved or cancelled.
                        and_(
                            Message.channel == Channel.CALL,
                            Message.state == MessageState.DROPPED,
                            Message.attempts > 0,
                        ),
                    )
                )
            ).all()
    heard = [
        ((row.subject.removeprefix("appointment/"), *row[1:3], row.channel.value), row.sent_at)
        for row in rows
    ]
    wanted = dict(told for life in lives for told in life.must_have_heard(zone, ends))
    at_night = [
        told for told, sent_at in heard
        if told[3] == "text" and told[1].startswith("reminder")
        and not TEXTS_FROM <= sent_at.astimezone(zone).time() < TEXTS_TO
    ]  # fmt: skip
    return {
        "days": days,
        "visits": len(lives),
        "moved": sum(len(life.times) > 1 for life in lives),
        "cancelled": sum(life.cancelled_at is not None for life in lives),
        "stopped": sum(life.stopped_at is not None for life in lives),
        "lost_and_written_again": lost,
        "heard": dict(Counter(f"{kind} by {channel}" for (_, kind, _, channel), _ in heard)),
        "missing": sorted(wanted.keys() - {told for told, _ in heard}),
        "too_much": sorted((Counter(told for told, _ in heard) - Counter(wanted.keys())).elements()),
        # A call has no time: it is on the list from its tick on.
        "at_another_time": sorted(
            told for told, sent_at in heard if sent_at and sent_at != wanted.get(told, sent_at)
        ),
        "texts_in_quiet_hours": len(at_night),
    }


WRONG = ("missing", "too_much", "at_another_time", "texts_in_quiet_hours")


def _book_ahead(dice: random.Random) -> Life | None:
    """A visit some days ahead, with reminders of any kind, of somebody with a number of their own."""
    how = dice.choice(list(_BY))
    number = f"{clock.now():%j}{dice.randrange(10_000):04}"
    has_mail = how in (Reminders.EMAIL, Reminders.BOTH) or dice.random() < 0.6
    email, phone = f"year{number}@example.com" if has_mail else None, f"+1818{number}"
    day = (clock.now() + timedelta(days=dice.choice((2, 4, 6, 8)))).date()
    free = dice.choice(list(free_times("plain", None, day, 1).each()))
    wish = booking.Wish(
        "plain", None, free.starts_at, "Year", "Guest", email, phone, how, text_consent="text" in _BY[how]
    )
    try:
        made = booking.book(wish, actor="soak", key=number)
    except Refusal:
        return None
    return Life(made.reference, made.token, phone, email, _BY[how], [(clock.now(), free.starts_at)])


def _may_change(lives: list[Life]) -> list[Life]:
    """Those that are as they were booked, not just now, with two days to go."""
    now = clock.now()
    soon = now + timedelta(days=2)
    return [
        life
        for life in lives
        if not life.cancelled_at
        and len(life.times) == 1
        and life.times[0][0] < now
        and life.times[0][1] > soon
    ]


def _move_one(dice: random.Random, lives: list[Life]) -> None:
    """To the day after: nobody hears of it who has had a text that day, so no cap is reached."""
    if (candidates := _may_change(lives)) and dice.random() < 0.5:
        life, later = dice.choice(candidates), timedelta(days=1)
        local = life.times[0][1].astimezone(present().zone)
        start = datetime.combine(local.date() + later, local.time(), local.tzinfo).astimezone(UTC)
        with suppress(Refusal):
            reschedule(life.reference, life.token, start, None, actor="soak", key=f"move {life.reference}")
            life.times.append((clock.now(), start))


def _cancel_one(dice: random.Random, lives: list[Life]) -> None:
    if (candidates := _may_change(lives)) and dice.random() < 0.3:
        life = dice.choice(candidates)
        visits.cancel(life.reference, life.token, "", actor="soak", key=f"cancel {life.reference}")
        life.cancelled_at = clock.now()


def _stop_one(dice: random.Random, lives: list[Life]) -> None:
    candidates = [life for life in _may_change(lives) if "text" in life.by and not life.stopped_at]
    if candidates and dice.random() < 0.4:
        life = dice.choice(candidates)
        inbound_texts.receive(life.phone, "STOP", f"stop {life.phone}")
        life.stopped_at = clock.now()


def _lose_one(dice: random.Random) -> int:
    """Takes a reminder away that isn't due yet, as if it had never been written."""
    with db.engine.begin() as connection:
        waiting = select(Message.id).where(
            Message.state == MessageState.QUEUED,
            Message.due_at > clock.now(),
            Message.kind.startswith("reminder"),
        )
        found = connection.scalars(waiting.order_by(Message.due_at, Message.id)).all()
        if not found or dice.random() > 0.3:
            return 0
        connection.execute(Message.__table__.delete().where(Message.__table__.c.id == dice.choice(found)))
        return 1


def main() -> int:
    databases.on_disk()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reminders", type=int, default=3000)
    parser.add_argument("--texts", type=int, default=300)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--bookings", type=int, default=2000)
    parser.add_argument("--web-kills", type=int, default=100)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--patients", type=int, default=500, help="who begin plans")
    parser.add_argument("--plan-days", type=int, default=182)
    parser.add_argument("--databases", nargs="+", default=["sqlite", "postgresql"])
    given = parser.parse_args()
    fine = True
    for kind in given.databases:
        found = killed_workers(kind, given.reminders, given.kills, given.texts)
        fine &= not any(found[name] for name in ("lost", "texts_lost", "texts_twice", "not_sent"))
        fine &= found["repeats"] <= found["kills"]
        print(f"{kind}, workers killed: {json.dumps(found)}", flush=True)
        found = killed_web_workers(kind, given.bookings, given.web_kills)
        fine &= not any(found[name] for name in ("half_bookings", "overlaps", "acknowledged_but_not_there"))
        print(f"{kind}, web workers killed: {json.dumps(found)}", flush=True)
        found = simulated(kind, datetime(2026, 1, 5, 8, tzinfo=UTC), given.days)
        fine &= not any(found[name] for name in WRONG)
        print(f"{kind}, a simulated time: {json.dumps(found)}", flush=True)
        found = plan_soak.simulated(
            kind, datetime(2026, 1, 5, 16, tzinfo=UTC), given.plan_days, given.patients
        )
        fine &= not any(found[name] for name in plan_soak.WRONG)
        print(f"{kind}, patients on plans: {json.dumps(found, default=str)}", flush=True)
    print("Nothing lost, nothing half done." if fine else "SOMETHING IS WRONG.")
    return 0 if fine else 1


if __name__ == "__main__":
    raise SystemExit(main())
