"""The demo's staff: an owner, a manager, two clerks, and an account for each practitioner. All with one password, which
stands in the README, and which production refuses.
"""

import secrets

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking import clock
from booking.models import Practitioner, Role, StaffAccount
from booking.services.staff import library
from booking.services.staff.library import DEMO_PASSWORD, DEMO_PIN

HOST = "stillwater.example"
# Whoever has the manager's account needs codes as well; an authenticator takes this key.
CODE_KEY = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
_PEOPLE = (
    ("owner", "Olivia Stone", Role.OWNER),
    ("manager", "Marcus Reed", Role.MANAGER),
    ("dana", "Dana Wells", Role.DESK),
    ("theo", "Theo Park", Role.DESK),
)


def hire(session: Session) -> None:
    """Writes the accounts. One hash for all: twelve would take a while."""
    password, pin = library.hashed(DEMO_PASSWORD), library.hashed(DEMO_PIN)

    def add(mailbox: str, name: str, role: Role, practitioner_id: int | None = None) -> StaffAccount:
        account = StaffAccount(
            email=f"{mailbox}@{HOST}",
            name=name,
            role_names=[str(role)],
            practitioner_id=practitioner_id,
            password=password,
            pin=pin,
            fs_uniquifier=secrets.token_hex(16),
            created_at=clock.now(),
        )
        session.add(account)
        return account

    for mailbox, name, role in _PEOPLE:
        account = add(mailbox, name, role)
        if role is Role.MANAGER:
            library.turn_on_codes(account, library.code_secret_of(CODE_KEY))
    for person in session.scalars(select(Practitioner).order_by(Practitioner.id)):
        add(person.slug, person.name, Role.PRACTITIONER, person.id)
