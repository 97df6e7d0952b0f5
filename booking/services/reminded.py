"""How somebody wants to be reminded of visits that are booked, from now on. What was written in the old way is the business of
`notices.otherwise`.

Parts of use cases: they receive the session and never commit.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from sqlalchemy.orm import Session

from booking.models import Actor, Appointment, PlanReminders, Reminders
from booking.services import history

BY_TEXT = (Reminders.TEXT, Reminders.BOTH)
BY_PHONE = (*BY_TEXT, Reminders.CALL)
BY_EMAIL = (Reminders.EMAIL, Reminders.BOTH)


class Wished(NamedTuple):
    """By what, and of a plan of what; None leaves it as it is. `text_consent`: they agree to texts now."""

    by: Reminders | None = None
    of: PlanReminders | None = None
    text_consent: bool = False

    @property
    def changes(self) -> bool:
        return self.by is not None or self.of is not None


AS_THEY_ARE = Wished()


class Author(NamedTuple):
    """Who changes it."""

    actor: Actor
    name: str = ""
    account_id: int | None = None


PATIENT = Author(Actor.PATIENT)


def remind_by(
    session: Session, visits: Iterable[Appointment], by: Reminders, author: Author, now: datetime
) -> set[int]:
    """Gives these visits other reminders, and writes it down. Returns the ids of those that had others."""
    changed = [visit for visit in visits if visit.reminders is not by]
    for visit in changed:
        visit.reminders = by
        visit.version += 1
        visit.changed_at = now
        history.note(
            session, visit, "reminders_changed", author.actor, name=author.name, account_id=author.account_id,
            reminders=by.value,
        )  # fmt: skip
    session.flush()
    return {visit.id for visit in changed}
