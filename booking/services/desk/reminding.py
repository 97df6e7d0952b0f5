"""How a patient is reminded, changed with their record: of the upcoming visits and open plans that have its contact.

Parts of the use cases of the record: they receive the session and never commit.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from booking.models import Appointment, Plan, PlanReminders, PlanStatus, Reminders
from booking.scheduling.status import Status
from booking.scheduling.timeline import cell_from
from booking.services import notices, reminded, text_consent
from booking.services.clinic import Clinic
from booking.services.plans.altering import visits_to_change
from booking.services.plans.correcting import Identity
from booking.services.plans.reminding import remind_of
from booking.services.reminded import Author, Wished
from booking.services.visits import refuse_unreachable


class Way(NamedTuple):
    """How somebody is reminded now of so many visits to come, or of a plan that waits to be booked. `of`: of a plan."""

    by: Reminders
    of: PlanReminders | None
    visits: int


def ways_now(session: Session, patient_id: int, now: datetime) -> tuple[Way, ...]:
    """How a patient is reminded of what is to come, the way of the most visits first."""
    ahead = session.execute(
        select(Appointment.reminders, Plan.reminded_of, func.count())
        .outerjoin(Plan, Plan.id == Appointment.plan_id)
        .where(
            Appointment.patient_id == patient_id,
            Appointment.to_cell > cell_from(now),
            Appointment.from_cell > cell_from(now),
            Appointment.status == Status.BOOKED,
        )
        .group_by(Appointment.reminders, Plan.reminded_of)
    )
    found = [Way(*row) for row in ahead]
    waits = session.execute(
        select(Plan.reminders, Plan.reminded_of)
        .where(Plan.patient_id == patient_id, Plan.status == PlanStatus.PRESCRIBED)
        .distinct()
    )
    found += [Way(by, of, 0) for by, of in waits]
    return tuple(sorted(found, key=lambda one: (-one.visits, one.by, one.of or "")))


class Theirs(NamedTuple):
    """Whose visits and plans are meant: those with the contact that a record had, `before`, or has now. `visits_too`: they get
    what is new of it; plans that wait to be booked do in any case.
    """

    patient_id: int
    before: Identity
    after: Identity
    visits_too: bool

    def contact_of(self, one: Appointment | Plan) -> tuple[str | None, str | None] | None:
        """The e-mail address and number that one of them will have; None for one that has another contact."""
        its = Identity(one.first_name, one.last_name, one.email, one.phone)
        corrected = its.corrected(self.before, self.after)
        if corrected is None:
            return None
        waits = isinstance(one, Plan) and one.status is PlanStatus.PRESCRIBED
        return (corrected if self.visits_too or waits else its)[2:]


class Otherwise(NamedTuple):
    """What may be reminded of otherwise from now on, what waited in the old way, and what has another contact and stays as it is.
    `changes`: anything does.
    """

    visits: list[Appointment]
    plans: list[Plan]
    left: notices.Left
    kept: list[Appointment]
    kept_plans: list[Plan]
    changes: bool


def remind_otherwise(
    session: Session,
    clinic: Clinic,
    theirs: Theirs,
    ahead: Sequence[Appointment],
    open_plans: Sequence[Plan],
    wished: Wished,
    author: Author,
    now: datetime,
) -> Otherwise:
    """Has visits ahead and open plans remind as is wished, and drops what waits in the old way; `notices.take_way` writes the new
    one, once their contact is right. All of them are locked. Raises ContactCannotBeReached.
    """
    plans = [one for one in open_plans if theirs.contact_of(one) is not None]
    kept_plans = [one for one in open_plans if one not in plans]
    visits = [one for one in ahead if theirs.contact_of(one) is not None]
    kept, changed = list[Appointment](), set[int]()
    if wished.by is not None:
        of_kept_plans = {plan.id for plan in kept_plans}
        kept = [one for one in ahead if one not in visits and one.plan_id not in of_kept_plans]
        _fit(session, clinic, theirs, [*visits, *plans], wished.by, wished, now)
        changed = reminded.remind_by(session, visits, wished.by, author, now)
    others = [
        one for one in plans if remind_of(session, one, wished.by or one.reminders, wished.of, author, now)
    ]
    of_plans = [one for plan in others for one in visits_to_change(session, plan)]
    concerned = [*{one.id: one for one in (*visits, *of_plans)}.values()]
    left = notices.leave_way(session, clinic, concerned, others, changed, now)
    return Otherwise(concerned, others, left, kept, kept_plans, bool(changed or others))


def _fit(
    session: Session,
    clinic: Clinic,
    theirs: Theirs,
    those: Sequence[Appointment | Plan],
    by: Reminders,
    wished: Wished,
    now: datetime,
) -> None:
    """Gives those the address or number of the record that they lack for this, and refuses what they can't be reached by, or
    haven't agreed to.
    """
    for one in those:
        email, phone = theirs.contact_of(one) or (None, None)
        if by in reminded.BY_PHONE and one.phone is None:
            one.phone = phone = theirs.after.phone
        if by in reminded.BY_EMAIL and one.email is None:
            one.email = email = theirs.after.email
        if by is not Reminders.NONE:
            refuse_unreachable(by, email, phone)
        if by in reminded.BY_TEXT and phone:
            text_consent.refuse_stopped(session, phone)
            ticked = wished.text_consent and phone == theirs.after.phone
            text_consent.agree(session, clinic, theirs.patient_id, phone, now, ticked=ticked)
    session.flush()
