"""For those who run it: alive, ready, measured. No person's data."""

from flask import Blueprint, Response, abort, current_app, jsonify, request
from flask.typing import ResponseReturnValue
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from booking import clock
from booking.errors import Busy
from booking.services import health

blueprint = Blueprint("operations", __name__)


@blueprint.get("/healthz")
def healthz() -> ResponseReturnValue:
    """This process answers. Asks nobody."""
    return Response("ok\n", mimetype="text/plain")


@blueprint.get("/readyz")
def readyz() -> ResponseReturnValue:
    """The database answers and is migrated, and a worker ticks."""
    answer: dict[str, object] = {"database": False, "migrated": False, "worker": False}
    try:
        present, needed = health.migrations()
        answer |= {"database": True, "migrated": present == needed}
        beat, waiting = health.last_heartbeat(), health.queue()
        answer |= {
            "worker": not health.worker_is_silent(),
            "last_tick_seconds": round((clock.now() - beat.ticked_at).total_seconds()) if beat else None,
            "due": waiting.due,
            "oldest_due_seconds": _age(waiting),
            "dead": waiting.dead,
        }
    except Busy:
        pass
    fine = bool(answer["database"] and answer["migrated"] and answer["worker"])
    return jsonify({"ready": fine} | answer), 200 if fine else 503


@blueprint.get("/metrics")
def metrics() -> ResponseReturnValue:
    """For Prometheus, for whom the configuration lets in."""
    whom = current_app.config["BOOKING"].metrics
    local = request.remote_addr in ("127.0.0.1", "::1")
    if whom == "none" or (whom == "local" and not local):
        abort(404)
    registry = CollectorRegistry()
    waiting, beat = health.queue(), health.last_heartbeat()
    for name, meaning, value in (
        ("booking_messages_due", "Messages that are due and wait", waiting.due),
        ("booking_messages_oldest_due_seconds", "How long the oldest has been due", _age(waiting) or 0),
        ("booking_messages_dead", "Messages that were given up", waiting.dead),
        ("booking_messages_to_call", "Reminders that wait for a telephone call", waiting.to_call),
        (
            "booking_worker_last_tick_seconds",
            "How long ago a worker ticked",
            (clock.now() - beat.ticked_at).total_seconds() if beat else float("inf"),
        ),
    ):
        Gauge(name, meaning, registry=registry).set(value)
    return Response(generate_latest(registry), mimetype="text/plain; version=0.0.4")


def _age(waiting: health.Queue) -> int | None:
    if waiting.oldest_due_at is None:
        return None
    return round((clock.now() - waiting.oldest_due_at).total_seconds())
