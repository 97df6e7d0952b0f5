"""The whole installation in one terminal: the web server and the worker, under a small supervisor.

`serve` is what `make run` calls, and enough for one clinic on one machine. It stops both children when it is asked to
stop, or when one of them dies; starting again is for whoever started it (a person, systemd, a container). Machines with
a supervisor of their own run the two apart, as the samples in `deploy/` do.
"""

import contextlib
import ctypes
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import flask_migrate
from flask import current_app
from flask.cli import with_appcontext

from booking.config import DEVELOPMENT_BASE_URL
from booking.services import transaction

_APPLICATION = "booking.app:create_app"


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=5000, show_default=True, type=click.IntRange(1, 65535))
@click.option("--demo", is_flag=True, help="Load the demo clinic first, if the database is empty.")
@click.pass_context
@with_appcontext
def serve(context: click.Context, host: str, port: int, demo: bool) -> None:
    """Bring the database up to date, then run the web server and the worker until Ctrl-C."""
    for wanted in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Also where a shell has started us in the background, with Ctrl-C ignored.
        signal.signal(wanted, signal.default_int_handler)
    try:
        # Nobody should wait for the demo to load before hearing that the port is in use.
        _listen(host, port).close()
        flask_migrate.upgrade()
        if demo:
            context.invoke(current_app.cli.commands["demo"])
        _supervise(host, port)
    except KeyboardInterrupt:
        click.echo("Stopped.")


def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens there. Refuses, in words, an address that can't be had."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(512)
    except OSError as fault:
        raise click.ClickException(
            f"Port {port} of {host} can't be used: {fault.strerror}.\n"
            f"Stop what is using it, or choose another, as in: make run PORT={port % 65535 + 1}"
        ) from None
    return listener


def _supervise(host: str, port: int) -> None:
    """Runs both children until a signal comes or one of them ends, then stops what is left."""
    # The name that this machine reaches itself by, where it listens on all of its addresses.
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    address = f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"
    with _listen(host, port) as listener, _children(address, listener) as children:
        listener.close()
        announced = False
        while True:
            for what, child in children.items():
                if child.poll() is not None:
                    raise click.ClickException(
                        f"The {what} ended by itself ({child.returncode}), so all of it stops."
                    )
            if not announced and _answers(name, port):
                announced = True
                _announce(address)
            time.sleep(0.2)


@contextlib.contextmanager
def _children(address: str, listener: socket.socket) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """The web server on this socket, and the worker; both have ended when the block is left, however it is left."""
    python = [sys.executable, "-m"]
    commands = {
        "web server": [*python, "gunicorn", "--config", "python:booking.gunicorn_settings",
                       "--bind", f"fd://{listener.fileno()}", f"{_APPLICATION}()"],
        "worker": [*python, "flask", "--app", _APPLICATION, "worker"],
    }  # fmt: skip
    children: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for what, command in commands.items():
            children[what] = subprocess.Popen(
                command,
                env=_environment(address),
                stdin=subprocess.DEVNULL,
                pass_fds=[listener.fileno()] if what == "web server" else [],
                # A Ctrl-C goes to us alone; we ask the children to finish what they are doing.
                process_group=0,
                preexec_fn=_end_with_parent(),
            )
        yield children
    finally:
        _stop(children)


def _environment(address: str) -> dict[str, str]:
    """What the children are told: the same installation as ours, and the address that it answers on."""
    import_path = [str(Path(__file__).parent.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(import_path),
        "BOOKING_INSTANCE_PATH": current_app.instance_path,
    }
    if current_app.config["BOOKING"].base_url == DEVELOPMENT_BASE_URL:
        environment["BOOKING_BASE_URL"] = address
    return environment


def _end_with_parent() -> Callable[[], None] | None:
    """On Linux, asks the system to stop a child whose supervisor was killed: nothing may be left on the port."""
    if sys.platform != "linux":
        return None
    control_process = ctypes.CDLL(None).prctl
    signal_at_parents_death = 1
    return lambda: control_process(signal_at_parents_death, signal.SIGTERM)


def patience_seconds() -> float:
    """How long the children may take to end: more than the message that the worker has in hand, which is sent and marked,
    before the rest is given back and the heartbeat goes. That is also more than gunicorn's graceful_timeout.
    """
    sending: int = current_app.config["BOOKING"].sending_seconds
    return sending + 3 * transaction.PATIENCE_SECONDS


def _stop(children: dict[str, subprocess.Popen[bytes]]) -> None:
    """Asks, waits, and in the end insists. A second Ctrl-C insists at once."""
    for child in children.values():
        child.terminate()
    try:
        deadline = time.monotonic() + patience_seconds()
        for child in children.values():
            child.wait(max(0.0, deadline - time.monotonic()))
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        for child in children.values():
            child.kill()
            child.wait()


def _answers(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _announce(address: str) -> None:
    settings = current_app.config["BOOKING"]
    click.echo(f"\nThe clinic is open: {address}/")
    if not settings.production and not settings.mail_host:
        click.echo(f"What patients are sent: {address}/demo/mail")
    click.echo("Ctrl-C stops it.\n")
