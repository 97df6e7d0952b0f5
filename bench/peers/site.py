"""django-appointment on the same kind of web server as ours, and the browser that books there."""

import http.client
import json
import os
import secrets
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from bench.peers.clinic import VISIT_TYPE
from bench.peers.environment import Environment
from booking import gunicorn_settings as ours
from tests.databases import free_port

_CODE = """
    SELECT code FROM appointment_emailverificationcode
    WHERE user_id = (SELECT id FROM auth_user WHERE username = ?)
"""


@dataclass(frozen=True)
class Site:
    """The running site: its port, and the numbers that it gave to the clinic's service and staff."""

    port: int
    peers: Environment
    service: int
    staff: list[int]

    @property
    def told(self) -> dict[str, Any]:
        return self.peers.asked.told

    def offers(self, connection: http.client.HTTPConnection) -> list[bytes]:
        """What one answer of ours takes there: its page asks for one practitioner and one day at a time."""
        first = date.fromisoformat(self.told["first"])
        answers = []
        for member in self.staff:
            for day in (first + timedelta(days=n) for n in range(self.told["days"])):
                query = urlencode({"selected_date": day, "staff_member": member, "service_id": self.service})
                connection.request(
                    "GET",
                    f"/appointment/ajax/available_slots/?{query}",
                    headers={"X-Requested-With": "XMLHttpRequest"},
                )
                answer = connection.getresponse()
                answers.append(answer.read())
                if answer.status != 200:
                    raise RuntimeError(f"{query} answered {answer.status}")
        return answers

    def starts(self, connection: http.client.HTTPConnection) -> set[datetime]:
        """The starts with anyone that an answer has."""
        zone = ZoneInfo(self.told["zone"])
        return {
            datetime.fromisoformat(slot).replace(tzinfo=zone)
            for answer in self.offers(connection)
            for slot, _ in json.loads(answer)["available_slots"]
        }

    def forget(self) -> None:
        """Takes away what was booked since the site was filled."""
        with sqlite3.connect(self.peers.database, timeout=20) as connection:
            for table in ("appointment_appointment", "appointment_appointmentrequest"):
                connection.execute(f"DELETE FROM {table} WHERE id > ?", (len(self.told["visits"]),))

    def code_for(self, email: str) -> str:
        """The code that the site mailed to a new patient."""
        with sqlite3.connect(self.peers.database) as connection:
            found = connection.execute(_CODE, (email.partition("@")[0],)).fetchone()
        return str(found[0])


@dataclass
class Browser:
    """A patient's browser on the site: it keeps cookies and sends forms.

    Made with the cookie against forged requests, whose value may be anybody's choice, so that a form can be
    sent without its page.
    """

    site: Site
    connection: http.client.HTTPConnection
    cookies: dict[str, str] = field(default_factory=lambda: {"csrftoken": secrets.token_hex(16)})

    def get(self, path: str) -> None:
        self._ask("GET", path, None, 200)

    def post(self, path: str, **fields: object) -> str:
        """Sends a form. Returns where the site leads next."""
        return self._ask("POST", path, fields | {"csrfmiddlewaretoken": self.cookies["csrftoken"]}, 302)

    def book(self, wish: dict[str, Any]) -> None:
        """What a new patient's browser does, from the page of times to the page of thanks: seven requests.

        The site makes an account for them, and the visit once they have typed the code that it mails.
        """
        self.get(f"/appointment/request/{self.site.service}/")
        details = self._choose(wish)
        self.get(details)
        proof = self._tell(details, wish)
        self.get(proof)
        thanks = self.post(proof, code=self.site.code_for(wish["patient"]["email"]))
        self._booked(thanks)
        self.get(thanks)

    def book_again(self, wish: dict[str, Any]) -> None:
        """The least that makes a visit: the two forms of a patient who is logged in, and no page."""
        self._booked(self._tell(self._choose(wish), wish))

    def _choose(self, wish: dict[str, Any]) -> str:
        site = self.site
        start = datetime.fromisoformat(wish["starts_at"]).astimezone(ZoneInfo(site.told["zone"]))
        return self.post(
            "/appointment/request-submit/",
            date=start.date(),
            start_time=start.time(),
            end_time=(start + timedelta(minutes=site.told["minutes"][VISIT_TYPE])).time(),
            service=site.service,
            staff_member=site.staff[site.told["people"].index(wish["practitioner"])],
        )

    def _tell(self, path: str, wish: dict[str, Any]) -> str:
        who = wish["patient"]
        name = f"{who['first_name']} {who['last_name']}"
        phone = {"phone_0": "US", "phone_1": "8185550123"}
        return self.post(path, name=name, email=who["email"], payment_type="full", **phone)

    @staticmethod
    def _booked(path: str) -> None:
        if "/thank-you/" not in path:
            raise RuntimeError(f"The booking ended at {path}")

    def _ask(self, method: str, path: str, fields: dict[str, object] | None, wanted: int) -> str:
        headers = {
            "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        self.connection.request(method, path, fields and urlencode(fields), headers)
        answer = self.connection.getresponse()
        answer.read()
        for cookie in answer.headers.get_all("Set-Cookie", ()):
            self.cookies |= {name: morsel.value for name, morsel in SimpleCookie(cookie).items()}
        if answer.status != wanted:
            raise RuntimeError(f"{path} answered {answer.status}")
        return answer.headers.get("Location", "")


@contextmanager
def served(peers: Environment) -> Iterator[Site]:
    """The site, filled with the clinic, on a web server like ours."""
    filled = subprocess.run(
        [peers.python, "-m", "bench.peers.theirs.fill"],
        env=peers.variables(),
        input=json.dumps(peers.asked.told),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    # The package writes its own log on standard output, too.
    numbers = json.loads(filled.stdout.splitlines()[-1])
    port = free_port()
    command = [
        peers.python, "-m", "gunicorn", "--worker-class", ours.worker_class, "--workers", str(ours.workers),
        "--threads", str(ours.threads), "--keep-alive", str(ours.keepalive), "--preload", "--no-control-socket",
        "--log-level", "warning", "--bind", f"127.0.0.1:{port}", "django.core.wsgi:get_wsgi_application()",
    ]  # fmt: skip
    process = subprocess.Popen(
        command, env=peers.variables(), stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        for _ in range(200):
            with suppress(OSError):
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
                connection.request("GET", f"/appointment/request/{numbers['service']}/")
                if connection.getresponse().status == 200:
                    break
            time.sleep(0.1)
        else:
            raise RuntimeError("The peer's web server did not start.")
        yield Site(port, peers, numbers["service"], numbers["staff"])
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()
