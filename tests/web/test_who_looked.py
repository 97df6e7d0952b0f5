"""Whoever is shown a patient stands in the audit: each route of staff is asked for, as the matrix of access does it."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from booking import clock
from booking.app import create_app
from booking.extensions import db
from booking.models import Absence, AbsenceKind, AuditEntry, Patient, Practitioner, Role
from booking.scheduling.timeline import cell_at
from booking.services.staff import audit, drafts
from booking.services.staff.who import Who
from booking.services.transaction import reading
from booking.web import limits
from booking.web.access import ACCESS
from tests import databases
from tests.conftest import MONDAY
from tests.services.making import NINE
from tests.staffing import hired, signed_in
from tests.web import matrix
from tests.web.matrix import OWN, World
from tests.web.test_access import STAFF, address, ask, rule_of

# Ana's patient, and Ben's.
SHOWN = ("Rosa", "Sam ", "Lima", "@example.com")
# Besides what the matrix asks for behind the question mark.
QUERIES: dict[str, dict[str, str]] = {
    "desk.ask_change": {"cell": str(cell_at(NINE) + 12), "practitioner": "ana"},
    "desk.patients": {"q": "Rosa"},
    "desk.choose_to_merge": {"q": "Rosa"},
}
# Some of what is known to show a patient, so that it isn't the test that sees nothing.
KNOWN = {
    "desk.ask_cancel", "desk.ask_change", "desk.ask_undo", "desk.change", "desk.change_coverage", "desk.day",
    "desk.new_visit", "desk.patients", "desk.plan", "desk.status", "desk.time_off", "desk.times", "desk.visit",
    "practitioner.choose_plan", "practitioner.prescribe", "practitioner.prescribe_plan", "practitioner.time_off",
    "practitioner.visit", "practitioner.week_of", "sign_in.audit_list", "sign_in.draft_list",
}  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The clinic of the matrix, with what there is to be seen on pages that show it only then."""
    instance = tmp_path_factory.mktemp("looked")
    with databases.sqlite() as url, clock.turned_to(MONDAY):
        app = create_app(databases.SETTINGS | {"BOOKING_DATABASE_URL": url}, instance_path=str(instance))
        world = matrix.made(app)
        with app.app_context():
            with reading() as session:
                ana = session.scalars(select(Practitioner.id).where(Practitioner.slug == "ana")).one()
            audit.saw(world.people[Role.DESK], "opened patient", "patient/X", [_rosa(world)])
        start = cell_at(NINE)
        away = {"from_cell": start, "to_cell": start + 12, "made_at": clock.now()}
        matrix._added(world, Absence(kind=AbsenceKind.TIME_OFF, resource_id=ana, **away))
        yield world
        with app.app_context():
            db.engine.dispose()


@pytest.mark.parametrize(("accept", "of"), [("text/html", ""), ("application/json", "desk.")])
def test_whoever_is_shown_a_patient_stands_in_the_audit(
    world: World, monkeypatch: pytest.MonkeyPatch, accept: str, of: str
) -> None:
    monkeypatch.setattr(limits, "_hit", lambda *_: None)
    showed, unseen = set(), []
    # What only shows comes first: what is sent changes the visits.
    routes = sorted((route for route in STAFF if route[0].startswith(of)), key=lambda route: route[1])
    for endpoint, method in routes:
        for role in _some(ACCESS[endpoint, method].roles):
            with world.app.app_context():
                # Nobody who has looked already.
                who = hired(role, practitioner="ana" if role is Role.PRACTITIONER else None)
                if endpoint == "sign_in.draft_list":
                    drafts.keep(who.account_id, f"/desk/visits/{world.visits[OWN]}/note", [("note", "Late")])
            answer = _asked(world, who, endpoint, method, accept)
            if not any(name in answer.text for name in SHOWN):
                continue
            showed.add(endpoint)
            rows = _seen_by(world, who)
            about_one = {"reference", "entry"} & rule_of(world.app, endpoint, method).arguments
            if not rows or (about_one and _rosa(world) not in rows):
                unseen.append(f"{method} {endpoint}, {role.value}: {answer.status_code}")
    assert unseen == []
    assert accept != "text/html" or showed >= KNOWN, KNOWN - showed


def _some(roles: dict[Role, str]) -> list[Role]:
    """Who sees everybody, and practitioners: as far as they may."""
    everybody = [role for role in (Role.DESK, Role.MANAGER) if role in roles][:1]
    return [*everybody, *([Role.PRACTITIONER] if Role.PRACTITIONER in roles else [])]


def _asked(world: World, who: Who, endpoint: str, method: str, accept: str) -> TestResponse:
    role = next(iter(who.roles))
    names = rule_of(world.app, endpoint, method).arguments
    values = {name: matrix.value(endpoint, name)(world, role, OWN) for name in names}
    client, path = signed_in(world.app, who), address(world.app, endpoint, method, values)
    headers: dict[str, Any] = {"Accept": accept}
    query = matrix.query(world, endpoint) | QUERIES.get(endpoint, {})
    if endpoint == "desk.new_visit":
        query["patient"] = world.patients[OWN]
    if method == "GET":
        return client.get(path, query_string=query, headers=headers)
    return ask(world, client, endpoint, method, path, headers=headers)


def _seen_by(world: World, who: Who) -> list[int | None]:
    """Whom somebody saw, or changed, patient by patient; None for a list."""
    of_sign_in = AuditEntry.what.in_(("signed in", "locked"))
    wanted = select(AuditEntry.patient_id).where(AuditEntry.account_id == who.account_id, ~of_sign_in)
    with world.app.app_context(), reading() as session:
        return list(session.scalars(wanted))


def _rosa(world: World) -> int:
    with world.app.app_context(), reading() as session:
        return session.scalars(select(Patient.id).where(Patient.reference == world.patients[OWN])).one()
