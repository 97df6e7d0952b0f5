"""Soaks: workers killed while reminders go out, web workers killed while visits are booked, and a simulated year.

- The worker is killed (SIGKILL) again and again while reminders go to a real SMTP server. After dropping repeats of one
  Message-ID each must have arrived exactly once, with at most one repeat per kill.
- Web workers are killed while visits are booked. There may be no half-booking.
- A year, with both clock changes, runs through the real outbox. Every due reminder must be sent, no text in quiet hours.
"""

import argparse
import http.client
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import insert, select, text

from bench.clinic import contended_starts, fresh, make_app
from bench.storm import HALF_BOOKINGS, OVERLAPS, appointment, count, server
from booking import clock
from booking.errors import Refusal
from booking.extensions import db
from booking.models import Channel, Message, MessageState, Reminders
from booking.reminders import delivery
from booking.reminders.delivery import deliver_due
from booking.reminders.worker import Worker
from booking.scheduling.reminder_times import within_text_hours
from booking.services import booking
from booking.services.clinic import present
from booking.services.search import free_times
from tests.databases import free_port

# So short that what a killed worker held comes back within the soak.
LEASE = timedelta(seconds=3)


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
    delivery.LEASE, delivery.LEASE_LEFT = LEASE, timedelta(0)
    Worker(make_app(url, instance, **_mail(port))).run()


def _mail(port: int) -> dict[str, str]:
    return {
        "BOOKING_MAIL_HOST": "127.0.0.1",
        "BOOKING_MAIL_PORT": str(port),
        "BOOKING_MAIL_SECURITY": "none",
        "BOOKING_MAIL_SENDER": "visits@clinic.example",
    }


def _queue(app: Flask, wanted: int) -> set[str]:
    """So many due reminders of one visit, each with a number of its own. Returns their Message-IDs."""
    with app.app_context():
        start = contended_starts(app)[0]
        made = booking.book(
            booking.Wish(
                "plain",
                None,
                start.astimezone(UTC),
                "Soak",
                "Guest",
                "soak@example.com",
                None,
                Reminders.EMAIL,
            ),
            actor="soak",
            key="soak",
        )
        with db.engine.begin() as connection:
            table = Message.__table__
            row = dict(
                connection.execute(select(table).where(table.c.kind == "confirmation")).mappings().one()
            )
            connection.execute(table.delete())
            del row["id"]
            now = clock.now()
            mail_ids = [f"soak-{number}@clinic.example" for number in range(wanted)]
            connection.execute(
                insert(Message.__table__),
                [
                    row
                    | {
                        "kind": "reminder-1d",
                        "resend": number,
                        "mail_id": mail_id,
                        "due_at": now,
                        "not_after": start,
                    }
                    for number, mail_id in enumerate(mail_ids)
                ],
            )
        assert made
    return {f"<{mail_id}>" for mail_id in mail_ids}


def killed_workers(kind: str, reminders: int, kills: int) -> dict[str, Any]:
    """Sends so many reminders while the worker is killed so often."""
    spawn = multiprocessing.get_context("spawn")
    dice = random.Random(1)
    with tempfile.TemporaryDirectory() as folder, fresh(kind, f"{folder}/app") as (url, app):
        wanted = _queue(app, reminders)
        port, taken = free_port(), Path(folder, "taken")
        taken.touch()
        sink = spawn.Process(target=_sink, args=(port, str(taken)), daemon=True)
        sink.start()
        began, done_kills = time.perf_counter(), 0

        def waiting() -> int:
            return count(app, "SELECT count(*) FROM messages WHERE state IN ('queued', 'sending')")

        def start() -> subprocess.Popen[bytes]:
            command = f"from bench.soak import work; work({url!r}, {folder + '/worker'!r}, {port})"
            environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
            return subprocess.Popen(
                [sys.executable, "-c", command], env=environment, stderr=subprocess.DEVNULL
            )

        worker = start()
        deadline = time.monotonic() + 60 + kills * 6 + reminders / 20
        while waiting() and time.monotonic() < deadline:
            before = len(taken.read_bytes())
            # Killed in the middle of its work: only after it has begun to send.
            while len(taken.read_bytes()) == before and waiting() and time.monotonic() < deadline:
                time.sleep(0.01)
            if done_kills < kills and waiting():
                time.sleep(dice.random() * 0.08)
                worker.kill()
                worker.wait()
                done_kills += 1
                worker = start()
        worker.terminate()
        worker.wait(30)
        sink.terminate()
        arrived = Counter(taken.read_text().split())
        return {
            "reminders": reminders,
            "kills": done_kills,
            "seconds": round(time.perf_counter() - began, 1),
            "lost": len(wanted - arrived.keys()),
            "repeats": sum(arrived.values()) - len(arrived),
            "not_sent": _not_sent(app),
        }


def _not_sent(app: Flask) -> list[str]:
    """What didn't go out, and why."""
    with app.app_context(), db.engine.connect() as connection:
        rows = connection.execute(
            select(Message.state, Message.attempts, Message.last_error).where(
                Message.state != MessageState.SENT
            )
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


def simulated(
    kind: str, first: datetime, days: int, visits_a_day: int = 2, tick: timedelta = timedelta(minutes=20)
) -> dict[str, Any]:
    """Days of a clinic through the real outbox: visits are booked a week ahead, and the worker ticks."""
    dice = random.Random(3)
    late, texts_in_quiet_hours = timedelta(), 0
    with tempfile.TemporaryDirectory() as instance, fresh(kind, instance) as (_, app), app.app_context():
        clinic = present()
        hours = clinic.text_rules
        now = first
        while now < first + timedelta(days=days):
            with clock.turned_to(now):
                if (
                    now.astimezone(clinic.zone).hour == 8
                    and now.astimezone(clinic.zone).minute < tick.seconds // 60
                ):
                    for number in range(visits_a_day):
                        _book_ahead(dice, f"{now:%j}-{number}")
                began = clock.now()
                while deliver_due():
                    pass
                with db.engine.connect() as connection:
                    sent = connection.execute(
                        select(Message.channel, Message.kind, Message.due_at, Message.sent_at).where(
                            Message.sent_at == began
                        )
                    ).all()
                for channel, message_kind, due_at, sent_at in sent:
                    late = max(late, sent_at - due_at)
                    if channel is Channel.TEXT and message_kind.startswith("reminder"):
                        texts_in_quiet_hours += not within_text_hours(
                            sent_at, clinic.zone, hours.starts, hours.ends
                        )
            now += tick
        with clock.turned_to(now):
            due = select(Message.state, Message.kind, Message.last_error).where(Message.due_at <= now)
            with db.engine.connect() as connection:
                found = Counter((row.state.value, row.last_error) for row in connection.execute(due))
    return {
        "days": days,
        "states": {f"{state} {why}".strip(): number for (state, why), number in found.items()},
        "not_settled": sum(
            number for (state, _), number in found.items() if state in ("queued", "sending", "dead")
        ),
        "texts_in_quiet_hours": texts_in_quiet_hours,
        "latest_minutes": round(late.total_seconds() / 60),
    }


def _book_ahead(dice: random.Random, key: str) -> None:
    """A visit some days ahead, with reminders of any kind."""
    how = dice.choice([Reminders.EMAIL, Reminders.TEXT, Reminders.BOTH, Reminders.CALL])
    day = (clock.now() + timedelta(days=dice.choice((2, 4, 6, 8)))).date()
    free = list(free_times("plain", None, day, 1).each())
    with suppress(Refusal, IndexError):
        booking.book(
            booking.Wish(
                "plain", None, dice.choice(free).starts_at, "Year", "Guest", f"year{key}@example.com",
                f"+1818555{dice.randrange(100, 200):04d}", how, text_consent=how in (Reminders.TEXT, Reminders.BOTH),
            ),
            actor="soak",
            key=key,
        )  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reminders", type=int, default=3000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--bookings", type=int, default=2000)
    parser.add_argument("--web-kills", type=int, default=100)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--databases", nargs="+", default=["sqlite", "postgresql"])
    given = parser.parse_args()
    fine = True
    for kind in given.databases:
        found = killed_workers(kind, given.reminders, given.kills)
        fine &= found["lost"] == 0 and found["repeats"] <= found["kills"] and not found["not_sent"]
        print(f"{kind}, workers killed: {json.dumps(found)}", flush=True)
        found = killed_web_workers(kind, given.bookings, given.web_kills)
        fine &= not any(found[name] for name in ("half_bookings", "overlaps", "acknowledged_but_not_there"))
        print(f"{kind}, web workers killed: {json.dumps(found)}", flush=True)
        found = simulated(kind, datetime(2026, 1, 5, 8, tzinfo=UTC), given.days)
        fine &= found["not_settled"] == 0 and found["texts_in_quiet_hours"] == 0
        print(f"{kind}, a simulated time: {json.dumps(found)}", flush=True)
    print("Nothing lost, nothing half done." if fine else "SOMETHING IS WRONG.")
    return 0 if fine else 1


if __name__ == "__main__":
    raise SystemExit(main())
