"""The words of messages and calls: how a message stands, how a patient is told, what to say on the telephone."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flask_babel import gettext as _, lazy_gettext as lazy

from booking.models import Channel, MessageState
from booking.services.clinic import Clinic
from booking.services.desk.calls import Call, Settled, Why
from booking.services.desk.panel import Said
from booking.services.desk.whom_to_call import Outcome
from booking.services.message_rows import Unwritten, WhyNot
from booking.web.change_words import CHANNELS, when as _when

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
# What is said once something was done about a message, by the word of the form.
MESSAGE_DONE: Mapping[str, Any] = {
    "again": lazy("It goes again now."),
    "email": lazy("It goes by e-mail now."),
    "text": lazy("It goes by text now."),
    "call": lazy("It stands on the list of calls."),
    "take-back": lazy("Taken back. It is not sent."),
    "settle": lazy("Off the list."),
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


def stands(message: Said) -> tuple[Any, str]:
    """How a message of a visit stands, and in which colours."""
    return (_("called"), "plain") if message.called else MESSAGE_STATES[message.state]


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


def settled(words: str) -> str:
    """What became of a message, as in "Left a message"."""
    return str(_SETTLED.get(words, words))


def off_the_list() -> str:
    return _("Off the list.")


def why_call(call: Call) -> str:
    if call.after_all:
        return _("Takes place after all")
    if call.why is Why.SOON and call.kind == "cancellation":
        return _("Cancelled by us on short notice")
    return str(_WHY_CALL[call.why])


def sentence(clinic: Clinic, call: Call) -> str:
    """What to say on the telephone. It names no treatment: somebody else may pick up."""
    when, name = clinic.times.moment(call.starts_at), call.practitioner.name
    if call.plan_only:
        return _("“Some of your visits have changed. May I go through all that are ahead with you?”")
    if call.after_all and call.kind in ("confirmation", "change"):
        return _after_all(clinic, call)
    if call.kind == "cancellation":
        return _(
            "“The visit on %(when)s can't take place. May we find another time?”",
            when=clinic.times.moment(call.old_starts_at or call.starts_at),
        )
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


def also(clinic: Clinic, call: Call, other: Call) -> str:
    """What to say of another visit, of the same day or of the next morning, told along with this call."""
    times, name = clinic.times, other.practitioner.name
    if times.local_date(other.starts_at) != times.local_date(call.starts_at):
        return _("“And on %(when)s, with %(name)s.”", when=times.short_moment(other.starts_at), name=name)
    at = times.time(other.starts_at)
    return _("“And on the same day at %(time)s, with %(name)s.”", time=at, name=name)


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


def called(clinic: Clinic, outcome: Outcome, settled: Settled) -> str:
    """What came of a call, of whom, and what needn't be written now; or who had made it before."""
    if settled.before is not None:
        return _called_before(clinic, settled.patient, settled.before)
    says = str(OUTCOMES[outcome][1] % {"name": settled.patient})
    if outcome is Outcome.LEFT_MESSAGE and settled.stays:
        return f"{says} {_('They stay on the list until you reach them.')}"
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


def call_back_on_the_list(clinic: Clinic, settled: Settled) -> str:
    """That the last call is taken back, or who has called since."""
    if settled.before is None:
        return _("Taken back: %(name)s is on the list.", name=settled.patient)
    return _(
        "%(name)s: %(who)s has called since, at %(time)s: %(what)s. That stands.",
        name=settled.patient,
        who=settled.before["by"],
        time=_when(clinic, datetime.fromisoformat(settled.before["at"])),
        what=OUTCOMES[Outcome(settled.before["outcome"])][0],
    )
