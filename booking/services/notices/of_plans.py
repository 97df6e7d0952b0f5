"""What a plan tells: one message about all of its visits, or about several, and the reminders of each."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from booking.models import (
    YET_TO_GO,
    Actor,
    Appointment,
    Channel,
    Message,
    MessageState,
    Plan,
    PlanEntry,
    PlanStatus,
)
from booking.scheduling.status import Status
from booking.services import digests, giving_way
from booking.services.clinic import Clinic
from booking.services.giving_way import Back
from booking.services.message_rows import bare_row
from booking.services.notices.again import GONE, OWN, SAID_BY_CALL
from booking.services.notices.by_clinic import news_owed, told_by_clinic
from booking.services.notices.calling import call_anew, call_of_change, drop_calls, next_of, pass_on
from booking.services.notices.given_way import known_otherwise, known_until_then, yet_to_be_told
from booking.services.notices.knowing import (
    KNEW,
    Knew,
    as_known,
    as_they_are,
    facts_of,
    known_of,
    news,
    same_place,
)
from booking.services.notices.reminding import remind_now, reminders
from booking.services.notices.unheard import once_told, yet_to_hear
from booking.services.notices.waiting import as_it_waited, drop_waiting, is_told
from booking.services.notices.ways import TAKEN_BACK_WITHIN, channel_of_clinic, has_own_contact
from booking.services.notices.writing import answer, next_resend
from booking.services.rows import Row, add_all

# The link to a plan that isn't booked yet is of use so long.
PLAN_LINK_OF_USE = timedelta(days=7)
_CORRECTED = "The contact was corrected."
# What a change of a plan tells, as its facts have it; what became of it on its way stands there as well.
_FACTS = (KNEW, OWN)


def plan_prescribed(session: Session, plan: Plan, now: datetime) -> bool:
    """The link by which a patient books their plan, now. Says whether there is a way to send it."""
    return _sent_anew(session, plan, "plan-link", now)


def plan_booked(
    session: Session, clinic: Clinic, plan: Plan, visits: Sequence[Appointment], now: datetime
) -> None:
    """One confirmation of all visits at once, and the reminders of each that are still to come."""
    rows = list(_of_plan(plan, "plan-confirmation", now, visits[-1].starts_at))
    for visit in visits:
        rows += reminders(clinic, visit, now)
    add_all(session, Message, rows)
    digests.replan(session, clinic, plan, now)


def plan_changed(
    session: Session, clinic: Clinic, plan: Plan, visits: Sequence[Appointment], now: datetime, knew: Knew, *,
    tell: bool = True,
) -> None:  # fmt: skip
    """One message about several visits of a plan at once, in three minutes, if `tell`; and what else goes about each of them from
    then on. What is changed of the plan until then is one message with it.
    It names what gave way before as well, and goes only if there is something to name. Whoever isn't written to is called, but
    for what they have changed themselves. What waited to be told is told along, and without such a message by itself. Where one
    waits, it tells this as well without `tell`: else it would name times that are others by now. What is cancelled and waits to be
    told is said to have been moved before, where they haven't heard that.

    `visits`: those that were changed, as they are now; `knew`: how their patient knew them until now. The plan's sequence has grown
    by the change.
    """
    withheld = not tell and plan.untold_since is not None
    waits, own = _changes_that_wait(session, plan), _changed_by(session, plan) is Actor.PATIENT
    tells = tell or (bool(waits) and plan.untold_since is None)
    gave_way = yet_to_be_told(session, plan, now) if tells else []
    visits, knew = [*visits, *gave_way], knew | known_until_then(session, clinic, gave_way)
    told: Knew = {}
    if withheld:
        plan.untold = knew | yet_to_hear(session, plan)
    else:
        told = _as_far_as_heard(session, clinic, plan, visits, knew)
    rows: list[Row] = []
    owed: list[Row] = []
    again: list[Row] = []
    for visit in visits:
        waited = drop_waiting(session, visit, "The plan was changed.", now)
        if not withheld or visit.status is Status.CANCELLED:
            told = told | as_it_waited(visit, waited, knew)
        if visit.status is Status.BOOKED:
            ahead, still = reminders(clinic, visit, now), news_owed(session, clinic, visit, waited, now)
            rows, owed = [*rows, *ahead], [*owed, *still]
            again += [] if still else remind_now(visit, waited, ahead, now)
            if withheld and still:
                plan.untold = once_told(clinic, plan.untold, [visit])
    useful_until = max([visit.ends_at for visit in visits], default=now + PLAN_LINK_OF_USE)
    own = own and not gave_way
    tells = (tells or withheld) and _is_news(session, clinic, told, now)
    apart = list(_to_others(session, clinic, told, now, own=own)) if tells and not withheld else []
    written: list[Row] = []
    if tells:
        useful_until = max([useful_until, *(one.not_after for one in waits)])
        only_own = {OWN: True} if own and all(OWN in one.facts for one in waits) else {}
        facts, due = {KNEW: _with_what_waits(waits, told)} | only_own, now + TAKEN_BACK_WITHIN
        written = list(_of_plan(plan, "plan-change", now, useful_until, facts, due))
    called = tells and not (written or own or withheld)
    along = (written or called) and not withheld
    rows += [] if along else again
    rows += _still_owed(visits, owed, apart, along=bool(along))
    add_all(session, Message, [*written, *apart, *rows])
    if called:
        called = call_of_change(session, plan, visits, told, now)
    pass_on(session, plan, now)
    if written or called:
        giving_way.count_as_told(gave_way)
    digests.replan(session, clinic, plan, now)


def _as_far_as_heard(
    session: Session, clinic: Clinic, plan: Plan, visits: Sequence[Appointment], knew: Knew
) -> Knew:
    """How visits are known that were known so until now, where something else of the plan waits to be told: as before that, and
    nothing is said of those of which they haven't heard. What waits of the others is told by this.
    """
    waits = yet_to_hear(session, plan)
    unheard = {number for number, known in waits.items() if known is None}
    heard = [one for one in visits if str(one.id) not in unheard]
    plan.untold = once_told(clinic, plan.untold, heard)
    return {number: waits.get(number, known) for number, known in knew.items() if number not in unheard}


def _is_news(session: Session, clinic: Clinic, knew: Knew, now: datetime) -> bool:
    """Whether there is something to tell to who knew visits so."""
    visits = session.scalars(select(Appointment).where(Appointment.id.in_(map(int, knew)))) if knew else ()
    return any(news(knew, as_they_are(clinic, visits, now), now))


def _to_others(session: Session, clinic: Clinic, knew: Knew, now: datetime, *, own: bool) -> Iterator[Row]:
    """The same change, of each visit that has a contact of its own: no message about the plan reaches that. `own`: as the patient
    wished.
    """
    for one in session.scalars(select(Appointment).where(Appointment.id.in_(map(int, knew)))):
        known = knew[str(one.id)]
        if known is None or one.starts_at <= now or not has_own_contact(one):
            continue
        is_elsewhere = not same_place(known, known_of(one, clinic))
        facts = facts_of(known) if is_elsewhere else {}
        if one.status is Status.CANCELLED:
            kind, until = "cancellation", one.ends_at
        elif one.status is Status.BOOKED and is_elsewhere:
            kind, until = "change", one.starts_at
        else:
            continue
        if not is_told(session, one, kind):
            rows = (
                answer(one, kind, now, facts, until)
                if own
                else told_by_clinic(clinic, one, kind, now, until, facts)
            )
            yield from [row | {"resend": next_resend(session, one, [kind])} for row in rows]


def _still_owed(
    visits: Iterable[Appointment], owed: Iterable[Row], apart: Iterable[Row], *, along: bool
) -> list[Row]:
    """What of that which is `owed` of single visits nothing else tells: neither what goes to their own contacts, nor, where it goes
    `along` with it, the plan's message, which doesn't reach those.
    """
    told = {row["appointment_id"] for row in apart}
    told |= {one.id for one in visits if along and not has_own_contact(one)}
    return [row for row in owed if row["appointment_id"] not in told]


def told_at_last(session: Session, plan: Plan) -> Knew:
    """How a patient knows what waited until they were told of it, and waits no more."""
    knew = yet_to_hear(session, plan)
    plan.untold, plan.untold_since = {}, None
    return knew


def came_back(session: Session, clinic: Clinic, plan: Plan, back: Iterable[Back], now: datetime) -> None:
    """What gave way and stands again is told in three minutes, where it isn't known so."""
    back = list(back)
    knew = known_otherwise(session, clinic, plan, back)
    if knew:
        plan.sequence += 1
        plan_changed(
            session, clinic, plan, [one.visit for one in back if str(one.visit.id) in knew], now, knew
        )


def make_up_offered(session: Session, plan: Plan, now: datetime) -> bool:
    """The link to times for visits that a plan lacks, now. Says whether there is a way to send it."""
    return _sent_anew(session, plan, "plan-make-up", now)


def plan_contact_corrected(session: Session, clinic: Clinic, plan: Plan, now: datetime) -> None:
    """What is queued about a plan goes to the contact as it is now: the link to book it, or all visits and the link to make up for
    others, and when it was to go what has just been changed. While a decision waits to be told no list of the visits goes: they
    stand as decided.
    """
    change, stands = _change_for_another(session, plan, now), next_of(session, plan, now) is not None
    waits = bool(plan.untold)
    if change is not None and change.state in GONE and stands and not waits and _is_written_to(plan):
        change = None  # The list of all visits says it.
    of_plan = Message.subject == f"plan/{plan.reference}"
    offers = select(Message.id).where(of_plan, Message.kind == "plan-make-up", Message.state.in_(YET_TO_GO))
    offered = session.scalar(offers.limit(1)) is not None
    session.execute(
        update(Message)
        .where(of_plan, Message.state == MessageState.QUEUED)
        .values(state=MessageState.DROPPED, last_error=_CORRECTED)
    )
    if plan.status is PlanStatus.PRESCRIBED:
        _sent_anew(session, plan, "plan-link", now, {"corrected": True})
    elif plan.status is PlanStatus.RUNNING:
        # Of what doesn't stand any more no list is sent.
        called = stands and drop_calls(session, plan, _CORRECTED)
        by_call = {SAID_BY_CALL: "change" if called else "confirmation", "corrected": True}
        written = not waits and _sent_anew(session, plan, "plan-confirmation", now, by_call)
        if change is not None:
            _change_anew(session, clinic, plan, change, now, listed=written)
        elif called and not written:
            call_anew(session, plan, now)
        if offered:
            make_up_offered(session, plan, now)
    digests.replan(session, clinic, plan, now)


def plan_end_corrected(session: Session, clinic: Clinic, plan: Plan, now: datetime) -> None:
    """What tells that a plan is over goes to its contact as it is now, also where it went to the old one already, as long as
    it is of use: not what went before that, of which they may not have been told at all.
    """
    change = _change_for_another(session, plan, now)
    if change is not None:
        _change_anew(session, clinic, plan, change, now)


def _change_for_another(session: Session, plan: Plan, now: datetime) -> Message | None:
    """What tells, or told, the last change of a plan, where it hasn't reached the contact as it is now and is still of use."""
    found = session.scalars(
        select(Message)
        .where(Message.subject == f"plan/{plan.reference}", Message.kind == "plan-change")
        .order_by(Message.id.desc())
        .with_for_update()
    )
    last = next(
        (
            one
            for one in found
            if one.state in YET_TO_GO or (one.state in GONE and one.sequence == plan.sequence)
        ),
        None,
    )
    if last is None or last.not_after <= now:
        return None
    return last if last.state is MessageState.QUEUED or last.address not in (plan.email, plan.phone) else None


def _change_anew(
    session: Session, clinic: Clinic, plan: Plan, change: Message, now: datetime, *, listed: bool = False
) -> None:
    """The same to the contact as it is now, when it was to go. `listed`: a list of all visits goes before, so that they know of
    what is new.
    """
    if change.state is MessageState.QUEUED:
        change.state, change.last_error = MessageState.DROPPED, _CORRECTED
    facts = {name: said for name, said in change.facts.items() if name in _FACTS}
    if listed:
        new = [int(number) for number, known in facts[KNEW].items() if known is None]
        stand = session.scalars(
            select(Appointment).where(Appointment.id.in_(new), Appointment.status == Status.BOOKED)
        )
        facts[KNEW] = facts[KNEW] | as_known(clinic, stand)
        if not _is_news(session, clinic, facts[KNEW], now):
            return
    due = max(now, change.due_at)
    rows = list(_of_plan(plan, change.kind, now, change.not_after, facts, due))
    _add_anew(session, [row | {"sequence": change.sequence} for row in rows])
    if not rows and OWN not in facts:
        call_anew(session, plan, now)


def _sent_anew(session: Session, plan: Plan, kind: str, now: datetime, facts: Row | None = None) -> bool:
    """A link to a plan, as often as it is asked for."""
    rows = list(_of_plan(plan, kind, now, now + PLAN_LINK_OF_USE, facts))
    _add_anew(session, rows)
    return bool(rows)


def _add_anew(session: Session, rows: list[Row]) -> None:
    """Writes messages about a plan that may have been written before, under the next number."""
    for row in rows:
        same = (Message.subject == row["subject"], Message.kind == row["kind"])
        last = session.scalar(select(func.max(Message.resend)).where(*same))
        add_all(session, Message, [row | {"resend": 0 if last is None else last + 1}])


def _is_written_to(plan: Plan) -> bool:
    return channel_of_clinic(plan)[0] is not Channel.CALL


def _changed_by(session: Session, plan: Plan) -> Actor | None:
    """Who has just changed a plan, as its history says."""
    entries = select(PlanEntry.actor).where(PlanEntry.plan_id == plan.id)
    return session.scalar(entries.order_by(PlanEntry.id.desc()).limit(1))


def _changes_that_wait(session: Session, plan: Plan) -> Sequence[Message]:
    """What waits to tell of changes of a plan as a whole, the last first."""
    return session.scalars(
        select(Message)
        .where(
            Message.subject == f"plan/{plan.reference}",
            Message.kind == "plan-change",
            Message.state == MessageState.QUEUED,
        )
        .order_by(Message.id.desc())
        .with_for_update()
    ).all()


def _with_what_waits(waits: Iterable[Message], knew: Knew) -> Knew:
    """How visits are known that they knew so before the last change, by the changes before that of which the message hasn't gone
    yet: it doesn't any more. `waits`: the last first.
    """
    for one in waits:
        knew = knew | one.facts[KNEW]
        one.state, one.last_error = MessageState.DROPPED, "Told in one message with what was changed next."
    return knew


def _of_plan(
    plan: Plan,
    kind: str,
    now: datetime,
    useful_until: datetime,
    facts: Row | None = None,
    due: datetime | None = None,
) -> Iterator[Row]:
    """A message about a whole plan at once, by mail if there is an address, else by text if texts are wanted."""
    channel, address = channel_of_clinic(plan)
    if channel is not Channel.CALL:
        row = bare_row(f"plan/{plan.reference}", kind, channel, address, now, due or now, useful_until)
        yield row | {"sequence": plan.sequence, "facts": facts or {}}
