"""How a patient is reminded of a plan and its visits, changed by the plan's link."""

from datetime import datetime

from sqlalchemy.orm import Session

from booking import clock
from booking.models import Appointment, Plan, PlanReminders, Reminders
from booking.services import notices, reminded, text_consent
from booking.services.clinic import the_clinic
from booking.services.idempotency import Answer, Key, once
from booking.services.plans import links
from booking.services.plans.altering import running_by_link, visits_to_change
from booking.services.plans.recording import noted
from booking.services.reminded import Author, Wished
from booking.services.transaction import reading
from booking.services.visits import refuse_unreachable


def remind_otherwise(
    reference: str,
    token: str,
    wished: Wished,
    *,
    email: str | None = None,
    phone: str | None = None,
    actor: str,
    key: str,
    version: int | None = None,
) -> None:
    """Reminds of a plan, and of its visits that have its contact, as its patient wishes from now on; nobody is written to about
    that. `email`, `phone`: theirs, where the plan has none yet and needs it for that.

    Raises ContactCannotBeReached where what was chosen doesn't fit the contact, or texts aren't agreed to; StaleEdit,
    NotChangeable, NotFound, KeyReused.
    """

    def action(session: Session) -> Answer:
        now, clinic = clock.now(), the_clinic(session)
        plan = running_by_link(session, reference, token, version)
        by = wished.by or plan.reminders
        knew = plan.phone
        there = (plan.email or email, plan.phone or phone)
        refuse_unreachable(by, *there)
        if by in reminded.BY_TEXT and there[1]:
            text_consent.refuse_stopped(session, knew)
            text_consent.agree(session, clinic, plan.patient_id, there[1], now, ticked=wished.text_consent)
        visits = visits_to_change(session, plan)
        theirs = [one for one in visits if {one.email, one.phone} <= {plan.email, plan.phone, None}]
        those: list[Plan | Appointment] = [plan, *theirs]
        for one in those:
            one.email = one.email or (there[0] if by in reminded.BY_EMAIL else None)
            one.phone = one.phone or (there[1] if by in reminded.BY_PHONE else None)
        session.flush()
        changed = reminded.remind_by(session, theirs, by, reminded.PATIENT, now)
        if remind_of(session, plan, by, wished.of, reminded.PATIENT, now) or changed:
            left = notices.leave_way(session, clinic, visits, [plan], changed, now)
            notices.take_way(session, clinic, visits, [plan], left, now)
        return {}

    content = ["remind", reference, *wished, email, phone]
    once(Key.of(actor, key, content), action)


def texts_agreed(reference: str, token: str) -> bool:
    """Whether its patient agreed to texts at the number that the plan has. Raises NotFound."""
    with reading() as session:
        plan = links.plan_by_link(session, reference, token, clock.now())
        return text_consent.agreed(session, plan.patient_id, plan.phone)


# A part that the desk's use case shares.


def remind_of(
    session: Session, plan: Plan, by: Reminders, of: PlanReminders | None, author: Author, now: datetime
) -> bool:
    """Has a plan remind by this, and of this, and writes it down. Says whether that is otherwise than before."""
    of = of or plan.reminded_of
    if (plan.reminders, plan.reminded_of) == (by, of):
        return False
    plan.reminders, plan.reminded_of = by, of
    plan.version += 1
    plan.changed_at = now
    noted(
        session, plan, "reminders changed", author.actor, now, name=author.name, account_id=author.account_id,
        reminders=by.value, reminded_of=of.value,
    )  # fmt: skip
    session.flush()
    return True
