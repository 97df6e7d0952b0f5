"""The words of every refusal and fault, with their HTTP status: what happened, and what to do next."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask_babel import gettext as _, lazy_gettext as lazy, ngettext

from booking.errors import Refusal
from booking.formatting import phone
from booking.scheduling.status import Status
from booking.services.clinic import Clinic


@dataclass(frozen=True)
class Words:
    """A refusal's status, what happened, and what to do next."""

    status: int
    title: Any
    advice: Any = ""


WORDS: dict[str, Words] = {
    "refused": Words(409, lazy("That can't be done."), lazy("Please call us.")),
    "not_found": Words(
        404,
        lazy("This page is not here."),
        lazy("The address may be incomplete, or the link may have ended."),
    ),
    "slot_taken": Words(
        409, lazy("Somebody else has just taken that time."), lazy("Please choose another time.")
    ),
    "not_offered": Words(
        409,
        lazy("This visit can't be booked here."),
        lazy("Please call us; we are glad to arrange it with you."),
    ),
    "too_soon": Words(
        409, lazy("That time is too soon to book here."), lazy("Please choose a later time, or call us.")
    ),
    "beyond_horizon": Words(
        409, lazy("That day is too far ahead to book yet."), lazy("Please choose an earlier day, or call us.")
    ),
    "too_many_visits": Words(
        409,
        lazy("There are already several upcoming visits with this e-mail address or phone number."),
        lazy("To book more, please call us."),
    ),
    "limit_reached": Words(
        409,
        lazy("You have as many visits on that day or in that week as we plan for one person."),
        lazy("Please choose another day, or call us."),
    ),
    "visits_taken": Words(
        409,
        lazy("Some of these times were taken meanwhile."),
        lazy("Nothing is booked yet. Please choose other times for those; the rest stays as you chose it."),
    ),
    "plan_rules_broken": Words(
        422,
        lazy("These visits aren't what the plan asks for."),
        lazy("Please choose one of the proposals, or call us."),
    ),
    "needs_prescription": Words(
        403,
        lazy("A practitioner begins this plan with you."),
        lazy("Please book a first visit, or call us; they will send you a link."),
    ),
    "plan_running": Words(
        409,
        lazy("There is a plan with this e-mail address or phone number already."),
        lazy("You find it by the link in your confirmation. To begin another one, please call us."),
    ),
    "beyond_coverage": Words(
        409,
        lazy("Before we book these visits, we have to ask your insurance."),
        lazy("Please call us; we ask, and book them with you."),
    ),
    "too_many_holds": Words(
        429,
        lazy("Too many times are being held from your connection."),
        lazy("Please try again in a few minutes, or call us."),
    ),
    "too_many_requests": Words(
        429, lazy("That was a little too often."), lazy("Please wait a moment and try again.")
    ),
    "too_late_to_change": Words(
        409, lazy("This visit begins soon, so it can't be changed here any more."), lazy("Please call us.")
    ),
    "not_changeable": Words(
        409, lazy("This visit can't be changed any more."), lazy("If something is wrong, please call us.")
    ),
    "only_penciled_in": Words(
        409,
        lazy("This visit is only penciled in: we keep the time for you until your practitioner has decided."),
        lazy("You need not answer yet. Once it is booked, you can tell us that you are coming."),
    ),
    "stale_edit": Words(
        409,
        lazy("This visit was changed in the meantime."),
        lazy("Here is how it stands now. Please look, and choose again."),
    ),
    "needs_reason": Words(
        409,
        lazy("This is beyond the clinic's rules."),
        lazy("It can be done with a reason, which is kept with the visit."),
    ),
    "clash": Words(409, lazy("That is taken."), lazy("Please choose another time, person or room.")),
    "patient_elsewhere": Words(
        409,
        lazy("This patient has another visit at that time."),
        lazy("Move one of the two."),
    ),
    "illegal_status": Words(409, lazy("That doesn't follow on how the visit stands.")),
    "old_place_taken": Words(
        409, lazy("The old place is taken by now."), lazy("The visit stays where it is.")
    ),
    "plan_went_on": Words(
        409,
        lazy("The treatment plan has gone on without this visit."),
        lazy("Please look at the plan: what it lacks is booked there."),
    ),
    "too_late_to_undo": Words(
        409, lazy("That was too long ago to undo it here."), lazy("Please change the visit instead.")
    ),
    "too_much_for_a_file": Words(
        422,
        lazy("That is more than one file holds."),
        lazy("Please choose a shorter time, and take several files."),
    ),
    "nothing_to_send": Words(
        409, lazy("This message can't go again."), lazy("Please call the patient instead.")
    ),
    "already_gone": Words(
        409,
        lazy("This message doesn't wait any more."),
        lazy("It has gone, or it was dropped. The list shows how it stands now."),
    ),
    "stale_record": Words(
        409,
        lazy("This record was changed in the meantime."),
        lazy("What you typed is kept. Please look at what was changed, and save again."),
    ),
    "likely_known": Words(
        409,
        lazy("This person may be here already."),
        lazy("Please choose the record, or say that it is somebody else."),
    ),
    "visits_overlap": Words(
        409,
        lazy("Visits of the two records overlap."),
        lazy("Please move one of each pair first; then the records can be merged."),
    ),
    "record_merged": Words(
        409,
        lazy("This record was merged into another one."),
        lazy("Please open that one; everything is there."),
    ),
    "not_mergeable": Words(
        409,
        lazy("These two records can't be merged or taken apart."),
        lazy("Please open the patient's page and look at how they stand now."),
    ),
    "key_reused": Words(
        422,
        lazy("This form was sent before, with other entries."),
        lazy("Please load the page again and send it once."),
    ),
    "contact_cannot_be_reached": Words(
        422,
        lazy("The reminders don't fit the contact that was given."),
        lazy("Please add it, or choose other reminders."),
    ),
    "wrong_sign_in": Words(
        422,
        lazy("This address and this password don't go together."),
        lazy("Please type both again, or set a new password."),
    ),
    "wrong_code": Words(
        422,
        lazy("That is not the code of this moment."),
        lazy("Please type the one that your authenticator shows now, or a recovery code."),
    ),
    "wrong_pin": Words(422, lazy("That is not your PIN."), lazy("Please try again.")),
    "password_too_weak": Words(
        422, lazy("This password is too easy to guess."), lazy("Please choose a longer one: a few words do.")
    ),
    "pin_too_weak": Words(
        422,
        lazy("This PIN is too easy to guess."),
        lazy("Please choose six digits that aren't all the same or in a row."),
    ),
    "second_factor_needed": Words(
        409,
        lazy("Your password is short, so it needs the codes."),
        lazy("Choose a password of 15 or more letters first; then you can switch the codes off."),
    ),
    "link_ended": Words(
        410,
        lazy("This link has ended."),
        lazy("It works once, and not for long. Please ask for a new one."),
    ),
    "address_taken": Words(
        409,
        lazy("There is an account with this address already."),
        lazy("Look for it in the list; it can be changed or opened again there."),
    ),
    "last_owner": Words(
        409,
        lazy("This is the last owner."),
        lazy("Make somebody else an owner first; somebody must be able to do everything."),
    ),
    "clinic_not_ready": Words(503, lazy("This clinic is not set up yet."), lazy("Please come back later.")),
    "still_needed": Words(409, lazy("Upcoming visits, or plans, depend on what is to go.")),
    "busy": Words(
        503,
        lazy("We can't answer just now."),
        lazy("Nothing is lost. Please try again in a moment, or call us."),
    ),
    "contention": Words(
        503,
        lazy("We can't answer just now."),
        lazy("Nothing is lost. Please try again in a moment, or call us."),
    ),
}

FAULTS: dict[int, Words] = {
    400: Words(400, lazy("We did not understand that."), lazy("Please go back and try again.")),
    403: Words(403, lazy("That is not open to you.")),
    404: WORDS["not_found"],
    405: Words(
        405, lazy("That can't be done here."), lazy("Please go back and use the buttons on the page.")
    ),
    401: Words(401, lazy("You are signed out."), lazy("Please sign in again.")),
    423: Words(423, lazy("This screen is locked."), lazy("Please open it with your PIN.")),
    413: Words(413, lazy("That is too long for us to take."), lazy("Please write less, or call us.")),
    415: Words(415, lazy("We can't read that format.")),
    422: Words(422, lazy("Something in it doesn't fit."), lazy("Please go back and look at what you typed.")),
    429: WORDS["too_many_requests"],
    500: Words(
        500,
        lazy("Something went wrong on our side."),
        lazy("We have been told. Please try again, or call us."),
    ),
    503: WORDS["busy"],
}

# Where staff read something else than patients do: nobody can call themselves.
_NOT_JUST_NOW = Words(
    503, lazy("We can't answer just now."), lazy("Nothing is lost. Please try again in a moment.")
)
FOR_STAFF: dict[str | int, Words] = {
    "refused": Words(
        409, lazy("That can't be done."), lazy("Please look at how it stands now, and try again.")
    ),
    "not_found": Words(
        404,
        WORDS["not_found"].title,
        lazy("The address may be incomplete, or what it showed is gone, or it is somebody else's to open."),
    ),
    "not_offered": Words(
        409,
        lazy("This visit can't be booked like that."),
        lazy("Please choose another visit, time or person."),
    ),
    "too_soon": Words(409, lazy("That time is too soon."), lazy("Please choose a later time.")),
    "beyond_horizon": Words(
        409, lazy("That day is too far ahead to book yet."), lazy("Please choose an earlier day.")
    ),
    "plan_rules_broken": Words(
        422, WORDS["plan_rules_broken"].title, lazy("Please choose one of the proposals, or other times.")
    ),
    "needs_prescription": Words(
        403, WORDS["needs_prescription"].title, lazy("Please name the practitioner who prescribes it.")
    ),
    "plan_running": Words(
        409, WORDS["plan_running"].title, lazy("You find it on the patient's page, under plans.")
    ),
    "beyond_coverage": Words(
        409, WORDS["beyond_coverage"].title, lazy("Please look at the patient's coverage first.")
    ),
    "too_many_visits": Words(
        409, WORDS["too_many_visits"].title, lazy("Please look at the patient's page first.")
    ),
    "limit_reached": Words(
        409,
        lazy("The patient has as many visits that day or week as planned."),
        lazy("Please choose another day."),
    ),
    "too_many_holds": Words(429, WORDS["too_many_holds"].title, lazy("Please try again in a few minutes.")),
    "too_late_to_change": Words(
        409, WORDS["too_late_to_change"].title, lazy("Please look at how it stands now.")
    ),
    "not_changeable": Words(
        409, WORDS["not_changeable"].title, lazy("If something is wrong, correct it on the visit's page.")
    ),
    "busy": _NOT_JUST_NOW,
    "contention": _NOT_JUST_NOW,
    413: Words(413, FAULTS[413].title, lazy("Please write less.")),
    500: Words(
        500,
        lazy("Something went wrong on our side."),
        lazy("It is written down. Before you try again, please look whether it was kept."),
    ),
    503: _NOT_JUST_NOW,
}
FOR_STAFF[404] = FOR_STAFF["not_found"]


def _both_states(shown: dict[str, str], now: dict[str, str], clinic: Clinic) -> str:
    """What the page showed, and how it stands now."""

    def said(state: dict[str, str]) -> str:
        if state["status"] == Status.CANCELLED or "starts_at" not in state:
            return _("cancelled")
        return clinic.times.moment(datetime.fromisoformat(state["starts_at"]))

    return _(
        "You saw: %(shown)s. Now it is: %(now)s. Please look, and choose again.",
        shown=said(shown),
        now=said(now),
    )


def words_for(refusal: Refusal) -> Words:
    return WORDS[refusal.code]


def staff_words_for(refusal: Refusal) -> Words:
    return FOR_STAFF.get(refusal.code) or words_for(refusal)


def staff_advice_for(refusal: Refusal, clinic: Clinic) -> str:
    """As `advice_for`, in words for staff."""
    if refusal.code == "too_many_requests" and refusal.facts["retry_after"] > 90:
        minutes = -(-int(refusal.facts["retry_after"]) // 60)
        return _("Please try again in %(minutes)d minutes.", minutes=minutes)
    if refusal.code in FOR_STAFF:
        return str(FOR_STAFF[refusal.code].advice)
    return advice_for(refusal, clinic)


def advice_for(refusal: Refusal, clinic: Clinic) -> str:
    """What to do next, with the facts that help."""
    facts = refusal.facts
    if refusal.code == "too_late_to_change":
        return _("Please call us at %(phone)s.", phone=phone(facts["phone"]))
    if refusal.code == "beyond_coverage":
        return _("Please call us at %(phone)s; we ask, and book them with you.", phone=phone(facts["phone"]))
    if refusal.code == "too_many_visits":
        return _("To book more, please call us at %(phone)s.", phone=phone(facts["phone"]))
    if refusal.code == "too_many_requests" and facts["retry_after"] > 90:
        minutes = -(-int(facts["retry_after"]) // 60)
        return _("Please try again in %(minutes)d minutes, or call us.", minutes=minutes)
    if refusal.code == "wrong_pin":
        return ngettext(
            "One more try before we ask for your password.",
            "%(num)d more tries before we ask for your password.",
            facts["left"],
        )
    if refusal.code == "password_too_weak":
        return {
            "short": _(
                "Please choose 15 letters or more: a few words do. With codes from an authenticator, 8 are enough."
            ),
            "long": _("Please choose a shorter one: 1,000 letters at the most."),
            "name": _("Please choose one without your name, your address or the clinic's name."),
        }.get(
            facts["why"], _("It is one of those that are tried first. Please choose another: a few words do.")
        )
    if refusal.code == "limit_reached":
        return _("Please choose another day, or call us at %(phone)s.", phone=phone(facts["phone"]))
    if refusal.code == "stale_edit" and facts.get("shown"):
        return _both_states(facts["shown"], facts["now"], clinic)
    if refusal.code == "nothing_to_send":
        return {
            "untrue": _("The visit was changed since, so what it says isn't so any more."),
            "late": _("It is too late for it to be of use. Please call the patient instead."),
            "contact": _("There is no such address or number for this visit."),
            "stop": _("This number has said STOP. Please call or write a mail instead."),
            "consent": _("Nobody has agreed to texts at this number. Please call or write a mail instead."),
            "waits": _("The same message is on its way already."),
        }[facts["because"]]
    return str(words_for(refusal).advice)
