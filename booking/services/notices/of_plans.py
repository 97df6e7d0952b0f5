"""What a plan tells: one message about all of its visits, or about several, and the reminders of each."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from booking.formatting import iso_utc
from booking.models import (
    YET_TO_GO,
    Actor,
    Appointment,
    Channel,
    HistoryEntry,
    Message,
    MessageState,
    Plan,
    PlanEntry,
    PlanStatus,
)
from booking.scheduling.status import Status
from booking.scheduling.timeline import cell_at
from booking.services import digests, giving_way
from booking.services.clinic import Clinic
from booking.services.message_rows import bare_row
from booking.services.notices.again import GONE, OWN, SAID_BY_CALL
from booking.services.notices.by_clinic import news_owed, told_by_clinic
from booking.services.notices.calling import call_anew, call_of_change, drop_calls, next_of, pass_on
from booking.services.notices.news import known_as, moved_from
from booking.services.notices.reminding import remind_now, reminders
from booking.services.notices.waiting import drop_waiting, is_told
from booking.services.notices.ways import TAKEN_BACK_WITHIN, channel_of_clinic, has_own_contact
from booking.services.notices.writing import ANSWERS, answer, next_resend, times_told
from booking.services.rows import Row, add_all

# The link to a plan that isn't booked yet is of use so long.
PLAN_LINK_OF_USE = timedelta(days=7)
_CORRECTED = "The contact was corrected."
# What a change of a plan tells, as its facts have it; what became of it on its way stands there as well.
_FACTS = ("cancelled", "firm", "added", "knew", "whose", OWN)


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
    session: Session, clinic: Clinic, plan: Plan, visits: Sequence[Appointment], now: datetime, facts: Row, *,
    tell: bool = True,
) -> None:  # fmt: skip
    """One message about several visits of a plan at once, in three minutes, if `tell`; and what else goes about each of them from
    then on. What is changed of the plan until then is one message with it.
    It names what gave way before as well, and goes only if there is something to name. Whoever isn't written to is called, but
    for what they have changed themselves. What waited to be told is told along, and without such a message by itself. Where one
    waits, it tells this as well without `tell`: else it would name times that are others by now. What is cancelled and waits to be
    told is said to have been moved before, where they haven't heard that.

    `visits`: those that were changed, as they are now. `facts`: {"cancelled": [ISO in UTC, …], "added": […], "firm": […]},
    when they began or begin, and "knew": with whom they began, by their id. The plan's sequence has grown by the change.
    Kept with them is "whose" the times are that are given up: the ids of the visits that the patient knew there.
    """
    facts = facts | {
        "whose": {at: one.id for at, one in _left(session, visits).items()} | facts.get("whose", {})
    }
    facts = _with_gone(facts, facts.get("cancelled", ()), {})
    withheld = not tell and plan.untold_since is not None
    if withheld:
        plan.untold = joined(session, plan, plan.untold, facts)
    waits, own = _changes_that_wait(session, plan), _changed_by(session, plan) is Actor.PATIENT
    tells = tell or (bool(waits) and plan.untold_since is None)
    gave_way = giving_way.untold(session, plan, now) if tells else []
    if gave_way:
        visits = [*visits, *gave_way]
        knew = {iso_utc(one.starts_at): one.practitioner_id for one in gave_way}
        facts = facts | {"whose": facts["whose"] | {iso_utc(one.starts_at): one.id for one in gave_way}}
        facts = _with_gone(facts, {*facts.get("cancelled", ()), *knew}, knew)
    if plan.untold_since is not None and not withheld:
        facts = _without_untold(session, plan, visits, facts)
    rows: list[Row] = []
    owed: list[Row] = []
    again: list[Row] = []
    unheard: Row = {}
    for visit in visits:
        waited = drop_waiting(session, visit, "The plan was changed.", now)
        if withheld and visit.status is Status.CANCELLED:
            unheard = _with_move(unheard, visit, _knew(clinic, waited))
        facts = _as_known(session, clinic, plan, visit, waited, facts)
        if visit.status is Status.BOOKED:
            ahead, news = reminders(clinic, visit, now), news_owed(session, clinic, visit, waited, now)
            rows, owed = [*rows, *ahead], [*owed, *news]
            again += [] if news else remind_now(visit, waited, ahead, now)
    useful_until = max([visit.ends_at for visit in visits], default=now + PLAN_LINK_OF_USE)
    told: list[Row] = []
    own, facts = own and not gave_way, unheard if withheld else facts
    tells = (tells or withheld) and any(facts.values())
    apart = list(_to_others(session, clinic, plan, facts, now, own=own)) if tells and not withheld else []
    if tells:
        useful_until = max([useful_until, *(one.not_after for one in waits)])
        only_own = {OWN: True} if own and all(OWN in one.facts for one in waits) else {}
        facts, due = _with_what_waits(session, plan, waits, facts) | only_own, now + TAKEN_BACK_WITHIN
        told = list(_of_plan(plan, "plan-change", now, useful_until, facts, due))
    called = tells and not (told or own or withheld)
    along = (told or called) and not withheld
    rows += [] if along else again
    rows += _still_owed(visits, owed, apart, along=bool(along))
    add_all(session, Message, [*told, *apart, *rows])
    if called:
        called = call_of_change(session, plan, visits, facts, now)
    pass_on(session, plan, now)
    if told or called:
        giving_way.count_as_told(gave_way)
    digests.replan(session, clinic, plan, now)


def _to_others(
    session: Session, clinic: Clinic, plan: Plan, facts: Row, now: datetime, *, own: bool
) -> Iterator[Row]:
    """The same change, of each visit that has a contact of its own: no message about the plan reaches that. `own`: as the patient
    wished.
    """
    visits = session.scalars(select(Appointment).where(Appointment.plan_id == plan.id))
    theirs = [one for one in visits if one.starts_at > now and has_own_contact(one)]
    gone, whose = facts.get("cancelled", ()), facts["whose"]
    moves = moved_from(session, [one.id for one in theirs], gone, whose)
    for one in theirs:
        move, at = moves.get(one.id), iso_utc(one.starts_at)
        known: Row = {}
        if move:
            starts_at = datetime.fromisoformat(move["from"])
            ends_at = starts_at + (one.ends_at - one.starts_at)
            known = known_as(starts_at, ends_at, move["from_practitioner"])
        if one.status is Status.BOOKED and move and at in facts.get("added", ()):
            kind, until = "change", one.starts_at
        elif one.status is Status.CANCELLED and (move or (at in gone and whose.get(at, one.id) == one.id)):
            kind, until = "cancellation", one.ends_at
        else:
            continue
        if not is_told(session, one, kind):
            rows = (
                answer(one, kind, now, known, until)
                if own
                else told_by_clinic(clinic, one, kind, now, until, known)
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


def told_at_last(plan: Plan, now: datetime) -> Row:
    """The facts of what waited until the patient was told of it, and waits no more: as far as it is ahead."""
    waited, plan.untold, plan.untold_since = plan.untold, {}, None
    ahead: Row = {
        name: sorted(at for at in starts if datetime.fromisoformat(at) > now)
        for name, starts in times_told(waited).items()
    }
    ahead["whose"] = waited.get("whose", {})
    return _with_gone(ahead, ahead["cancelled"], waited.get("knew", {}))


def joined(session: Session, plan: Plan, before: Row, facts: Row) -> Row:
    """The facts of two changes of which the patient has heard neither: what came and went between them is nothing to tell, where
    the same visit is back with whom they knew it. What is firm since is firm where it is moved to.
    """
    was, now_is = times_told(before), times_told(facts)
    knew = facts.get("knew", {}) | before.get("knew", {})
    gone = was["cancelled"] | now_is["cancelled"] - was["added"]
    whose = facts.get("whose", {}) | before.get("whose", {})
    back = _as_they_knew(session, plan, was["cancelled"] & now_is["added"], gone, knew, whose)
    there = _standing_at(session, plan, now_is["added"] if was["firm"] else ())
    moves = moved_from(session, there, was["firm"] & now_is["cancelled"])
    firm = {iso_utc(there[number].starts_at) for number in moves}
    return _with_gone(
        {
            "firm": sorted(was["firm"] - now_is["cancelled"] | firm | now_is["firm"]),
            "added": sorted(was["added"] - now_is["cancelled"] | now_is["added"] - back),
            "whose": whose,
        },
        gone - back,
        knew,
    )


def _without_untold(session: Session, plan: Plan, visits: Iterable[Appointment], facts: Row) -> Row:
    """These facts of a change, where something else of the plan waits to be told: its visits go from where their patient knows
    them, and those of which they haven't heard aren't named. What waits follows them to where they are by now.
    """
    left = _left(session, visits)
    waits = times_told(plan.untold)
    unheard = {at: visit for at, visit in left.items() if at in waits["added"]}
    whose = facts.get("whose", {}) | plan.untold.get("whose", {})
    moves = moved_from(session, [one.id for one in unheard.values()], waits["cancelled"], whose)
    known = {one["from"] for one in moves.values()}
    firm = _begin(visit for at, visit in left.items() if at in waits["firm"])
    new = _begin(one for one in unheard.values() if one.id not in moves)
    knew = facts.get("knew", {}) | plan.untold.get("knew", {})
    follows = {
        "firm": sorted(waits["firm"] - left.keys() | firm),
        "added": sorted(waits["added"] - left.keys() | new),
    }
    plan.untold = _with_gone(plan.untold | follows, waits["cancelled"] - known, {})
    gone, added = {*facts.get("cancelled", ())} - unheard.keys() | known, {*facts.get("added", ())} - new
    back = _as_they_knew(session, plan, gone & added, gone, knew, whose)
    return _with_gone(facts | {"added": sorted(added - back), "whose": whose}, gone - back, knew)


def _begin(visits: Iterable[Appointment]) -> set[str]:
    """When those of these visits begin that stand."""
    return {iso_utc(one.starts_at) for one in visits if one.status is Status.BOOKED}


def _left(session: Session, visits: Iterable[Appointment]) -> dict[str, Appointment]:
    """Those of these visits that have just left the times at which they were, by these: moved, or cancelled."""
    there = {one.id: one for one in visits}
    last = select(func.max(HistoryEntry.id)).where(HistoryEntry.appointment_id.in_(there))
    entries = session.scalars(
        select(HistoryEntry).where(HistoryEntry.id.in_(last.group_by(HistoryEntry.appointment_id)))
    )
    found = {}
    for entry in entries:
        visit = there[entry.appointment_id]
        if entry.what == "moved":
            found[entry.facts["from"]] = visit
        elif visit.status is Status.CANCELLED:
            found[iso_utc(visit.starts_at)] = visit
    return found


def _last_of(session: Session, visit: Appointment) -> HistoryEntry:
    """What was last done to a visit."""
    entries = select(HistoryEntry).where(HistoryEntry.appointment_id == visit.id)
    return session.scalars(entries.order_by(HistoryEntry.id.desc()).limit(1)).one()


def _with_gone(facts: Row, gone: Iterable[str], knew: Row) -> Row:
    """These facts, where these times are given up, each with whom its patient knew it."""
    known, whose, gone = facts.get("knew", {}) | knew, facts.get("whose", {}), sorted(gone)
    return facts | {
        "cancelled": gone,
        "knew": {at: known[at] for at in gone if at in known},
        "whose": {at: whose[at] for at in gone if at in whose},
    }


def _as_they_knew(
    session: Session, plan: Plan, starts: Iterable[str], gone: Collection[str], knew: Row, whose: Row
) -> set[str]:
    """At which of these times, all among those that are `gone`, the visit that the patient knew there stands again, with the
    same person. Another one there has a link and an entry in the calendar of its own.
    """
    there = _standing_at(session, plan, starts)
    moves = moved_from(session, there, gone, whose)
    came_back = set(
        session.scalars(
            select(HistoryEntry.appointment_id).where(
                HistoryEntry.appointment_id.in_(there.keys() - moves.keys()),
                HistoryEntry.what == giving_way.CAME_BACK,
            )
        )
    )
    found = set()
    for number, visit in there.items():
        at = iso_utc(visit.starts_at)
        same = moves[number]["from"] == at if number in moves else number in came_back
        if same and knew.get(at, visit.practitioner_id) == visit.practitioner_id:
            found.add(at)
    return found


def _standing_at(session: Session, plan: Plan, starts: Iterable[str]) -> dict[int, Appointment]:
    """The visits of a plan that stand at these times, by their ids."""
    cells = [cell_at(datetime.fromisoformat(at)) for at in starts]
    there = select(Appointment).where(
        Appointment.plan_id == plan.id,
        Appointment.status == Status.BOOKED,
        Appointment.from_cell.in_(cells),
    )
    return {one.id: one for one in session.scalars(there)} if cells else {}


def make_up_offered(session: Session, plan: Plan, now: datetime) -> bool:
    """The link to times for visits that a plan lacks, now. Says whether there is a way to send it."""
    return _sent_anew(session, plan, "plan-make-up", now)


def plan_contact_corrected(session: Session, clinic: Clinic, plan: Plan, now: datetime) -> None:
    """What is queued about a plan goes to the contact as it is now: the link to book it, or all visits and the link to make up for
    others, and when it was to go what has just been changed. While a decision waits to be told no list of the visits goes: they
    stand as decided.
    """
    change, stands = _change_for_another(session, plan, now), next_of(session, plan, now) is not None
    waits = any(plan.untold.values())
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
            _change_anew(session, plan, change, now)
        elif called and not written:
            call_anew(session, plan, now)
        if offered:
            make_up_offered(session, plan, now)
    digests.replan(session, clinic, plan, now)


def plan_end_corrected(session: Session, plan: Plan, now: datetime) -> None:
    """What tells that a plan is over goes to its contact as it is now, also where it went to the old one already, as long as
    it is of use: not what went before that, of which they may not have been told at all.
    """
    change = _change_for_another(session, plan, now)
    if change is not None:
        _change_anew(session, plan, change, now)


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


def _change_anew(session: Session, plan: Plan, change: Message, now: datetime) -> None:
    """The same to the contact as it is now, when it was to go."""
    if change.state is MessageState.QUEUED:
        change.state, change.last_error = MessageState.DROPPED, _CORRECTED
    facts = {name: said for name, said in change.facts.items() if name in _FACTS}
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


def _as_known(
    session: Session, clinic: Clinic, plan: Plan, visit: Appointment, waited: list[Row], facts: Row
) -> Row:
    """These facts of a change, where what the clinic did before to this visit still `waited` to be told: the patient knows the
    visit as it was then, and not when it began in between.
    """
    if not any(_is_untold(one) for one in waited):
        return facts
    last = _last_of(session, visit)
    between = last.facts["from"] if last.what == "moved" else iso_utc(visit.starts_at)
    knew = _knew(clinic, waited)
    stays = _as_they_knew(session, plan, knew, knew, knew, {})
    added = [at for at in facts.get("added", ()) if at not in stays]
    return _with_gone(facts | {"added": added}, {*facts.get("cancelled", ())} - {between} | {*knew}, knew)


def _is_untold(waited: Row) -> bool:
    return waited["kind"] in ANSWERS and bool(waited["facts"].get("by_clinic"))


def _knew(clinic: Clinic, waited: list[Row]) -> dict[str, int]:
    """When the patient knows a visit of which this `waited` to be told, and with whom: empty where it is as they know it."""
    untold = [one["facts"] for one in waited if _is_untold(one)]
    return {
        one["old_starts_at"]: person.id
        for one in untold
        if "old_starts_at" in one and (person := clinic.person(one["old_practitioner"]))
    }


def _with_move(facts: Row, visit: Appointment, knew: dict[str, int]) -> Row:
    """These facts of a change, and that this visit is elsewhere than they `knew` it: it was moved before it was cancelled, of which
    they aren't told yet.
    """
    if not knew:
        return facts
    added = sorted({*facts.get("added", ()), iso_utc(visit.starts_at)})
    return _with_gone(facts | {"added": added}, {*facts.get("cancelled", ()), *knew}, knew)


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


def _with_what_waits(session: Session, plan: Plan, waits: Iterable[Message], facts: Row) -> Row:
    """These facts of a change, joined with those of the changes before of which the message hasn't gone yet: it doesn't any
    more.
    """
    for one in waits:
        facts = joined(session, plan, one.facts, facts)
        one.state, one.last_error = MessageState.DROPPED, "Told in one message with what was changed next."
    return facts


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
