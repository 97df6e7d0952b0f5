"""What waited to be told while it was kept by times, before it was by visits: the migration finds the visits."""

from importlib import import_module
from typing import Any

import pytest
from sqlalchemy import update

from booking import clock
from booking.errors import StaleEdit
from booking.extensions import db
from booking.formatting import iso_utc
from booking.models import Message, Plan, PlanEntry
from booking.scheduling.plans.keeping import Role as PlanRole
from booking.services.plans.changing import Decision, decide, told_now
from booking.services.plans.shifting import shift
from booking.services.plans.taking_back import take_back
from tests.services.making import rows
from tests.services.plans.making import (
    patient,
    practitioner,
    prescribed,
    running,
    seen,
    times_told,
    where_mei_is_alone,
)
from tests.staffing import hired

pytestmark = pytest.mark.usefixtures("standing_clock", "context")
by_visits = import_module("booking.migrations.versions.0015_untold_by_visit").by_visits


@pytest.fixture
def untold() -> Any:
    """A decision that waits to be told, with a visit that was moved since."""
    where_mei_is_alone()
    plan = running(prescribed(patient(), "stages"))
    decide(practitioner(), plan.reference, Decision.CONTINUE, told=False, key="decide-01")
    first = next(one for one in seen(plan).standing if one.role is PlanRole.DOSE)
    later = first.starts_at + (first.ends_at - first.starts_at)
    shift(
        hired(), plan.reference, first.reference, later, None, "Late", partly=True, tell=False, key="shift-01"
    )
    return plan


def by_times(plan: Any, knew: dict[str, Any]) -> dict[str, Any]:
    """The same as it was kept before, where what is firm was firm where it is by now; and a time at which there is nothing."""
    firm = {
        iso_utc(one.starts_at) for one in seen(plan).visits if (knew.get(str(one.id)) or {}).get("penciled")
    }
    told = times_told({"knew": knew}) | {"firm": firm}
    return {name: [*sorted(at), "2026-12-24T09:00:00Z"] for name, at in told.items()}


def migrated(kind: Any, column: Any, value: Any, number: int) -> None:
    with db.engine.begin() as connection:
        connection.execute(update(kind).where(kind.id == number).values({column: value}))
        by_visits(connection)


def test_what_waits_with_a_decision_is_the_same(untold: Any) -> None:
    (plan,) = rows(Plan)
    assert seen(untold).untold_news(clock.now()).moved and seen(untold).untold_news(clock.now()).firm
    migrated(Plan, Plan.untold, by_times(untold, plan["untold"]), plan["id"])
    assert rows(Plan)[0]["untold"] == plan["untold"]
    with pytest.raises(StaleEdit):
        take_back(hired(), untold.reference, rows(PlanEntry)[-1]["id"], key="back-0001")


def test_what_waits_with_a_message_is_the_same(untold: Any) -> None:
    told_now(practitioner(), untold.reference, key="told-0001")
    message = rows(Message)[-1]
    assert message["kind"] == "plan-change"
    facts = message["facts"]
    migrated(Message, Message.facts, by_times(untold, facts["knew"]), message["id"])
    assert rows(Message)[-1]["facts"] == facts
