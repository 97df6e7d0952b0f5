"""django-appointment against our app on the same kind of web server: free times, and bookings.

Ours answers what is free with anyone on thirty days at once. The peer has no such question: its page asks for
one practitioner and one day, so that six times thirty of its requests are one answer. Ours books with one
request to the API; the peer as a browser goes there, with its pages, forms, session, and a code by mail for
somebody new. For reading, the least that makes a visit there stands beside it: the two forms of somebody
logged in, and no page. Several clients at once let the peer use all processors; with us, writers wait in
line.
"""

import http.client
import json
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from queue import SimpleQueue

from bench.measuring import Ask, Figure, get, post, rate
from bench.pages import Bookings
from bench.peers.clinic import DAYS, VISIT_TYPE, Asked
from bench.peers.environment import Environment
from bench.peers.site import Browser, Site, served
from bench.storm import server

CLIENTS = 4
# The limit on searches stays on, as it is for patients: 240 in a minute for one network, of which
# each client gets 25 for answers of the API and 25 for pages.
_EACH, _MINUTE = 25, 61

Booking = Callable[[Bookings], Ask]


def figures(asked: Asked, peers: Environment, repeats: int) -> Iterator[Figure]:
    """Everything in turns. Raises ValueError if the starts that are found differ."""
    offers = f"/api/v1/offers?visit_type={VISIT_TYPE}&from={asked.first}&days={DAYS}"
    found: dict[str, list[float]] = {}

    def note(name: str, answers_a_second: float) -> None:
        found.setdefault(name, []).append(answers_a_second)

    with (
        served(peers) as site,
        server(asked.url, asked.instance, BOOKING_RATE_LIMITS="on") as (reading, _),
        server(asked.url, asked.instance, BOOKING_RATE_LIMITS="off") as (writing, _),
    ):
        yield Figure("starts with anyone of 6 on 30 days, the same ones", _same(reading, offers, site), "")
        bookings: dict[str, tuple[int, Booking]] = {
            "ours": (writing, lambda wishes: post("/api/v1/appointments", wishes)),
            "new": (site.port, lambda wishes: _new(site, wishes)),
            "known": (site.port, _known(asked, site)),
        }
        for number in range(repeats):
            began = time.monotonic()
            note("offers", _burst(reading, get(offers)))
            note("page", _burst(reading, get(f"/book/{VISIT_TYPE}")))
            note("their offers", rate(site.port, site.offers, CLIENTS, 15)[0])
            for clients in (CLIENTS, 1):
                for name, (port, booking) in bookings.items():
                    wishes = Bookings(asked.app)
                    note(f"{name} {clients}", rate(port, booking(wishes), clients, 3)[0])
                    wishes.clear()
                    site.forget()
            if number < repeats - 1:
                time.sleep(max(0, began + _MINUTE - time.monotonic()))
    a_second = {name: statistics.median(rates) for name, rates in found.items()}

    def against(what: str, ours: str, theirs: str, least: float | None = None) -> Figure:
        speeds = f"{a_second[ours]:.0f}/s against {a_second[theirs]:.2f}/s"
        return Figure(f"{what}: {speeds}", a_second[ours] / a_second[theirs], at_least=least)

    yield against("offers of anyone, 30 days", "offers", "their offers", 500)
    yield against("the page that shows them", "page", "their offers")
    for clients in (CLIENTS, 1):
        yield against(f"bookings of {clients}, new in a browser", f"ours {clients}", f"new {clients}", 8)
        yield against(f"bookings of {clients}, logged in, no page", f"ours {clients}", f"known {clients}")


def _same(port: int, path: str, site: Site) -> int:
    """How many starts both found. Raises ValueError if they differ."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path)
    offers = json.load(connection.getresponse())["offers"]
    ours = {datetime.fromisoformat(offer["starts_at"]) for offer in offers}
    theirs = site.starts(http.client.HTTPConnection("127.0.0.1", site.port, timeout=60))
    if not ours or ours != theirs:
        raise ValueError(f"Found by one alone: {sorted(ours ^ theirs)[:5]} ...")
    return len(ours)


def _burst(port: int, ask: Ask) -> float:
    """Answers a second, when each client asks a few times and then no more."""

    def few(connection: http.client.HTTPConnection) -> None:
        for _ in range(_EACH):
            ask(connection)

    return _EACH * rate(port, few, CLIENTS, 0.01)[0]


def _new(site: Site, wishes: Bookings) -> Ask:
    """Everybody who books is somebody new, as they are with us."""
    return lambda connection: Browser(site, connection).book(json.loads(wishes()))


def _known(asked: Asked, site: Site) -> Booking:
    """As many patients as clients, logged in since an earlier visit, book again and again."""
    patients, before = SimpleQueue[dict[str, str]](), Bookings(asked.app)
    for _ in range(CLIENTS):
        browser = Browser(site, http.client.HTTPConnection("127.0.0.1", site.port, timeout=60))
        browser.book(json.loads(before()))
        patients.put(browser.cookies)
    site.forget()

    def booking(wishes: Bookings) -> Ask:
        def ask(connection: http.client.HTTPConnection) -> None:
            browser = Browser(site, connection, patients.get())
            browser.book_again(json.loads(wishes()))
            patients.put(browser.cookies)

        return ask

    return booking
