"""Refusals: the expected ways in which a use case says no.

A refusal carries a code and facts, never prose: `booking.web.words` has the words and the HTTP status. Facts are
plain values that JSON can carry, since a refusal's first answer is kept and given again. Trouble that isn't expected
(a bug, a dead database) is no refusal.
"""

from typing import Any, ClassVar


class Refusal(Exception):
    """A use case declined. Nothing that it began was kept."""

    code: ClassVar[str] = "refused"
    _by_code: ClassVar[dict[str, type["Refusal"]]] = {}

    def __init__(self, **facts: Any) -> None:
        super().__init__(self.code)
        self.facts = facts

    def __init_subclass__(cls) -> None:
        if cls.code in Refusal._by_code:
            raise TypeError(f"Two refusals share the code {cls.code!r}; give {cls.__name__} its own.")
        Refusal._by_code[cls.code] = cls

    @staticmethod
    def again(code: str, facts: dict[str, Any]) -> "Refusal":
        """The refusal that was kept under this code, to be raised once more."""
        return Refusal._by_code[code](**facts)

    @staticmethod
    def kinds() -> tuple[type["Refusal"], ...]:
        """Every kind of refusal, so that a test can ask for its words."""
        return tuple(Refusal._by_code.values())


class NotFound(Refusal):
    """It isn't there, or it isn't yours: the same answer for both."""

    code = "not_found"


class SlotTaken(Refusal):
    """The time can't be offered any more. Facts: `alternatives`, the nearest free times, nearest first."""

    code = "slot_taken"


class NotOffered(Refusal):
    """This practitioner doesn't offer this visit type, or patients may not choose it themselves. Facts, where the desk changes a
    visit and it is known: `because`, "person", "device" or "length".
    """

    code = "not_offered"


class TooSoon(Refusal):
    """The start lies inside the clinic's notice. Facts: `earliest` (ISO, UTC)."""

    code = "too_soon"


class BeyondHorizon(Refusal):
    """The start lies after the last day that may be booked. Facts: `last_day` (ISO date)."""

    code = "beyond_horizon"


class TooManyVisits(Refusal):
    """This contact has as many upcoming visits as patients may book without staff. Facts: `limit`, `phone`."""

    code = "too_many_visits"


class LimitReached(Refusal):
    """The patient has as many visits that day or week as the clinic wants. Facts: `phone`."""

    code = "limit_reached"


class TooManyHolds(Refusal):
    """This network address holds as many times as it may. Facts: `retry_after` in seconds."""

    code = "too_many_holds"


class TooManyRequests(Refusal):
    """A rate limit was reached. Facts: `retry_after` in seconds."""

    code = "too_many_requests"


class VisitsTaken(Refusal):
    """Some visits of a plan can't be had any more. Facts: `lost`, a list of {"visit_type", "starts_at", "practitioner",
    "replacements": [{"starts_at", "practitioner"}, …]}, the nearest times that keep the plan's rules first; of visits that are
    booked and were to be moved their "reference" as well.
    """

    code = "visits_taken"


class PlanRulesBroken(Refusal):
    """These visits don't keep what the plan prescribes. Facts: `faults`, a list of {"rule", "week" (from 1), "care"}, rules
    as in `booking.scheduling.plans.keeping.Rule`.
    """

    code = "plan_rules_broken"


class NeedsPrescription(Refusal):
    """A plan of this kind is begun by a practitioner, or with the link that they gave. Facts: `phone`."""

    code = "needs_prescription"


class PlanRunning(Refusal):
    """This contact has begun a plan by themselves already. Facts: `phone`."""

    code = "plan_running"


class BeyondCoverage(Refusal):
    """The patient's coverage leaves too little for these visits, and staff are to be asked first. Facts: `phone`."""

    code = "beyond_coverage"


class TooLateToChange(Refusal):
    """The visit type's cut-off has passed. Facts: `until` (ISO, UTC), `phone`."""

    code = "too_late_to_change"


class NotChangeable(Refusal):
    """The visit has a status in which this can't be done any more. Facts: `visit_status`."""

    code = "not_changeable"


class OnlyPenciledIn(Refusal):
    """The visit holds its time until a practitioner has decided, so nobody says yet that they come."""

    code = "only_penciled_in"


class StaleEdit(Refusal):
    """Somebody changed the visit since it was shown. Facts: `shown` (None if that never was) and `now`, both states as
    {"starts_at", "practitioner", "status"}. To staff also who did it: `by` (a name; "" for the patient and for us),
    `by_actor` ("patient", "staff" or "system"), `what` (the verb of the history) and `at` (ISO, UTC).
    """

    code = "stale_edit"


class NeedsReason(Refusal):
    """The place breaks rules that staff may pass with a reason, and none was given. Facts: `breaches`, codes of
    `booking.scheduling.latitude.Breach`, and `facts`, {code: {...}}.
    """

    code = "needs_reason"


class Clash(Refusal):
    """Something that the visit needs is taken, which nobody can pass. Facts: `with_`, a list of what is in the way, each
    {"what": "practitioner" | "room" | "device", "name": of that, "by": "visit" | "hold" | "away" | "closed" |
    "out_of_use", "whose": the patient's name or "", "from", "to" (ISO, UTC), "reference": of the visit, or None}.
    """

    code = "clash"


class PatientElsewhere(Refusal):
    """The patient has another visit at that time. Facts: its `reference`, `starts_at` and `ends_at` (ISO, UTC),
    `practitioner` (slug) and `practitioner_name`.
    """

    code = "patient_elsewhere"


class IllegalStatus(Refusal):
    """This doesn't follow on how the visit stands. Facts: `visit_status`, `to`, and `because`: "" , "needles" (they are
    still in), "no_needles" (there are none), "too_early" (with `not_before`, ISO, UTC), "another_day" (with `starts_at`, likewise).
    """

    code = "illegal_status"


class OldPlaceTaken(Refusal):
    """It can't be undone: the old place is taken meanwhile. Facts: `by`, as `with_` of a Clash."""

    code = "old_place_taken"


class PlanWentOn(Refusal):
    """It can't be undone: the visit's plan was changed since, as one without that visit."""

    code = "plan_went_on"


class TooLateToUndo(Refusal):
    """What was done is too long ago to be undone by one key. Facts: `until` (ISO, UTC)."""

    code = "too_late_to_undo"


class TooMuchForAFile(Refusal):
    """An export would be longer than a file of ours, and a part of it would pass for the whole. Facts: `limit`."""

    code = "too_much_for_a_file"


class NothingToSend(Refusal):
    """This message can't go again. Facts: `because`: "untrue" (the visit was changed since), "late" (it is of no use
    any more), "contact" (there is no address or number for it), "stop" (the number wants no texts), "consent" (nobody
    agreed to texts at it) or "waits" (the same goes already).
    """

    code = "nothing_to_send"


class AlreadyGone(Refusal):
    """The message doesn't wait any more, so it can't be taken back. Facts: `state`."""

    code = "already_gone"


class StaleRecord(Refusal):
    """Somebody changed the patient's record since it was shown. Facts: `by` (a name), `at` (ISO, UTC), and `changes`,
    {field: [before, now]} of what was changed since.
    """

    code = "stale_record"


class LikelyKnown(Refusal):
    """There are records that may be of the same person. Facts: `patients`, their references."""

    code = "likely_known"


class VisitsOverlap(Refusal):
    """Two records can't become one while visits of theirs overlap. Facts: `pairs`, [[reference, reference], …]."""

    code = "visits_overlap"


class RecordMerged(Refusal):
    """The record was merged into another. Facts: `into`, the reference of that one."""

    code = "record_merged"


class NotMergeable(Refusal):
    """These two can't be merged, or not be taken apart again. Facts: `because`: "same", "undone"."""

    code = "not_mergeable"


class KeyReused(Refusal):
    """The idempotency key came before with other content."""

    code = "key_reused"


class ContactCannotBeReached(Refusal):
    """The reminders that were asked for don't fit the contacts given. Facts: `field`."""

    code = "contact_cannot_be_reached"


class ClinicNotReady(Refusal):
    """No clinic has been set up in this database yet."""

    code = "clinic_not_ready"


class Busy(Refusal):
    """The database is down, locked or overloaded; the same request may succeed soon. Facts: `retry_after`."""

    code = "busy"


class WrongSignIn(Refusal):
    """No such address, or not its password: nobody learns which."""

    code = "wrong_sign_in"


class WrongCode(Refusal):
    """Neither the one-time code of this moment nor an unused recovery code."""

    code = "wrong_code"


class WrongPin(Refusal):
    """Not the PIN. Facts: `left`, how many tries there are before the password is asked for."""

    code = "wrong_pin"


class PasswordTooWeak(Refusal):
    """Facts: `why`: "short", "long", "common", "known" (the demo's) or "name"."""

    code = "password_too_weak"


class PinTooWeak(Refusal):
    """Not six digits, or six that everybody tries first."""

    code = "pin_too_weak"


class SecondFactorNeeded(Refusal):
    """The password is too short to be enough by itself, so the one-time codes stay on."""

    code = "second_factor_needed"


class LinkEnded(Refusal):
    """An invitation or a reset that was used, withdrawn, replaced, or came too late."""

    code = "link_ended"


class AddressTaken(Refusal):
    """There is an account with this address already."""

    code = "address_taken"


class LastOwner(Refusal):
    """Nobody would be left who may do everything."""

    code = "last_owner"


# No answer to what was asked; the same request may be answered later. Pages let these pass, to be said by a page of their own.
UNANSWERED = (Busy, ClinicNotReady)
