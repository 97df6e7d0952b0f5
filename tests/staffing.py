"""Staff for tests: an account with a role in a line, and a client that is signed in."""

import secrets

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from booking import clock
from booking.models import Practitioner, Role, StaffAccount
from booking.services import rows
from booking.services.staff import sign_ins
from booking.services.staff.who import Who
from booking.services.transaction import run


def hired(
    *roles: Role,
    practitioner: str | None = None,
    name: str = "Dana Desk",
    email: str = "",
    password: str | None = None,
) -> Who:
    """An account with these roles (the desk's, if none is said), in an application context. `password` as it is kept."""

    def action(session) -> Who:  # type: ignore[no-untyped-def]
        wanted = select(Practitioner.id).where(Practitioner.slug == practitioner)
        account = StaffAccount(
            email=email or f"{secrets.token_hex(4)}@clinic.example",
            name=name,
            role_names=[str(role) for role in roles or (Role.DESK,)],
            practitioner_id=session.scalar(wanted) if practitioner else None,
            fs_uniquifier=secrets.token_hex(16),
            password=password,
            created_at=clock.now(),
        )
        rows.add(session, account)
        return Who(account.id, name, frozenset(roles or (Role.DESK,)), account.practitioner_id)

    return run(action)


def signed_in(app: Flask, who: Who, client: FlaskClient | None = None) -> FlaskClient:
    """A client whose browser is signed in as `who`."""
    client = client or app.test_client()
    with app.app_context():
        secret = sign_ins.begin(who.account_id, address="127.0.0.1", browser="test", phone=False)
    with client.session_transaction() as session:
        session["sign_in"] = secret
    return client
