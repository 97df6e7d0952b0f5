"""How much presses at the desk: whom to call, what to do, messages to see to, visits to settle. One statement for all."""

from dataclasses import dataclass

from sqlalchemy import literal_column, select, true

from booking import clock
from booking.services import tasks
from booking.services.clinic import Clinic
from booking.services.desk import closing, outgoing, whom_to_call
from booking.services.staff.who import Who
from booking.services.transaction import reading


@dataclass(frozen=True)
class Pressing:
    """As many as the lists show. `messages`: that failed, and replies to read; `unsettled`: visits of today that are over."""

    calls: int = 0
    tasks: int = 0
    messages: int = 0
    unsettled: int = 0


_CHANGES = whom_to_call.CHANGES.subquery()
# The numbers, and beside them what the last of them is made of: a row for each change that somebody may be called about.
_STATEMENT = (
    select(
        whom_to_call.BY_MESSAGE.scalar_subquery().label("by_message"),
        tasks.PRESSING.scalar_subquery().label("tasks"),
        outgoing.FAILED.scalar_subquery().label("failed"),
        outgoing.UNREAD.scalar_subquery().label("unread"),
        closing.UNSETTLED.scalar_subquery().label("unsettled"),
        _CHANGES,
    )
    .select_from(select(literal_column("1").label("one")).subquery().outerjoin(_CHANGES, true()))
    .order_by(_CHANGES.c.id, _CHANGES.c.entry_id)
)


def pressing(who: Who, clinic: Clinic) -> Pressing:
    """How it stands now; nothing presses those who don't look after all patients."""
    if not who.sees_everybody:
        return Pressing()
    now = clock.now()
    on = clinic.times.local_date(now)
    bounds = (
        whom_to_call.bounds(now)
        | tasks.bounds(clinic, now)
        | outgoing.bounds(now)
        | closing.bounds(clinic, on, now)
    )
    with reading() as session:
        found = session.execute(_STATEMENT, bounds).all()
    first = found[0]
    changed = whom_to_call.to_be_called([row for row in found if row.id is not None], now)
    return Pressing(
        calls=first.by_message + changed,
        tasks=first.tasks,
        messages=first.failed + first.unread,
        unsettled=first.unsettled,
    )
