"""Web server and worker together, as `make run` starts them: half-sent requests, a port in use, and the end.

Nothing here is a race against the clock: a condition is waited for, and only what would take forever runs out of time.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from booking import config, gunicorn_settings, serving
from booking.services import transaction
from tests.databases import free_port

ROOT = Path(__file__).parent.parent.parent
PATIENCE = 60  # More than a busy machine needs, and less than a half-sent request would keep a thread.


def wait_until(true: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.02)


def serve(port: int, instance: Path, *more: str) -> subprocess.Popen[str]:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("BOOKING_", "DATABASE_"))
    }
    return subprocess.Popen(
        [sys.executable, "-m", "flask", "serve", "--port", str(port), *more],
        cwd=ROOT, env=environment | {"BOOKING_INSTANCE_PATH": str(instance)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip


def healthy(port: int, seconds: float) -> bool:
    with suppress(OSError):
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=seconds).status == 200
    return False


def wait_until_healthy(port: int) -> None:
    wait_until(lambda: healthy(port, 2), "the server never answered")


Served = tuple[int, subprocess.Popen[str]]


@pytest.fixture
def served(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Served]:
    port = free_port()
    process = serve(port, tmp_path / "instance", *getattr(request, "param", []))
    wait_until_healthy(port)
    yield port, process
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def taken_and_read(port: int) -> int:
    """How many connections to this port the server has accepted, and read all that was sent by."""
    ours = f":{port:04X}"
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    established = [line for line in lines if line[1].endswith(ours) and line[3] == "01"]
    # A connection that still waits in the queue has no inode.
    return sum(line[9] != "0" and line[4].endswith(":00000000") for line in established)


def half_sent_requests_keep_nobody_waiting(port: int) -> None:
    half = [socket.create_connection(("127.0.0.1", port)) for _ in range(25)]
    for connection in half:
        connection.sendall(b"POST /api/v1/appointments HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
    wait_until(lambda: taken_and_read(port) >= 25, "the half-sent requests were never taken")
    # The server would wait for the rest as long as we keep the connections; whoever asks meanwhile is answered.
    for _ in range(10):
        assert healthy(port, PATIENCE)
    assert taken_and_read(port) >= 25
    for connection in half:
        connection.close()


def children_of(process: subprocess.Popen[str]) -> list[str]:
    return Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()


def stops_all_that_it_started(port: int, process: subprocess.Popen[str], how: signal.Signals) -> None:
    children = children_of(process)
    assert len(children) == 2
    os.kill(process.pid, how)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert not any(Path(f"/proc/{child}").exists() for child in children)
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_ctrl_c_stops_all_that_it_started(served: Served) -> None:
    stops_all_that_it_started(*served, signal.SIGINT)


@pytest.mark.parametrize("mail_timeout", [1, 20, 30])
def test_whoever_stops_is_given_longer_than_the_message_in_hand_may_take(
    tmp_path: Path, mail_timeout: int
) -> None:
    app = Flask(__name__)
    app.config["BOOKING"] = config.load(tmp_path, {"BOOKING_MAIL_TIMEOUT": str(mail_timeout)})
    with app.app_context():
        patience = serving.patience_seconds()
    # What mail and texts wait for, and a database that is locked before the message is marked.
    assert patience > mail_timeout + transaction.PATIENCE_SECONDS
    assert patience > 2 * config.TEXT_TIMEOUT + transaction.PATIENCE_SECONDS
    assert patience > gunicorn_settings.graceful_timeout


def test_a_child_that_dies_ends_all(served: Served) -> None:
    _, process = served
    os.kill(int(children_of(process)[1]), signal.SIGKILL)
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode != 0
    assert "The worker ended by itself" in output


def test_a_port_in_use_is_told_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        output, _ = serve(port, tmp_path / "instance").communicate(timeout=PATIENCE)
    assert "can't be used" in output
    assert f"PORT={port % 65535 + 1}" in output


# A start takes a while, so one server shows several things.
@pytest.mark.parametrize("served", [["--host", "0.0.0.0"]], indirect=True)
def test_it_listens_where_it_is_told_and_says_so_serves_beside_half_sent_requests_and_stops(
    served: Served,
) -> None:
    port, process = served
    assert process.stdout
    # Reading goes on until the line is there, or the server is gone.
    told = next((line for line in process.stdout if "The clinic is open" in line), "")
    assert told == f"The clinic is open: http://127.0.0.1:{port}/\n"
    assert f"http://127.0.0.1:{port}/demo/mail" in next(process.stdout)
    listening = {
        line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:] if " 0A " in line
    }
    assert f"00000000:{port:04X}" in listening
    half_sent_requests_keep_nobody_waiting(port)
    stops_all_that_it_started(port, process, signal.SIGTERM)


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """`make run` with our Makefile, where `flask` only writes down how it was called, and with what environment."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name, script in (
        ("tools/environment.sh", "#!/bin/sh\n"),
        (
            ".venv/bin/flask",
            f"#!{sys.executable}\nimport json, os, sys\n"
            "json.dump({'arguments': sys.argv[1:], 'environment': dict(os.environ)}, open('called.json', 'w'))\n",
        ),
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(script)
        path.chmod(0o755)

    def run(*given: str, **environment: str) -> dict[str, Any]:
        bare = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
        subprocess.run(
            ["make", "run", *given], cwd=tmp_path, env=bare | environment, check=True, capture_output=True, timeout=PATIENCE
        )  # fmt: skip
        called: dict[str, Any] = json.loads((tmp_path / "called.json").read_text())
        return called

    return run


def place(called: dict[str, Any]) -> tuple[str, str]:
    """Where the server was told to listen."""
    arguments = called["arguments"]
    return arguments[arguments.index("--host") + 1], arguments[arguments.index("--port") + 1]


def test_make_run_listens_on_this_machine_unless_it_is_told_otherwise(
    make_run: Callable[..., dict[str, Any]],
) -> None:
    called = make_run()
    assert place(called) == ("127.0.0.1", "5000") and called["arguments"][:2] == ["serve", "--demo"]
    assert place(make_run("HOST=::1", "PORT=8080")) == ("::1", "8080")
    assert place(make_run(HOST="0.0.0.0", PORT="8081")) == ("0.0.0.0", "8081")
    assert place(make_run("PORT=8080", PORT="8081")) == ("127.0.0.1", "8080")


ADDRESS = "postgresql://booking:p$$w$(rd)%24'\"#x@db.example/clinic?host=/a b"


@pytest.mark.parametrize(
    "how", ["environment", "command line", "command line over environment", "our own name"]
)
def test_make_run_passes_the_database_on_unharmed(
    make_run: Callable[..., dict[str, Any]], tmp_path: Path, how: str
) -> None:
    if how == "environment":
        called = make_run(DATABASE_URL=ADDRESS)
    elif how == "command line":
        called = make_run(f"DATABASE_URL={ADDRESS}")
    elif how == "command line over environment":
        called = make_run(f"DATABASE_URL={ADDRESS}", DATABASE_URL="sqlite:///other.sqlite3")
    else:
        called = make_run(BOOKING_DATABASE_URL=ADDRESS)
    given = {name: value for name, value in called["environment"].items() if "DATABASE_URL" in name}
    assert config.load(tmp_path, given).database_url == ADDRESS.replace("postgresql:", "postgresql+psycopg:")


def test_make_run_without_a_database_uses_the_file_in_the_instance_folder(
    make_run: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    given = {name: value for name, value in make_run()["environment"].items() if "DATABASE_URL" in name}
    assert config.load(tmp_path, given).database_url == f"sqlite:///{tmp_path}/booking.sqlite3"
