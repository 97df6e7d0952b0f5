"""The words of the desk's pages: how a visit stands, what was done to it, what keeps it from a place, whom to call."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from flask_babel import gettext as _, lazy_gettext as lazy, ngettext

from booking import clock
from booking.errors import (
    Clash,
    IllegalStatus,
    NeedsReason,
    NotChangeable,
    OldPlaceTaken,
    PatientElsewhere,
    Refusal,
    StaleEdit,
)
from booking.formatting import phone
from booking.models import Actor, Channel, MessageState, TaskKind
from booking.scheduling.latitude import Breach, Taken
from booking.scheduling.status import Status
from booking.services.clinic import Clinic
from booking.services.desk.calls import Call, Outcome, Settled, Why
from booking.services.desk.closing import Reopened
from booking.services.desk.moving import Changed, Preview
from booking.services.desk.statuses import Move
from booking.services.desk.undoing import Doing
from booking.services.message_rows import Unwritten, WhyNot
from booking.services.notices import TAKEN_BACK_WITHIN
from booking.services.wording import Words
from booking.web.visit_words import (
    HAPPENED,
    STANDINGS,
    TAPS,
    happened,
    person,
    status,
    whom,
)
from booking.web.words import staff_advice_for, staff_words_for

# What the button says where a no-show comes after all.
CAME_LATE = lazy("Came late")
# What a button says, and what is said once it is done.
MOVES: Mapping[Move, tuple[Any, Any]] = {
    move: (TAPS[move], says)
    for move, says in (
        (Move.CONFIRM, lazy("Noted that they are coming.")),
        (Move.ARRIVE, lazy("Here.")),
        (Move.START, lazy("In the room.")),
        (Move.NEEDLES_IN, lazy("Needles are in.")),
        (Move.NEEDLES_OUT, lazy("Needles are out.")),
        (Move.FINISH, lazy("Done.")),
        (Move.NO_SHOW, lazy("Noted as no-show. Nobody was written to.")),
        (Move.CANCEL, lazy("Cancelled.")),
    )
}

_BREACHES: Mapping[str, Any] = {
    Breach.IN_THE_PAST: lazy("That time has passed."),
    Breach.TOO_SOON: lazy("That is sooner than the clinic's notice."),
    Breach.BEYOND_HORIZON: lazy("That is beyond the days that are open for booking."),
    Breach.OUTSIDE_HOURS: lazy("That is outside working hours."),
    Breach.IN_A_BREAK: lazy("That is in the practitioner's break."),
    Breach.PRACTITIONER_LIMIT: lazy("The practitioner has as many of these visits as planned."),
    Breach.PATIENT_LIMIT: lazy("The patient has as many visits that day or week as planned."),
    Breach.PAUSE: lazy("The practitioner's pause between visits is cut short."),
    Breach.TURNOVER: lazy("The room's time to be made ready is cut short."),
    Breach.TOO_MANY_AT_ONCE: lazy("The practitioner has as many patients at once as planned."),
    Breach.SHORTENED: lazy("The visit is shorter than its type says."),
    Breach.OTHER_ROOM_KIND: lazy("This kind of room isn't meant for the visit."),
    Breach.PENCILED: lazy("It is held for a plan that nobody has decided on yet."),
    "correction": lazy("A correction needs a reason."),
}
_TAKEN: Mapping[str, Any] = {
    Taken.NOT_OFFERED: lazy("This person doesn't give that visit."),
    Taken.AWAY: lazy("They are away."),
    Taken.PRACTITIONER_TAKEN: lazy("The practitioner has another patient."),
    Taken.ROOM_TAKEN: lazy("No room is free."),
    Taken.DEVICE_TAKEN: lazy("What the visit needs is in use."),
    Taken.PATIENT_ELSEWHERE: lazy("The patient has another visit then."),
    Taken.UNDER_WAY: lazy("The visit has begun; its time stays."),
}

CHANNELS: Mapping[Channel, Any] = {
    Channel.EMAIL: lazy("by e-mail"),
    Channel.TEXT: lazy("by text"),
    Channel.CALL: lazy("by telephone"),
}
# How a message stands, and in which colours.
MESSAGE_STATES: Mapping[MessageState, tuple[Any, str]] = {
    MessageState.QUEUED: (lazy("waits"), "plain"),
    MessageState.SENDING: (lazy("goes now"), "blue"),
    MessageState.SENT: (lazy("sent"), "green"),
    MessageState.SIMULATED: (lazy("written to a file"), "green"),
    MessageState.DEMO: (lazy("of the demo, not sent"), "plain"),
    MessageState.TO_CALL: (lazy("on the list of calls"), "amber"),
    MessageState.DROPPED: (lazy("not sent"), "plain"),
    MessageState.UNSURE: (lazy("may not have arrived"), "clay"),
    MessageState.DEAD: (lazy("failed"), "clay"),
}
_KINDS: Mapping[str, Any] = {
    "confirmation": lazy("Confirmation"),
    "change": lazy("New time"),
    "cancellation": lazy("Cancellation"),
    "cannot-come": lazy("To us: can't come"),
    "comes-after-all": lazy("To us: comes after all"),
    "links": lazy("Links"),
    "plan-link": lazy("Link to book the plan"),
    "plan-confirmation": lazy("Confirmation of the plan"),
    "plan-change": lazy("Changes of the plan"),
    "plan-make-up": lazy("Link to make up visits"),
    "plan-digest": lazy("List of the week"),
    "reminder-week": lazy("Reminder of the week"),
}
# Why something was never written, to whoever asks why they didn't get it.
_WHY_NOT: Mapping[WhyNot, Any] = {
    WhyNot.PENCILED: lazy("the visit is penciled in: nobody has decided on it yet"),
    WhyNot.WANTS_NONE: lazy("no reminders were wanted"),
    WhyNot.WANTS_LIST: lazy("the list of the week alone was wanted"),
    WhyNot.WANTS_EACH: lazy("a reminder of each visit was wanted, and no list"),
    WhyNot.NOT_ON_PLANS: lazy("on a plan the day before is enough"),
    WhyNot.NOT_RUNNING: lazy("the plan is paused or over"),
    WhyNot.NO_CONTACT: lazy("there is no address or number for it"),
    WhyNot.NO_TEXT_HOURS: lazy("no text may go at a time at which it would be of use"),
    WhyNot.LATE: lazy("its time was past when the visit was booked or last changed"),
}
# What the button of an outcome says, what is said once it is done, and of whom.
OUTCOMES: Mapping[Outcome, tuple[Any, Any]] = {
    Outcome.REACHED: (lazy("Reached"), lazy("Reached: %(name)s.")),
    Outcome.LEFT_MESSAGE: (lazy("Left a message"), lazy("Left a message: %(name)s.")),
    Outcome.NO_ANSWER: (lazy("No answer"), lazy("No answer: %(name)s. They stay on the list.")),
    Outcome.TOLD: (lazy("Told"), lazy("Told: %(name)s.")),
}
_STOPPED: Mapping[Channel, Any] = {
    Channel.EMAIL: lazy("The e-mail that was to go at %(time)s isn't sent."),
    Channel.TEXT: lazy("The text that was to go at %(time)s isn't sent."),
}
# Flags of patients that matter before one dials.
FOR_A_CALL = frozenset({"interpreter", "hard of hearing"})
_WHY_CALL: Mapping[Why, Any] = {
    Why.ONLY_PHONE: lazy("Has neither mail nor texts"),
    Why.WANTED: lazy("Wants to be called"),
    Why.ASKED: lazy("Put here by the desk"),
    Why.SOON: lazy("Changed by us on short notice"),
    Why.UNREACHABLE: lazy("Our messages don't arrive"),
    Why.NO_CONTACT: lazy("Left no number or address"),
}
# What became of a message by somebody's hand.
_SETTLED: Mapping[str, Any] = {
    **{outcome.value: words for outcome, (words, _said) in OUTCOMES.items()},
    "seen to": lazy("seen to"),
    "sent again": lazy("sent again"),
    "taken back": lazy("taken back"),
    "told together": lazy("told with others"),
}
TASKS: Mapping[TaskKind, Any] = {
    TaskKind.ESTIMATE: lazy("Good-faith estimate"),
    TaskKind.COVERAGE: lazy("Check the coverage"),
}
# What the button of a task says, and what is said once it is done.
TASK_DONE: Mapping[TaskKind, tuple[Any, Any]] = {
    TaskKind.ESTIMATE: (lazy("Estimate given"), lazy("Estimate given. It is off the list.")),
    TaskKind.COVERAGE: (lazy("Coverage checked"), lazy("Coverage checked. It is off the list.")),
}


def kind_of_message(kind: str) -> str:
    """As in "Reminder, 3 days before"."""
    name, _dash, rest = kind.partition("-")
    if name == "reminder" and rest.endswith("d") and rest[:-1].isdigit():
        days = int(rest[:-1])
        return _("Reminder, %(days)d days before", days=days) if days != 1 else _("Reminder, the day before")
    return str(_KINDS.get(kind, kind))


def never_written(one: Unwritten) -> str:
    """As in "Reminder, 3 days before, by text: its time was past when …"."""
    name = _("Reminders") if one.kind == "reminder" else kind_of_message(one.kind)
    about = f"{name}, {CHANNELS[one.channel]}" if one.channel else name
    return f"{about}: {_WHY_NOT[one.why]}"


def breaches(clinic: Clinic, codes: Iterable[str], facts: Mapping[str, Any]) -> list[str]:
    """What is broken, a sentence each; `facts` by code, as far as they are known."""
    return [words for code in codes for words in hindrance(clinic, code, facts.get(code, {}))]


def usual_reason(codes: Iterable[str]) -> str:
    """The reason that stands there already: where nothing is passed but what gives way anyway."""
    return _("Penciled in, and gave way") if set(codes) == {Breach.PENCILED} else ""


def penciled_there() -> str:
    return _("Something is penciled in there.")


def _held(clinic: Clinic, facts: Mapping[str, Any]) -> list[str]:
    """What is penciled in there, and what becomes of it."""
    found = []
    for one in facts["visits"]:
        about = {
            "whose": one["whose"] or _("another patient"),
            "when": clinic.times.short_moment(datetime.fromisoformat(one["starts_at"])),
            "name": one["name"],
            "decides": one["decides"] or _("a practitioner"),
        }
        found.append(
            _(
                "Held for the plan of %(whose)s until %(decides)s decides how it goes on: %(when)s, with %(name)s.",
                **about,
            )
        )
    found.append(_("That visit gives way: it is cancelled, and stands in its plan as to be booked again."))
    return found


def hindrance(clinic: Clinic, code: str, facts: Mapping[str, Any]) -> list[str]:
    """What keeps a place, in sentences: with whom it clashes, if that is known."""
    if code == Taken.PATIENT_ELSEWHERE and "starts_at" in facts:
        return [elsewhere(clinic, facts)]
    if facts.get("with_"):
        return [in_the_way(clinic, one) for one in facts["with_"]]
    if facts.get("visits"):
        return _held(clinic, facts)
    return [str(_TAKEN.get(code) or _BREACHES.get(code, code))]


def in_the_way(clinic: Clinic, one: Mapping[str, Any]) -> str:
    """As in "Room 2: Rosa Lima, 9:00 am to 9:30 am."."""
    stretch = _stretch(clinic, one)
    if one["by"] == "visit":
        # Whose it is isn't told to whoever doesn't see that patient.
        return _(
            "%(name)s: %(whose)s, %(when)s.",
            name=one["name"],
            whose=one["whose"] or _("another visit"),
            when=stretch,
        )
    words = {
        "hold": lazy("somebody is booking that time just now"),
        "away": lazy("away"),
        "closed": lazy("the clinic is closed"),
        "out_of_use": lazy("out of use"),
    }.get(one["by"], lazy("taken"))
    return _("%(name)s: %(what)s, %(when)s.", name=one["name"], what=words, when=stretch)


def _stretch(clinic: Clinic, one: Mapping[str, Any]) -> str:
    """As in "9:00 am to 9:30 am"; with the day where it isn't one."""
    times = clinic.times
    starts_at, ends_at = (datetime.fromisoformat(one[name]) for name in ("from", "to"))
    same_day = times.local_date(starts_at) == times.local_date(ends_at)
    write = times.time if same_day else times.short_moment
    return _("%(first)s to %(last)s", first=write(starts_at), last=write(ends_at))


def elsewhere(clinic: Clinic, facts: Mapping[str, Any]) -> str:
    """The patient's other visit at that time."""
    return _(
        "The patient's other visit: %(when)s, with %(name)s.",
        when=clinic.times.short_moment(datetime.fromisoformat(facts["starts_at"])),
        name=facts["practitioner_name"],
    )


def told(clinic: Clinic, words: Words | Preview) -> str:
    """Whether and how the patient would be told, in sentences."""
    if not words.channel or words.due_at is None:
        return _("Nobody is written to.")
    if not words.address:
        return _without_a_way()
    address = phone(words.address) if words.address.startswith("+") else words.address
    if words.channel == Channel.CALL:
        return _("Call %(number)s to tell them: they go on the list of calls.", number=address)
    says = _(
        "The patient is told %(way)s, at %(address)s, at %(time)s; until then it can be taken back.",
        way=CHANNELS[Channel(words.channel)],
        address=address,
        time=_when(clinic, words.due_at),
    )
    return f"{says} {_called_too()}" if words.to_call else says


def _without_a_way() -> str:
    return _(
        "They left neither a number nor an address: they stand on the list of calls until somebody has told them."
    )


def _called_too() -> str:
    return _(
        "As the visit is soon, they go on the list of calls as well, in %(minutes)d minutes, until you reach them.",
        minutes=TAKEN_BACK_WITHIN.seconds // 60,
    )


def _when(clinic: Clinic, at: datetime) -> str:
    """The time; with the day where that isn't today."""
    times = clinic.times
    today = times.local_date(at) == times.local_date(clock.now())
    return times.time(at) if today else times.short_moment(at)


def here_since(clinic: Clinic, arrived_at: datetime | None) -> str:
    """What to know before the visit of somebody who is here is moved or cancelled."""
    if arrived_at is None:
        return _("The patient is here already: tell them yourself.")
    return _(
        "The patient is here already, since %(time)s: tell them yourself.", time=clinic.times.time(arrived_at)
    )


def comes_again() -> str:
    """Of who is here, and whose visit is moved to another day."""
    return _("The patient is here already. The visit is booked anew, and they come another time.")


def told_anyway() -> str:
    """Why "tell nobody" isn't offered."""
    return _("Earlier news of this visit hasn't reached them yet, so they can't be left untold.")


def sentence(clinic: Clinic, call: Call) -> str:
    """What to say on the telephone. It names no treatment: somebody else may pick up."""
    when, name = clinic.times.moment(call.starts_at), call.practitioner.name
    if call.after_all and call.kind in ("confirmation", "change"):
        return _after_all(clinic, call)
    if call.kind == "cancellation":
        return _("“The visit on %(when)s can't take place. May we find another time?”", when=when)
    if call.kind == "change" and call.old_starts_at and call.old_starts_at != call.starts_at:
        return _(
            "“The visit of %(old)s is now on %(when)s, with %(name)s. Does that suit?”",
            old=clinic.times.short_moment(call.old_starts_at),
            when=when,
            name=name,
        )
    if call.kind == "change":
        until = clinic.times.time(call.ends_at)
        return _(
            "“The visit on %(when)s is now with %(name)s, until %(until)s. Does that suit?”",
            when=when,
            name=name,
            until=until,
        )
    if call.kind == "confirmation":
        return _(
            "“You are booked for %(when)s, with %(name)s. How can we best write to you?”",
            when=when,
            name=name,
        )
    return _("“We expect you on %(when)s, with %(name)s. Are you coming?”", when=when, name=name)


def _after_all(clinic: Clinic, call: Call) -> str:
    """To whoever was told that it is cancelled, whether or not it was moved since."""
    when, name = clinic.times.moment(call.starts_at), call.practitioner.name
    if call.old_starts_at in (None, call.starts_at):
        return _(
            "“We told you that the visit on %(when)s can't take place. It does take place after all, with %(name)s. "
            "Can you come?”",
            when=when,
            name=name,
        )
    return _(
        "“We told you that the visit of %(old)s can't take place. It does take place after all, on %(when)s, "
        "with %(name)s. Does that suit?”",
        old=clinic.times.short_moment(call.old_starts_at),
        when=when,
        name=name,
    )


def called(clinic: Clinic, outcome: Outcome, settled: Settled) -> str:
    """What came of a call, of whom, and what needn't be written now; or who had made it before."""
    if settled.before is not None:
        return _called_before(clinic, settled.patient, settled.before)
    says = str(OUTCOMES[outcome][1] % {"name": settled.patient})
    if not settled.stopped:
        return says
    at = _when(clinic, datetime.fromisoformat(settled.due_at))
    return f"{says} {_STOPPED[Channel(settled.stopped)] % {'time': at}}"


def _called_before(clinic: Clinic, name: str, before: Mapping[str, str]) -> str:
    if not before:
        return _("%(name)s needs no call any more.", name=name)
    return _(
        "%(name)s: %(who)s has called before you, at %(time)s: %(what)s. That stands.",
        name=name,
        who=before["by"],
        time=_when(clinic, datetime.fromisoformat(before["at"])),
        what=OUTCOMES[Outcome(before["outcome"])][0],
    )


def call_back_on_the_list(settled: Settled) -> str:
    return _("Back on the list: %(name)s.", name=settled.patient)


def why_call(call: Call) -> str:
    if call.after_all:
        return _("Takes place after all")
    if call.why is Why.SOON and call.kind == "cancellation":
        return _("Cancelled by us on short notice")
    return str(_WHY_CALL[call.why])


def written(clinic: Clinic, call: Call) -> str:
    """That somebody who is called was written to as well, or is about to be; nothing where they weren't."""
    if call.written is None:
        return ""
    way, when = CHANNELS[call.written.channel], _when(clinic, call.written.at)
    if not call.written.gone:
        return _("They are written to %(way)s at %(when)s.", way=way, when=when)
    if call.kind == "cancellation":
        return _("They were written to %(way)s at %(when)s.", way=way, when=when)
    return _("They were written to %(way)s at %(when)s, and haven't confirmed yet.", way=way, when=when)


def settled(words: str) -> str:
    """What became of a message, as in "Left a message"."""
    return str(_SETTLED.get(words, words))


# What is said once something was done about a message, by the word of the form.
MESSAGE_DONE: Mapping[str, Any] = {
    "again": lazy("It goes again now."),
    "email": lazy("It goes by e-mail now."),
    "text": lazy("It goes by text now."),
    "call": lazy("It stands on the list of calls."),
    "take-back": lazy("Taken back. It is not sent."),
    "settle": lazy("Off the list."),
}


def now_is(clinic: Clinic, changed: Changed, *, spoken: bool = False, number: str | None = None) -> str:
    """Where a visit is after a change, and whether its patient hears of it. `spoken`: they know from the telephone.
    `number`: by which they can be called.
    """
    if changed.state["status"] == Status.CANCELLED:
        says = _("Cancelled.")
    else:
        says = _(
            "Now %(when)s, with %(name)s.",
            when=clinic.times.short_moment(datetime.fromisoformat(changed.state["starts_at"])),
            name=person(clinic, changed.state["practitioner"]),
        )
    if changed.told:
        return f"{says} {_told_at(clinic, changed, number)}"
    if spoken:
        return f"{says} {_('The patient was told on the phone.')}"
    return f"{says} {_('Nobody is written to.')}"


def _told_at(clinic: Clinic, changed: Changed, number: str | None = None) -> str:
    if changed.due_at is None:
        return ""
    at = _when(clinic, datetime.fromisoformat(changed.due_at))
    if changed.channel == Channel.CALL:
        number = phone(number) if number else _("the patient")
        return _(
            "Call %(number)s to tell them: they are on the list of calls from %(time)s on.",
            number=number,
            time=at,
        )
    way = CHANNELS[Channel(changed.channel)]
    says = _("The patient is told at %(time)s, %(way)s.", time=at, way=way)
    return f"{says} {_called_too()}" if changed.to_call else says


def corrections(possible: Iterable[Status]) -> list[tuple[str, str]]:
    """What a visit can be corrected to, as values of the form and words. Of a cancellation it says whose wish it was."""
    found: list[tuple[str, str]] = []
    for one in possible:
        if one is Status.CANCELLED:
            found.append((f"{one} {Actor.PATIENT}", _("Cancelled by the patient")))
            found.append((f"{one} {Actor.STAFF}", _("Cancelled by the clinic")))
        else:
            found.append((one.value, str(STANDINGS[one].words)))
    return found


def corrected(to: Status) -> str:
    return _("Corrected to: %(status)s.", status=STANDINGS[to].words)


def undone(clinic: Clinic, doing: Doing, changed: Changed) -> str:
    """Whose visit it was, what is taken back, how it stands now, and whether its patient hears of it."""
    stands = str(STANDINGS[Status(changed.state["status"])].words)
    if doing.entry.what in ("moved", "changed", "cancelled"):
        stands = _(
            "%(status)s, %(when)s, with %(name)s",
            status=stands,
            when=clinic.times.short_moment(datetime.fromisoformat(changed.state["starts_at"])),
            name=person(clinic, changed.state["practitioner"]),
        )
    says = _(
        "%(name)s: Taken back. Was: %(what)s. Now: %(stands)s.",
        name=doing.name,
        what=happened(clinic, doing.entry),
        stands=stands,
    )
    return f"{says} {_told_at(clinic, changed)}".strip()


def what_was_done(clinic: Clinic, doing: Doing) -> str:
    """As in "Noah Shaw, 6:15 am: Corrected: No-show → Here"."""
    return _(
        "%(name)s, %(time)s: %(what)s",
        name=doing.name,
        time=clinic.times.time(doing.entry.at),
        what=happened(clinic, doing.entry),
    )


def was_told(clinic: Clinic, doing: Doing) -> str:
    """What to know before something is taken back of which its patient has heard."""
    if doing.told_at is None:
        return ""
    return _(
        "The patient was told at %(time)s, and is told again if you take it back.",
        time=clinic.times.time(doing.told_at),
    )


def cancelled_by(actor: Actor | None) -> str:
    """Whose wish a cancellation was, as in "by the clinic"."""
    if actor is Actor.PATIENT:
        return _("the patient")
    return _("the clinic")


def noted() -> str:
    return _("The note is kept.")


def off_the_list() -> str:
    return _("Off the list.")


def back_on_the_list() -> str:
    return _("Back on the list.")


def closed(names: Sequence[str]) -> str:
    """Whose visits closing the day has settled."""
    if not names:
        return _("Nothing was left to settle by itself.")
    return ngettext(
        "One visit is done: %(names)s.",
        "%(num)d visits are done: %(names)s.",
        len(names),
        names=", ".join(names),
    )


def reopened(clinic: Clinic, found: Reopened) -> str:
    """Whose visits are open again once a closing was taken back, and whose aren't, since somebody changed them."""
    if found.names:
        says = [
            ngettext(
                "Taken back. One visit is open again: %(names)s.",
                "Taken back. %(num)d visits are open again: %(names)s.",
                len(found.names),
                names=", ".join(found.names),
            )
        ]
    else:
        says = [_("Nothing was taken back.")]
    if found.changed:
        says.append(_("Changed since, and left as it is:"))
        says += [
            _("%(name)s: %(what)s", name=name, what=_by_whom(clinic, facts)) for name, facts in found.changed
        ]
    return " ".join(says)


def unclear(what: Iterable[str]) -> str:
    """Why a change can't be made of what was typed. "far": a day that is years away."""
    if "far" in what:
        return _("That day is too far away. Please look at the year.")
    return _("The time or the length isn't understood. Both go by five minutes.")


def due(on: date, today: date, clinic: Clinic) -> str:
    """As in "today", or "since Monday, September 14"."""
    if on == today:
        return _("today")
    if on < today:
        return _("since %(day)s", day=clinic.times.short_day(on))
    return _("by %(day)s", day=clinic.times.short_day(on))


@dataclass(frozen=True)
class No:
    """A refusal in words. `needs_reason`: what would be broken; `more`: what is in the way. `other`: the visit that is;
    `times`: where another time is found; `usual`: the reason that may stand there already.
    """

    code: str
    status: int
    title: str
    advice: str
    needs_reason: tuple[str, ...] = ()
    more: tuple[str, ...] = ()
    other: str | None = None
    times: str | None = None
    usual: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "ok": False,
            "code": self.code,
            "title": self.title,
            "advice": self.advice,
            "needs_reason": list(self.needs_reason),
            "alternatives": list(self.more),
            "other": self.other,
            "times": self.times,
            "usual": self.usual,
        }


def no(refusal: Refusal, clinic: Clinic) -> No:
    """Why something was refused, for staff, with what helps."""
    words, facts = staff_words_for(refusal), refusal.facts
    title, advice = str(words.title), staff_advice_for(refusal, clinic)
    needs: list[str] = []
    more: list[str] = []
    other, usual = None, ""
    if isinstance(refusal, NeedsReason):
        needs = breaches(clinic, facts["breaches"], facts.get("facts", {}))
        usual = usual_reason(facts["breaches"])
        if usual:
            title, advice = penciled_there(), _("It can be taken all the same: press once more.")
    elif isinstance(refusal, Clash):
        more = [in_the_way(clinic, one) for one in facts["with_"]]
    elif isinstance(refusal, OldPlaceTaken):
        more = [in_the_way(clinic, one) for one in facts["by"]]
    elif isinstance(refusal, PatientElsewhere):
        more, other = [elsewhere(clinic, facts)], facts["reference"]
    elif isinstance(refusal, StaleEdit) and facts.get("what"):
        more = [_by_whom(clinic, facts)]
    elif isinstance(refusal, IllegalStatus):
        advice = _illegal(clinic, facts)
    elif isinstance(refusal, NotChangeable):
        advice = _("It stands as: %(status)s.", status=status(facts["visit_status"]))
    return No(refusal.code, words.status, title, advice, tuple(needs), tuple(more), other, usual=usual)


def _by_whom(clinic: Clinic, facts: Mapping[str, Any]) -> str:
    """Who changed a visit meanwhile, what, and when."""
    return _(
        "%(what)s by %(who)s, %(time)s.",
        what=HAPPENED.get(facts["what"], facts["what"]),
        who=whom(clinic, facts.get("by_actor", ""), facts.get("by", "")),
        time=clinic.times.time(datetime.fromisoformat(facts["at"])) if facts.get("at") else "",
    )


def _illegal(clinic: Clinic, facts: Mapping[str, Any]) -> str:
    because = facts.get("because")
    if because == "needles":
        return _("The needles are still in. Press “Needles out” first.")
    if because == "no_needles":
        out = facts.get("to") == Move.NEEDLES_OUT
        return _("No needles are in.") if out else _("This kind of visit has no rest with needles.")
    if because == "too_early":
        when = clinic.times.short_moment(datetime.fromisoformat(facts["not_before"]))
        return _("That can be said from %(when)s on.", when=when)
    return _(
        "It stands as: %(status)s. To say otherwise, correct it with a reason.",
        status=status(facts["visit_status"]),
    )
