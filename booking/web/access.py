"""Who may do what: every route in one table, and the guard that holds requests to it.

A route that nobody declared is closed to everybody. `tests/web/test_access.py` walks all routes × methods × roles ×
ownership by this table.

What the columns say:
    visitor       somebody who isn't signed in: `open`; `link`, with what only a link or a provider knows; `own`, in
                  their own browser only; `local`, by the setting of this installation; `demo`, in the demo only; `-`, not at all
    the roles     `all` records; `own` ones only; `self`, their own account; `-`, not at all
"""

from dataclasses import dataclass

from flask import Flask, abort, g, redirect, request, session, url_for
from flask.typing import ResponseReturnValue

from booking.models import Role
from booking.services.staff import sign_ins
from booking.services.staff.sign_ins import Signed
from booking.services.staff.who import Who

ROLES = (Role.OWNER, Role.MANAGER, Role.DESK, Role.PRACTITIONER)

_TABLE = """
# endpoint                         methods    visitor  owner  manager  desk  practitioner
favicon                            GET        open     -      -        -     -
static                             GET        open     -      -        -     -

operations.healthz                 GET        open     -      -        -     -
operations.metrics                 GET        local    -      -        -     -
operations.readyz                  GET        open     -      -        -     -

demo_mail.html                     GET        demo     -      -        -     -
demo_mail.mailbox                  GET        demo     -      -        -     -
demo_mail.message                  GET        demo     -      -        -     -

patient.ask_to_cancel              GET        link     -      -        -     -
patient.book                       POST       open     -      -        -     -
patient.booked                     GET        link     -      -        -     -
patient.calendar_file              GET        link     -      -        -     -
patient.cancel                     POST       link     -      -        -     -
patient.cannot_come                POST       link     -      -        -     -
patient.choose                     GET        open     -      -        -     -
patient.choose_in                  GET        open     -      -        -     -
patient.choose_other_time          GET        link     -      -        -     -
patient.choose_with                GET        open     -      -        -     -
patient.confirm                    POST       link     -      -        -     -
patient.contact                    GET        link     -      -        -     -
patient.correct_contact            POST       link     -      -        -     -
patient.details                    GET        open     -      -        -     -
patient.hold                       POST       open     -      -        -     -
patient.move                       POST       link     -      -        -     -
patient.my_visit                   GET        open     -      -        -     -
patient.policies                   GET        open     -      -        -     -
patient.privacy                    GET        open     -      -        -     -
patient.send_link                  POST       open     -      -        -     -
patient.start                      GET        open     -      -        -     -
patient.times                      GET        open     -      -        -     -
patient.visit                      GET        link     -      -        -     -
patient.visit_of_text              GET        link     -      -        -     -

api.appointment                    GET        link     -      -        -     -
api.book                           POST       open     -      -        -     -
api.calendar_file                  GET        link     -      -        -     -
api.cancel                         POST       link     -      -        -     -
api.confirm                        POST       link     -      -        -     -
api.offers                         GET        open     -      -        -     -
api.openapi                        GET        open     -      -        -     -
api.practitioners                  GET        open     -      -        -     -
api.readable                       GET        open     -      -        -     -
api.reschedule                     POST       link     -      -        -     -
api.visit_types                    GET        open     -      -        -     -

texts.twilio                       POST       link     -      -        -     -

# sign_in: accounts and sign-ins

# desk: the board, visits and patients

# practitioner: their own day and calendar
"""


@dataclass(frozen=True)
class Access:
    """What one route says. `roles` has those who may, and over which records."""

    endpoint: str
    methods: frozenset[str]
    visitor: str
    roles: dict[Role, str]

    @property
    def for_staff(self) -> bool:
        return self.visitor == "-"


def read(table: str) -> dict[tuple[str, str], Access]:
    """The table by endpoint and method."""
    found: dict[tuple[str, str], Access] = {}
    for line in table.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        endpoint, methods, visitor, *words = line.split()
        roles = {role: word for role, word in zip(ROLES, words, strict=True) if word != "-"}
        access = Access(endpoint, frozenset(methods.split(",")), visitor, roles)
        for method in access.methods:
            if (endpoint, method) in found:
                raise ValueError(f"{method} {endpoint} is declared twice.")
            found[endpoint, method] = access
    return found


ACCESS = read(_TABLE)


def init_app(app: Flask) -> None:
    app.before_request(_guard)


def signed() -> Signed:
    """The sign-in of this request. Only behind the guard."""
    found: Signed = g.signed
    return found


def who() -> Who:
    """Who of the staff is asking. Only behind the guard."""
    return signed().who


def _guard() -> ResponseReturnValue | None:
    if request.url_rule is None:
        return None
    method = "GET" if request.method in ("HEAD", "OPTIONS") else request.method
    access = ACCESS.get((request.endpoint or "", method))
    if access is None:
        abort(404)
    if not access.for_staff:
        return None
    secret = session.get("sign_in")
    found = sign_ins.find(secret, address=request.remote_addr or "") if secret else None
    if found is None:
        return redirect(url_for("sign_in.sign_in", next=request.full_path if method == "GET" else None), 303)
    if not found.who.roles & access.roles.keys():
        abort(404)
    g.signed = found
    return None
