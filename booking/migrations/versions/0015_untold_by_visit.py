"""What of a plan's change a patient hasn't been told is kept by the ids of its visits, each as they know it, and no more by times.

Of a time at which no visit of the plan can be found nothing is kept.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_CELL = timedelta(minutes=5)
_BY_TIMES = ("cancelled", "firm", "added", "whose")
_VISITS = sa.text(
    "SELECT visits.id, visits.from_cell, visits.to_cell, visits.status, visits.penciled, people.slug "
    "FROM appointments AS visits JOIN practitioners AS people ON people.id = visits.practitioner_id "
    "WHERE visits.plan_id = :plan ORDER BY visits.id"
)
_MOVES = sa.text(
    "SELECT history.appointment_id, history.facts FROM history "
    "JOIN appointments ON appointments.id = history.appointment_id "
    "WHERE appointments.plan_id = :plan AND history.what = 'moved' ORDER BY history.id"
)


def upgrade() -> None:
    by_visits(op.get_bind())


def downgrade() -> None:
    # What is kept by visits names no times, so that before this it told nothing.
    pass


def by_visits(connection: sa.Connection) -> None:
    # What was kept of a change, so that it can be taken back within minutes, is by times as well: nothing of it is restored.
    connection.execute(sa.text("UPDATE plans SET version = version + 1"))
    plans = sa.table("plans", sa.column("id"), sa.column("reference"), sa.column("untold", sa.JSON))
    messages = sa.table(
        "messages", sa.column("id"), sa.column("subject"), sa.column("kind"), sa.column("facts", sa.JSON)
    )
    people = dict(connection.execute(sa.text("SELECT id, slug FROM practitioners")).tuples().all())
    for plan in connection.execute(sa.select(plans)).all():
        subject = f"plan/{plan.reference}"
        of_plan = sa.select(messages.c.id, messages.c.facts).where(
            messages.c.subject == subject, messages.c.kind == "plan-change"
        )
        told = connection.execute(of_plan).all()
        if not told and not plan.untold:
            continue
        known = _Known(connection, plan.id, people)
        connection.execute(
            sa.update(plans).where(plans.c.id == plan.id).values(untold=known.by_visit(plan.untold or {}))
        )
        for message in told:
            kept = {name: said for name, said in message.facts.items() if name not in _BY_TIMES}
            facts = kept | {"knew": known.by_visit(message.facts)}
            connection.execute(sa.update(messages).where(messages.c.id == message.id).values(facts=facts))


class _Known:
    """The visits of a plan, to be found by times."""

    def __init__(self, connection: sa.Connection, plan: int, people: dict[int, str]) -> None:
        self.people = people
        self.visits = {one.id: one for one in connection.execute(_VISITS, {"plan": plan})}
        self.left: dict[str, int] = {}
        for number, facts in connection.execute(_MOVES, {"plan": plan}):
            moved = json.loads(facts) if isinstance(facts, str) else facts
            self.left[moved["from"]] = number
        self.off = {_iso(one.from_cell): one.id for one in self.visits.values() if one.status == "cancelled"}
        self.stand = {_iso(one.from_cell): one.id for one in self.visits.values() if one.status == "booked"}

    def by_visit(self, facts: dict[str, Any]) -> dict[str, Any]:
        """What these facts say by times."""
        found: dict[str, Any] = {}
        firm, with_whom = facts.get("firm", ()), facts.get("knew", {})
        for at in facts.get("cancelled", ()):
            number = facts.get("whose", {}).get(at) or self.off.get(at) or self.left.get(at)
            if number in self.visits:
                penciled = self.visits[number].penciled or _iso(self.visits[number].from_cell) in firm
                found[str(number)] = self._as_known(number, at, with_whom.get(at), penciled=penciled)
        for at in firm:
            if at in self.stand:
                found.setdefault(str(self.stand[at]), self._as_known(self.stand[at], at, None, penciled=True))
        for at in facts.get("added", ()):
            if at in self.stand:
                found.setdefault(str(self.stand[at]), None)
        return found

    def _as_known(self, number: int, at: str, person: int | None, *, penciled: bool) -> dict[str, Any]:
        visit = self.visits[number]
        ends_at = datetime.fromisoformat(at) + (visit.to_cell - visit.from_cell) * _CELL
        return {
            "old_starts_at": at,
            "old_ends_at": _written(ends_at),
            "old_practitioner": self.people.get(person or 0, visit.slug),
            "penciled": bool(penciled),
        }


def _iso(cell: int) -> str:
    return _written(datetime.fromtimestamp(cell * _CELL.total_seconds(), UTC))


def _written(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")
