"""Web server and worker together, as `make run` starts them: half-sent requests, a port in use, and the end."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.databases import free_port

ROOT = Path(__file__).parent.parent.parent


def serve(port: int, instance: Path) -> subprocess.Popen[str]:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("BOOKING_", "DATABASE_"))
    }
    return subprocess.Popen(
        [sys.executable, "-m", "flask", "serve", "--port", str(port)],
        cwd=ROOT, env=environment | {"BOOKING_INSTANCE_PATH": str(instance)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip


def healthy(port: int, seconds: float) -> bool:
    with suppress(OSError):
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=seconds).status == 200
    return False


def wait_until_healthy(port: int) -> None:
    deadline = time.monotonic() + 60
    while not healthy(port, 2):
        assert time.monotonic() < deadline, "the server never answered"
        time.sleep(0.1)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    port = free_port()
    process = serve(port, tmp_path / "instance")
    wait_until_healthy(port)
    yield port, process
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_half_sent_requests_keep_nobody_waiting(served: tuple[int, subprocess.Popen[str]]) -> None:
    port, _ = served
    half = [socket.create_connection(("127.0.0.1", port)) for _ in range(25)]
    for connection in half:
        connection.sendall(b"POST /api/v1/appointments HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
    time.sleep(0.3)
    began = time.monotonic()
    assert healthy(port, 3)
    assert time.monotonic() - began < 1
    for connection in half:
        connection.close()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_all_that_it_started(served: tuple[int, subprocess.Popen[str]], how: signal.Signals) -> None:
    port, process = served
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert len(children) == 2
    os.kill(process.pid, how)
    assert process.wait(30) == 0
    assert not any(Path(f"/proc/{child}").exists() for child in children)
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_a_child_that_dies_ends_all(served: tuple[int, subprocess.Popen[str]]) -> None:
    _, process = served
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(children[1]), signal.SIGKILL)
    output, _ = process.communicate(timeout=30)
    assert process.returncode != 0
    assert "The worker ended by itself" in output


def test_a_port_in_use_is_told_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        output, _ = serve(port, tmp_path / "instance").communicate(timeout=30)
    assert "can't be used" in output
    assert f"PORT={port % 65535 + 1}" in output
