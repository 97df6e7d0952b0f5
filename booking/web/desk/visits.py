"""A visit in full, and giving it another place: the panel, the form, what is possible, and when it could be instead."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from flask import abort, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from booking import clock
from booking.errors import Refusal, StaleEdit
from booking.models import Actor, BookableBy
from booking.scheduling.hours import week_start
from booking.scheduling.status import Status, cancelled_late
from booking.scheduling.timeline import cell_at, cell_in, instant_of
from booking.services.clinic import Clinic, VisitType
from booking.services.desk import moving, panel, places, statuses
from booking.services.desk.moving import Place, Preview
from booking.services.desk.panel import Head, Panel
from booking.services.desk.places import FreeTime
from booking.services.staff import audit
from booking.services.staff.who import Who
from booking.web import access, allowance_words, asked, change_words
from booking.web.desk import answers, blueprint, refusing, saying, telling
from booking.web.desk.change_form import Fields, Wish, minutes_wished, type_wished, wish_of
from booking.web.desk.refusing import No
from booking.web.pages import the_clinic_of_this_request
from booking.web.staff import staff_page

PATH = "/visits/<reference>"
_SHOWN_TIMES = 12
_A_MONDAY = date(2026, 9, 14)


@blueprint.get(PATH)
def visit(reference: str) -> ResponseReturnValue:
    """The visit as a page; with `?panel=1` what the board shows beside it."""
    return visit_page(panel.panel(access.who(), reference))


def visit_page(
    found: Panel,
    no: No | None = None,
    *,
    typed_note: str | None = None,
    typed_correction: str = "",
    typed_reason: str = "",
    typed_untold: bool = False,
) -> ResponseReturnValue:
    """`no`: what was refused just now; with what was typed into that form, which isn't to be lost."""
    status = no.status if no else 200
    values = _values(found) | {
        "no": no,
        "typed_note": typed_note,
        "typed_correction": typed_correction,
        "typed_reason": typed_reason,
        "typed_untold": typed_untold,
    }
    if request.args.get("panel") == "1":
        return render_template("desk/visit_panel.html", times=found.clinic.times, **values, level=2), status
    return staff_page("desk/visit.html", status, **values, level=1, done=answers.what_was_done())


def _values(found: Head) -> dict[str, Any]:
    clinic = found.clinic
    return {
        "clinic": clinic,
        "visit": found,
        "now": clock.now(),
        "today": clinic.times.local_date(clock.now()),
        "saying": saying,
        "refusing": refusing,
        "telling": telling,
        "change_words": change_words,
        "allowing": allowance_words,
        "key": asked.fresh_key(),
        "here": url_for("desk.visit", reference=found.reference),
    }


@blueprint.get(f"{PATH}/places", endpoint="places")
def places_of(reference: str) -> ResponseReturnValue:
    """Where the visit can begin that day, as stretches of cells for each practitioner; with `room` and `length` in that
    room, or as long.
    """
    who, on = access.who(), asked.day(request.args.get("day", ""))
    try:
        found = places.places(who, reference, on, place=_room_and_length(who, reference))
    except Refusal as refusal:
        return _no(refusal)
    return {
        # The cell that runs just now isn't past.
        "now": cell_in(clock.now()),
        "cell0": found.from_cell,
        "practitioners": {
            slug: {
                "free": starts.free,
                "reason": starts.with_reason,
                "soon": starts.soon,
                "cells": found.cells[slug],
            }
            for slug, starts in found.practitioners.items()
        },
    }


@blueprint.get(f"{PATH}/why")
def why(reference: str) -> ResponseReturnValue:
    """What keeps a place, in words; nothing where all rules are kept. `room` and `length` as for the places."""
    who = access.who()
    cell = asked.cell(request.args.get("cell")) or abort(422)
    clinic = the_clinic_of_this_request()
    on = clinic.times.local_date(instant_of(cell))
    try:
        place = _room_and_length(who, reference)
        found = places.places(who, reference, asked.day(on.isoformat()), place=place)
        kept = found.why(request.args.get("practitioner", ""), cell)
    except Refusal as refusal:
        return _no(refusal)
    return {
        "words": [words for one in kept for words in change_words.hindrance(clinic, one.code, one.facts)],
        # The patient's other visit, to be moved instead.
        "other": next((one.facts["reference"] for one in kept if "reference" in one.facts), None),
    }


def _room_and_length(who: Who, reference: str) -> Place | None:
    """What the board's questions change besides time and person, or None. A room that is named is asked about also where
    the visit has it already: elsewhere in time it may be taken. Raises NotFound.
    """
    given, minutes = request.args, None
    if given.get("length"):
        unclear: list[str] = []
        minutes = minutes_wished(panel.head(who, reference), given, unclear)
        if unclear:
            abort(422)
    place = Place(room=given.get("room") or None, phase_minutes=minutes)
    return place if place != Place() else None


@blueprint.get(f"{PATH}/times")
def times(reference: str) -> ResponseReturnValue:
    """When the visit could be instead: the next times that keep all rules. The fields of a change that it gets besides its
    own are a wish as well, and go along.
    """
    who = access.who()
    weekdays = tuple(sorted({int(day) for day in request.args.getlist("weekday") if day in list("0123456")}))
    part = request.args.get("part", "")
    part = part if part in ("morning", "afternoon") else ""
    found = panel.head(who, reference)
    practitioner = request.args.get("practitioner", "")
    practitioner = practitioner if practitioner in found.clinic.practitioners else ""
    wish = wish_of(found, request.args)
    unclear = [what for what in wish.unclear if what not in ("time", "far")]
    today = found.clinic.times.local_date(clock.now())
    first, last, free = _first_day(found, wish), _last_day(), list[FreeTime]()
    begins = max(first or today, today)
    if (request.args.get("from") and not first) or (
        request.args.get("until") and (not last or last < begins)
    ):
        unclear.append("day")
    if not unclear:
        free = places.find_times(
            found,
            first=first,
            days=(last - begins).days + 1 if last else places.DAYS_SEARCHED,
            weekdays=weekdays or None,
            part=part,
            place=replace(wish.place, starts_at=None, practitioner=practitioner or None),
            limit=_SHOWN_TIMES,
        )
    audit.saw_this_hour(who, "looked for times", f"appointment/{reference}", found.patient_id)
    return staff_page(
        "desk/times.html",
        422 if unclear else 200,
        **_values(found),
        fields=Fields.of_the_wish(found, wish),
        unclear=unclear,
        first=first,
        last=last,
        quick=_quick(reference, today, wish),
        free=free,
        wished=wish.fields,
        cell_at=cell_at,
        people=found.clinic.who_offers(type_wished(found, wish), BookableBy.STAFF),
        visit_types=_visit_types(found),
        weekdays=weekdays,
        part=part,
        practitioner=practitioner,
        week=[(n, found.clinic.times.short_weekday(_A_MONDAY + timedelta(days=n))) for n in range(7)],
        later=_later(reference, found.clinic, free, wish, last),
        next=asked.onward(""),
    )


def _visit_types(found: Head) -> list[VisitType]:
    """What it can be: what the clinic gives, and what it is."""
    given = found.clinic.visit_types
    return [*given.values(), *([] if found.visit_type.slug in given else [found.visit_type])]


def _first_day(found: Head, wish: Wish) -> date | None:
    """From which day on: as the page says it, or the day of a change that was begun; None where that isn't clear."""
    if request.args.get("from"):
        return asked.day_or_none(request.args["from"])
    own = found.clinic.times.local_date(found.starts_at)
    typed = asked.day_or_none(wish.typed["day"])
    return typed if typed != own else None


def _last_day() -> date | None:
    """Until which day, as the page says it; None where it doesn't, or that isn't clear."""
    return asked.day_or_none(request.args.get("until", ""))


def _quick(reference: str, today: date, wish: Wish) -> list[tuple[str, str, bool]]:
    """The days that are asked for most: words, address, and whether they are shown. Other filters stay, but weekdays."""
    tomorrow, sunday = today + timedelta(days=1), week_start(today)
    spans = (
        (_("Today"), today, today),
        (_("Tomorrow"), tomorrow, tomorrow),
        (_("This week"), today, sunday + timedelta(days=6)),
        (_("Next week"), sunday + timedelta(days=7), sunday + timedelta(days=13)),
    )
    kept = _kept(wish, "part", "practitioner", "next")
    shown = (request.args.get("from"), request.args.get("until"))
    # Put together once a page, not once a span.
    address = url_for("desk.times", reference=reference, **kept)
    address += "&" if "?" in address else "?"
    found = []
    for words, *days in spans:
        first, last = (day.isoformat() for day in days)
        found.append((words, f"{address}from={first}&until={last}", (first, last) == shown))
    return found


def _later(reference: str, clinic: Clinic, free: list[FreeTime], wish: Wish, until: date | None) -> str:
    """The same filters, from the last day shown on; from the next one, where that day alone filled the page."""
    if len(free) < _SHOWN_TIMES:
        return ""
    first, last = (clinic.times.local_date(one.starts_at) for one in (free[0], free[-1]))
    onward = last + timedelta(days=1) if first == last else last
    if until and onward > until:
        return ""
    kept = _kept(wish, "part", "practitioner", "weekday", "until", "next")
    return url_for("desk.times", reference=reference, **kept | {"from": onward.isoformat()})


def _kept(wish: Wish, *filters: str) -> dict[str, Any]:
    """These filters as they stand, and the wish, for the address of other days."""
    kept = {name: request.args.getlist(name) for name in filters if request.args.get(name)}
    return wish.fields | kept


@blueprint.get(f"{PATH}/change")
def ask_change(reference: str) -> ResponseReturnValue:
    """The form of a change; once it says something, what it would mean, and whether to tell the patient."""
    who = access.who()
    found = panel.head(who, reference)
    wish = wish_of(found, request.args)
    preview, no = None, None
    if wish.says_something and not wish.unclear:
        try:
            shown = asked.number(request.args.get("version"))
            preview = moving.preview(who, reference, wish.place, version=shown)
        except Refusal as refusal:
            no = refusing.no(refusal, found.clinic)
    if answers.wants_json():
        audit.saw_visit(who, reference, found.patient_id)
        return _preview_as_json(found.clinic, preview, no)
    return change_page(found, wish, preview, no)


def change_page(
    found: Head, wish: Wish, preview: Preview | None = None, no: No | None = None
) -> ResponseReturnValue:
    """The form with what was typed; below it what the change would mean."""
    status = 422 if wish.unclear else no.status if no else 200
    clinic = found.clinic
    audit.saw_visit(access.who(), found.reference, found.patient_id)
    cannot_be = preview is not None and bool(preview.clash or preview.elsewhere)
    return staff_page(
        "desk/change.html",
        status,
        **_values(found),
        typed=wish.typed,
        fields=Fields.as_it_would_be(found, wish, preview),
        unclear=wish.unclear,
        preview=preview,
        no=no,
        broken=change_words.breaches(clinic, preview.breaches, preview.facts) if preview else [],
        usual=change_words.usual_reason(preview.breaches) if preview else "",
        in_the_way=[change_words.in_the_way(clinic, one) for one in preview.clash] if preview else [],
        other=preview.elsewhere if preview else None,
        nearest=places.nearest(access.who(), found.reference, wish.place) if cannot_be else [],
        cell_at=cell_at,
        wished=wish.fields,
        told=change_words.tells(clinic, preview) if preview else "",
        here_already=change_words.who_is_here(clinic, preview) if preview else "",
        of_its_plan=change_words.of_its_plan(access.who(), clinic, preview) if preview else [],
        new_practitioner=clinic.person(preview.practitioner) if preview else None,
        new_room=next((room for room in clinic.rooms if preview and room.slug == preview.room), None),
        people=clinic.practitioners.values(),
        visit_types=_visit_types(found),
        next=asked.onward(""),
    )


@blueprint.get(f"{PATH}/cancel")
def ask_cancel(reference: str) -> ResponseReturnValue:
    return cancel_page(reference)


def cancel_page(
    reference: str, no: No | None = None, typed: str = "", by: Actor = Actor.PATIENT
) -> ResponseReturnValue:
    """Asks once: who wants it, why, and whether to tell the patient, with the words."""
    who = access.who()
    found = panel.head(who, reference)
    audit.saw_visit(who, reference, found.patient_id)
    words = {one: statuses.preview_cancellation(who, reference, one) for one in (Actor.PATIENT, Actor.STAFF)}
    return staff_page(
        "desk/cancel.html",
        no.status if no else 200,
        **_values(found),
        words=words,
        by=by,
        late=cancelled_late(Status.CANCELLED, found.starts_at, found.visit_type.cut_off, clock.now()),
        no=no,
        typed=typed,
        next=asked.onward(""),
    )


def _preview_as_json(clinic: Clinic, preview: Preview | None, no: No | None) -> ResponseReturnValue:
    if no:
        return no.as_json(), no.status
    if preview is None:
        abort(422)
    clash = [change_words.in_the_way(clinic, one) for one in preview.clash]
    if preview.elsewhere:
        clash.append(change_words.elsewhere(clinic, preview.elsewhere))
    return {
        "ok": True,
        "channel": preview.channel,
        "here": change_words.who_is_here(clinic, preview),
        "tells": " ".join(
            [change_words.tells(clinic, preview), *change_words.of_its_plan(access.who(), clinic, preview)]
        ),
        "owed": preview.owed,
        "subject": preview.subject,
        "text": preview.text,
        "needs_reason": change_words.breaches(clinic, preview.breaches, preview.facts),
        "usual": change_words.usual_reason(preview.breaches),
        "clash": clash,
        "other": preview.elsewhere["reference"] if preview.elsewhere else None,
        "version": preview.version,
        **(_changed_since(clinic, preview.stale) if preview.stale else {}),
    }


def _changed_since(clinic: Clinic, stale: StaleEdit) -> dict[str, Any]:
    """What became of the visit meanwhile, and the other of the two things to do about it."""
    no = refusing.no(stale, clinic)
    return {"stale": [no.title, no.advice, *no.more], "leave": saying.leave_it(clinic, stale)}


def _no(refusal: Refusal) -> ResponseReturnValue:
    no = refusing.no(refusal, the_clinic_of_this_request())
    return no.as_json(), no.status
