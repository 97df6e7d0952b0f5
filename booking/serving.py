"""Web server and worker together, as `make run` and `booking serve` start them.

A small parent of two children: it migrates, starts both, prints where to look, and stops both when it is told to
stop or when one of them ends.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import click
from flask import current_app
from flask_migrate import upgrade

from booking.config import Config
from booking.demo import making

THREADS = 16
_PACKAGE = Path(__file__).parent
_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def serve(host: str, port: int, *, with_demo: bool, workers: int) -> int:
    """Runs until a signal or the end of a child. Returns the exit code: 0 only after a signal."""
    if _in_use(host, port):
        click.echo(
            f"Port {port} on {host} is in use already. Choose another, as in: make run PORT={port + 1}",
            err=True,
        )
        return 1
    config: Config = current_app.config["BOOKING"]
    Path(current_app.instance_path).mkdir(parents=True, exist_ok=True)
    upgrade()
    if with_demo and not config.production and not making.clinic_is_there():
        click.echo("Loading the demo clinic ...")
        making.make()

    address = f"http://{host}:{port}"
    environment = os.environ | {
        "BOOKING_INSTANCE_PATH": current_app.instance_path,
        # In a checkout the package isn't installed; the children must find it as we did.
        "PYTHONPATH": os.pathsep.join(filter(None, (str(_PACKAGE.parent), os.environ.get("PYTHONPATH")))),
    }
    if not config.production:
        environment.setdefault("BOOKING_BASE_URL", address)
    children = [
        subprocess.Popen(
            [sys.executable, *_gunicorn(host, port, workers)], env=environment, start_new_session=True
        ),
        subprocess.Popen(
            [sys.executable, "-m", "booking", "worker"], env=environment, start_new_session=True
        ),
    ]
    stopped = _Stop()
    try:
        if _answers(host, port, children, stopped):
            click.echo(f"Serving {address}")
            if not config.production and not config.mail_host:
                click.echo(f"Mail: {address}/demo/mail")
            click.echo("Stop with Ctrl-C.")
        while not stopped and all(child.poll() is None for child in children):
            time.sleep(0.2)
    finally:
        ended = [child for child in children if child.poll() is not None]
        _stop(children)
    if stopped:
        return 0
    click.echo(
        f"The {'web server' if children[0] in ended else 'worker'} ended by itself; everything is stopped.",
        err=True,
    )
    return 1


class _Stop:
    """True from the first signal to stop on."""

    def __init__(self) -> None:
        self._signalled = False
        for number in _STOPS:
            signal.signal(number, self._take)

    def _take(self, *_: object) -> None:
        self._signalled = True

    def __bool__(self) -> bool:
        return self._signalled


def _gunicorn(host: str, port: int, workers: int) -> list[str]:
    """Threads enough that half-sent requests silence nobody."""
    return [
        "-m", "gunicorn", "booking.app:create_app()",
        "--bind", f"{host}:{port}",
        "--worker-class", "gthread", "--workers", str(workers), "--threads", str(THREADS),
        "--timeout", "60", "--graceful-timeout", "10", "--keep-alive", "5",
        "--no-control-socket",
        "--log-level", "warning",
    ]  # fmt: skip


def _in_use(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False


def _answers(host: str, port: int, children: list[subprocess.Popen[bytes]], stopped: _Stop) -> bool:
    """Waits until the web server takes connections; False if that never comes."""
    target = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not stopped and all(child.poll() is None for child in children):
        with suppress(OSError):
            socket.create_connection((target, port), 1).close()
            return True
        time.sleep(0.1)
    return False


def _stop(children: list[subprocess.Popen[bytes]]) -> None:
    """Asks first, then insists; nothing that was started is left."""
    for child in children:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGTERM)
    deadline = time.monotonic() + 15
    for child in children:
        try:
            child.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
