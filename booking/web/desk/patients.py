"""Patients at the desk: found, seen, edited, merged with another record and taken apart again."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _, ngettext

from booking.errors import (
    ContactCannotBeReached,
    NotMergeable,
    RecordMerged,
    Refusal,
    StaleRecord,
    VisitsOverlap,
)
from booking.models import FLAGS
from booking.services.desk import board, coverage, merging, people, record_page, records
from booking.services.desk.board import NextVisit
from booking.services.desk.people import Found, Search
from booking.services.desk.records import FIELDS, Edited, Values
from booking.services.plans import prescribing
from booking.services.reminded import Wished
from booking.web import access, allowance_words, asked, staff_plans
from booking.web.desk import answers, blueprint, refusing, reminding, saying, telling
from booking.web.desk.patient_forms import (
    CHANGE_WORDS,
    FIELD_WORDS,
    FLAG_WORDS,
    LONGEST_QUESTION,
    Typed,
    as_typed,
    in_words,
    typed,
    values_typed,
)
from booking.web.pages import the_clinic_of_this_request
from booking.web.staff import staff_page

PATH = "/patients/<reference>"
# What the form of a record asks beside it.
_REMINDERS = ("reminders", "reminded_of", "text_consent")


@blueprint.get("/patients")
def patients() -> ResponseReturnValue:
    """Whom these words mean: as a page, or as JSON for forms that search while somebody types."""
    who, words = access.who(), request.args.get("q", "")
    too_long = len(words) > LONGEST_QUESTION
    # The board's own search: whom it shows comes first.
    day = asked.day_or_none(request.args.get("day", "")) if who.sees_everybody else None
    found = Search(words, (), False) if too_long else people.search(who, words, day=day)
    status = 422 if too_long else 200
    if answers.wants_json():
        return {"patients": [_as_json(one) for one in found.found], "more": found.more}, status
    return staff_page(
        "desk/patients.html",
        status,
        search=found,
        too_long=too_long,
        next_visits=_next_visits(found.found),
        **_words(),
    )


@blueprint.get(PATH)
def patient(reference: str) -> ResponseReturnValue:
    """A patient's page; `?past=` and `?changes=` lead to older visits and changes."""
    try:
        found = record_page.record(
            access.who(),
            reference,
            past_before=asked.number(request.args.get("past")),
            changes_before=asked.number(request.args.get("changes")),
        )
    except RecordMerged as refusal:
        return redirect(url_for("desk.patient", reference=refusal.facts["into"]), 303)
    return staff_page(
        "desk/patient.html",
        record=found,
        coverage=coverage.recorded(access.who(), reference, opened=False),
        allowing=allowance_words,
        desk=access.who().sees_everybody,
        done=answers.what_was_done(),
        standings=saying.STANDINGS,
        telling=telling,
        key=asked.fresh_key(),
        plans=prescribing.plans_of(access.who(), reference),
        plan_statuses=staff_plans.STATUSES,
        **_words(),
    )


@blueprint.get(f"{PATH}/edit")
def edit_patient(reference: str) -> ResponseReturnValue:
    """The record as a form."""
    try:
        values, version, ahead = records.to_edit(access.who(), reference)
    except RecordMerged as refusal:
        return redirect(url_for("desk.edit_patient", reference=refusal.facts["into"]), 303)
    return _edit_page(reference, Typed(as_typed(values)), version, ahead)


@blueprint.post(f"{PATH}/edit")
def save_patient(reference: str) -> ResponseReturnValue:
    """Keeps what was typed, or shows it again with what is in the way."""
    form = typed(*FIELDS, *_REMINDERS)
    values = values_typed(form, reachable=not _never_had_a_contact(reference, form))
    try:
        return _saved(reference, form, values)
    except RecordMerged as refusal:
        return _merged_meanwhile(form, values, refusal)


def _never_had_a_contact(reference: str, form: Typed) -> bool:
    """Whether none was typed, and the record has none: of whom walked in without, the rest can be kept all the same."""
    if form.values["phone"].strip() or form.values["email"].strip():
        return False
    try:
        known, _version, _ahead = records.to_edit(access.who(), reference)
    except RecordMerged:
        return False
    return not known.phone and not known.email


def _saved(reference: str, form: Typed, values: Values | None) -> ResponseReturnValue:
    """What saving it leads to. Raises RecordMerged."""
    key, version = asked.key(), asked.number(request.form.get("version")) or 0
    visits_too = "visits_too" in request.form
    wished = _wished(form)
    if values is None or form.errors:
        return _again(reference, form, version, 422)
    who = access.who()
    try:
        edited = records.edit(
            who, reference, values, version=version, visits_too=visits_too, key=key, wished=wished
        )
    except StaleRecord as refusal:
        return _both(reference, form, values, version, refusal)
    except ContactCannotBeReached as refusal:
        _refuse_unreachable(form, refusal, wished)
        return _again(reference, form, version, 422)
    return answers.done(_what_was_saved(edited), url_for("desk.patient", reference=reference))


def _wished(form: Typed) -> Wished:
    """How they want to be reminded from now on; what isn't understood is refused at its field."""
    by, of = reminding.read(form.values["reminders"], form.values["reminded_of"])
    for name, found in (("reminders", by), ("reminded_of", of)):
        if form.values[name] and found is None:
            form.refuse(name, _("Please choose from the list."))
    if by is not None and by not in reminding.reminders_offered():
        form.refuse("reminders", _("Please choose from the list."))
    return Wished(by, of, text_consent=bool(form.values["text_consent"]))


def _what_was_saved(edited: Edited) -> str:
    """What has the new name or contact, or is reminded of otherwise, and what was left out, so that the desk can ask."""
    says, times = [_("Saved.")], the_clinic_of_this_request().times
    if edited.reminded:
        says.append(_("They are reminded in the new way."))
    if edited.visits:
        says.append(
            ngettext(
                "An upcoming visit has it too.", "%(num)d upcoming visits have it too.", len(edited.visits)
            )
        )
    if edited.written:
        says.append(_("The patient is sent a new link now; those from before open nothing any more."))
    elif edited.ended:
        says.append(_("Links that the patient had open nothing any more."))
    if edited.kept:
        when = "; ".join(times.short_moment(datetime.fromisoformat(start)) for start in edited.kept)
        says.append(
            ngettext(
                "A visit has another contact and stays as it is: %(when)s.",
                "%(num)d visits have another contact and stay as they are: %(when)s.",
                len(edited.kept),
                when=when,
            )
        )
    if edited.kept_plans:
        says.append(
            ngettext(
                "A plan has another contact and stays as it is, with its visits.",
                "%(num)d plans have another contact and stay as they are, with their visits.",
                edited.kept_plans,
            )
        )
    return " ".join(says)


@blueprint.get(f"{PATH}/merge")
def choose_to_merge(reference: str) -> ResponseReturnValue:
    """Which record is of the same person: likely ones first, others by a search; then what a merge would do."""
    goes = request.args.get("with", "")
    try:
        if goes:
            return _merge_page(reference, goes)
        return _choose_page(reference)
    except RecordMerged as refusal:
        return redirect(url_for("desk.patient", reference=refusal.facts["into"]), 303)
    except NotMergeable as refusal:
        return _choose_page(reference, refusal)


@blueprint.post(f"{PATH}/merge")
def merge(reference: str) -> ResponseReturnValue:
    """Merges the other record into this one."""
    goes = request.form.get("with", "")
    numbers = [asked.number(request.form.get(name)) or 0 for name in ("version", "other_version")]
    try:
        merging.merge(
            access.who(),
            reference,
            goes,
            stays_version=numbers[0],
            goes_version=numbers[1],
            key=asked.key(),
        )
    except (VisitsOverlap, StaleRecord) as refusal:
        return _merge_page(reference, goes, refusal)
    except NotMergeable as refusal:
        return _choose_page(reference, refusal)
    except RecordMerged as refusal:
        return redirect(url_for("desk.patient", reference=refusal.facts["into"]), 303)
    return answers.done(
        _("The two records are one now. You can take that back below."),
        url_for("desk.patient", reference=reference),
    )


@blueprint.post(f"{PATH}/merge/<int:merge>/take-back")
def take_merge_back(reference: str, merge: int) -> ResponseReturnValue:
    """Two records again, as they were."""
    there = url_for("desk.patient", reference=reference)

    def action() -> ResponseReturnValue:
        back = merging.take_back(access.who(), reference, merge, key=asked.key())
        says = _("Taken back. The other record is %(reference)s again.", reference=back)
        return answers.done(says, there)

    return answers.attempt(action, answers.no_page)


@dataclass(frozen=True)
class Difference:
    """A field that says something else than a form: what it said when the form was shown, what it says, what was typed."""

    name: str
    words: str
    before: str
    now: str
    typed: str

    @property
    def clashes(self) -> bool:
        return self.typed not in (self.before, self.now)


def _both(
    reference: str, form: Typed, values: Values, version: int, refusal: StaleRecord
) -> ResponseReturnValue:
    """Offers both: what only the colleague changed is taken over, what both changed stands as typed, with theirs beside."""
    who = access.who()
    now, latest, ahead = records.to_edit(who, reference)
    mine, shown = values.plain(), as_typed(now)
    differences = []
    for name, (before, after) in refusal.facts["changes"].items():
        if mine[name] == before:
            form.values[name] = shown[name]
        words = [in_words(name, value) for value in (before, after, mine[name])]
        differences.append(Difference(name, str(FIELD_WORDS[name]), *words))
    return _edit_page(reference, form, latest, ahead, 409, refused=refusal, differences=tuple(differences))


def _merged_meanwhile(form: Typed, values: Values | None, refusal: RecordMerged) -> ResponseReturnValue:
    """Leads to the record that stayed. What was typed was meant for the other one, so it stands beside, to choose from."""
    into = refusal.facts["into"]
    stays, version, ahead = records.to_edit(access.who(), into)
    differences = []
    if chosen := reminding.in_words(
        Wished(*reminding.read(form.values["reminders"], form.values["reminded_of"]))
    ):
        as_they_are = _("as they are")
        differences.append(
            Difference("reminders", str(FIELD_WORDS["reminders"]), as_they_are, as_they_are, chosen)
        )
    for name, value in stays.plain().items():
        now, mine = in_words(name, value), _as_sent(name, form, values)
        if form.values[name] and mine != now:
            differences.append(Difference(name, str(FIELD_WORDS[name]), now, now, mine))
    shown = Typed(as_typed(stays))
    return _edit_page(into, shown, version, ahead, 409, refused=refusal, differences=tuple(differences))


def _as_sent(name: str, form: Typed, values: Values | None) -> str:
    """A field of the form in words: letter by letter, where the form isn't understood."""
    if values is None and name != "flags":
        return str(form.values[name])
    return in_words(name, values.plain()[name] if values else form.values[name])


def _again(reference: str, form: Typed, version: int, status: int) -> ResponseReturnValue:
    """The form once more, with what was typed."""
    _values, latest, ahead = records.to_edit(access.who(), reference)
    return _edit_page(reference, form, version or latest, ahead, status)


def _edit_page(
    reference: str,
    form: Typed,
    version: int,
    ahead: int,
    status: int = 200,
    *,
    refused: Refusal | None = None,
    differences: tuple[Difference, ...] = (),
) -> ResponseReturnValue:
    ways = records.reminded_now(access.who(), reference)
    return staff_page(
        "desk/patient_edit.html",
        status,
        reference=reference,
        form=form,
        version=version,
        ahead=ahead,
        visits_too="visits_too" in request.form or request.method == "GET",
        key=asked.fresh_key(),
        no=refusing.no(refused, the_clinic_of_this_request()) if refused else None,
        refused=refused,
        changed_at=_changed_at(refused),
        differences=differences,
        flags=FLAGS,
        ways=ways,
        of_plans=any(one.of for one in ways),
        reminders=reminding.reminders_offered(),
        reminded_of=reminding.REMINDED_OF,
        **_words(),
    )


def _choose_page(reference: str, refused: Refusal | None = None) -> ResponseReturnValue:
    who = access.who()
    words = request.args.get("q", "")[:LONGEST_QUESTION]
    candidates = merging.candidates(who, reference)
    found = people.search(who, words) if words.strip() else Search(words, (), False)
    no = refusing.no(refused, the_clinic_of_this_request()) if refused else None
    return staff_page(
        "desk/patient_merge_choose.html",
        no.status if no else 200,
        reference=reference,
        likely=[one for one in candidates if one.likely],
        others=[one for one in candidates if not one.likely],
        in_a_row=_in_a_row,
        search=Search(words, tuple(one for one in found.found if one.reference != reference), found.more),
        next_visits=_next_visits((*(one.found for one in candidates), *found.found)),
        no=no,
        **_words(),
    )


def _merge_page(reference: str, goes: str, refused: Refusal | None = None) -> ResponseReturnValue:
    no = refusing.no(refused, the_clinic_of_this_request()) if refused else None
    found = merging.preview(access.who(), reference, goes)
    return staff_page(
        "desk/patient_merge.html",
        no.status if no else 200,
        preview=found,
        fields=FIELDS,
        different=_in_a_row(found.differing),
        same=_in_a_row(found.alike),
        no=no,
        key=asked.fresh_key(),
        **_words(),
    )


def _in_a_row(names: Iterable[str]) -> str:
    """Fields by their words, as in "First name, Phone"."""
    return ", ".join(str(FIELD_WORDS[name]) for name in names)


def _next_visits(found: Iterable[Found]) -> dict[int, NextVisit]:
    """Where the desk finds them on its board."""
    who = access.who()
    return board.next_visits(who, (one.id for one in found)) if who.sees_everybody else {}


def _words() -> dict[str, Any]:
    return {
        "field_words": FIELD_WORDS,
        "flag_words": FLAG_WORDS,
        "change_words": CHANGE_WORDS,
        "in_words": in_words,
        "reminding": reminding,
    }


def _changed_at(refused: Refusal | None) -> str:
    """When a colleague changed the record, if that is what was refused."""
    at = refused.facts.get("at") if isinstance(refused, StaleRecord) else ""
    return the_clinic_of_this_request().times.time(datetime.fromisoformat(at)) if at else ""


def _refuse_unreachable(form: Typed, refusal: ContactCannotBeReached, wished: Wished) -> None:
    """Says at its field what is lacking; where nothing was chosen, that other reminders can be."""
    lacks = refusal.facts["field"]
    if lacks == "text_consent" and wished.text_consent:
        form.refuse(
            "visits_too",
            _("An upcoming visit has another number. For texts to the new one, please tick this too."),
        )
        return
    if wished.by is not None:
        at = lacks if lacks in ("email", "phone", "text_consent") else "reminders"
        form.refuse(at, reminding.unreachable(lacks))
        return
    form.refuse(
        lacks,
        _("An upcoming visit is reminded by e-mail. Please keep an address, or choose other reminders below.")
        if lacks == "email"
        else _(
            "An upcoming visit is reminded by phone. Please keep a number, or choose other reminders below."
        ),
    )
    form.refuse("reminders", _("Choose how they are reminded from now on."))


def _as_json(one: Found) -> dict[str, Any]:
    return {
        "reference": one.reference,
        "name": one.name,
        "phone": one.phone,
        "email": one.email,
        "born_on": one.born_on.isoformat() if one.born_on else None,
        "flags": list(one.flags),
    }
