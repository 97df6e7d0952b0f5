"""An application that answers a browser, at the time that somebody else's clock says; and where Chromium is."""

import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.test import run_wsgi_app

from booking import clock

AXE = Path(__file__).parent / "vendor" / "axe" / "axe.min.js"
AXE_ADDRESS = "/tests/axe.js"

_FLAGS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]


def free_address() -> str:
    """An address on which nobody answers at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


class _Quiet(WSGIRequestHandler):
    def log(self, *_: Any) -> None:
        """Says nothing between the tests' dots."""


@cache
def _axe() -> bytes:
    return AXE.read_bytes()


@contextmanager
def serving(app: Flask, address: str, now: Callable[[], datetime]) -> Iterator[str]:
    """The application at this address, each of whose requests happens at `now()`; beside it what looks at its pages."""

    answering = _Answering()

    def at_the_clocks_time(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == AXE_ADDRESS:
            start_response("200 OK", [("Content-Type", "text/javascript"), ("Cache-Control", "max-age=3600")])
            return [_axe()]
        with answering as open_:
            if not open_:
                start_response("503 Service Unavailable", [])
                return []
            with clock.turned_to(now()):
                body, status, headers = run_wsgi_app(app, environ, buffered=True)
        start_response(status, headers.to_wsgi_list())
        return body

    port = int(address.rpartition(":")[2])
    server = make_server("127.0.0.1", port, at_the_clocks_time, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield address
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        answering.end()


class _Answering:
    """The requests that are being answered. Their threads are nobody's: one that came late would take a connection to this
    test's database along into the next one.
    """

    def __init__(self) -> None:
        self._changed, self._requests, self._ended = threading.Condition(), 0, False

    def __enter__(self) -> bool:
        """Whether it may be answered still."""
        with self._changed:
            self._requests += 1
            return not self._ended

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._requests -= 1
            self._changed.notify_all()

    def end(self) -> None:
        """Nothing is answered from now on; what is being answered is waited for."""
        with self._changed:
            self._ended = True
            self._changed.wait_for(lambda: not self._requests)


def chromium_program() -> str | None:
    """Where Chromium is, or None."""
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


def chromium_flags() -> list[str]:
    """It reaches nothing but this machine."""
    return [*_FLAGS, *(["--no-sandbox"] if os.getuid() == 0 else [])]
