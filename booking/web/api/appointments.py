"""Booking by programs, and the visit that a manage token opens."""

from flask import Response, current_app, jsonify
from flask.typing import ResponseReturnValue

from booking.errors import SlotTaken
from booking.formatting import iso_utc
from booking.scheduling.status import Status
from booking.services import booking, calendar, links, rescheduling, visits
from booking.services.plans import as_told
from booking.services.visits import Visit
from booking.web import limits, problems
from booking.web.api import blueprint, schemas
from booking.web.api.documents import Bearer, described
from booking.web.api.reading import bearer_token, body, idempotency_key
from booking.web.free import nearest_of
from booking.web.pages import the_clinic_of_this_request as present_clinic

PATH = "/appointments/<reference>"


@blueprint.post("/appointments")
@described(takes=schemas.AppointmentWanted, gives=schemas.Booked, status=201, key=True)
def book() -> ResponseReturnValue:
    """Books a visit, once per Idempotency-Key."""
    limits.allow("book")
    key = idempotency_key()
    asked = body(schemas.AppointmentWanted)
    misfits = asked.misfits(texts_offered=current_app.config["BOOKING"].offers_texts)
    if misfits:
        return problems.of_fields(misfits)
    wish = booking.Wish(
        visit_type=asked.visit_type,
        practitioner=_whom(asked.practitioner),
        starts_at=asked.starts_at,
        first_name=asked.patient.first_name,
        last_name=asked.patient.last_name,
        email=asked.patient.email,
        phone=asked.patient.phone,
        reminders=asked.reminders,
        text_consent=asked.text_consent,
        payment=asked.payment,
        note=asked.note,
    )
    try:
        made = booking.book(wish, actor="api", key=key)
    except SlotTaken as refusal:
        return _taken(refusal)
    return jsonify(_booked(made)), 201


@blueprint.get(PATH)
@described(gives=schemas.Appointment, bearer=Bearer.VISIT)
def appointment(reference: str) -> ResponseReturnValue:
    """The visit that this token opens."""
    return jsonify(_shown(visits.visit(reference, bearer_token())))


@blueprint.post(f"{PATH}/reschedule")
@described(takes=schemas.NewTime, gives=schemas.Appointment, key=True, bearer=Bearer.VISIT)
def reschedule(reference: str) -> ResponseReturnValue:
    """Moves the visit."""
    limits.allow("change")
    token, key = bearer_token(), idempotency_key()
    asked = body(schemas.NewTime)
    try:
        rescheduling.reschedule(
            reference,
            token,
            asked.starts_at,
            _whom(asked.practitioner),
            actor=f"api {reference}",
            key=key,
            version=asked.version,
        )
    except SlotTaken as refusal:
        return _taken(refusal)
    return jsonify(_shown(visits.visit(reference, token)))


@blueprint.post(f"{PATH}/cancel")
@described(takes=schemas.Cancellation, gives=schemas.Appointment, key=True, bearer=Bearer.VISIT)
def cancel(reference: str) -> ResponseReturnValue:
    """Cancels the visit, until its cut-off."""
    limits.allow("change")
    token, key = bearer_token(), idempotency_key()
    asked = body(schemas.Cancellation)
    visits.cancel(reference, token, asked.reason, actor=f"api {reference}", key=key, version=asked.version)
    return jsonify(_shown(visits.visit(reference, token)))


@blueprint.post(f"{PATH}/confirm")
@described(takes=schemas.Nothing, gives=schemas.Appointment, key=True, bearer=Bearer.VISIT)
def confirm(reference: str) -> ResponseReturnValue:
    """The patient says that they are coming; of a `provisional` visit not yet."""
    limits.allow("change")
    token, key = bearer_token(), idempotency_key()
    body(schemas.Nothing)
    visits.confirm(reference, token, actor=f"api {reference}", key=key)
    return jsonify(_shown(visits.visit(reference, token)))


@blueprint.get(f"{PATH}/calendar.ics")
@described(bearer=Bearer.VISIT)
def calendar_file(reference: str) -> ResponseReturnValue:
    """The visit as a calendar file."""
    found = visits.visit(reference, bearer_token())
    return Response(calendar.entry(found, method="PUBLISH"), mimetype="text/calendar")


def _whom(practitioner: str) -> str | None:
    return None if practitioner == "anyone" else practitioner


def _taken(refusal: SlotTaken) -> Response:
    """409 with the nearest free times, shaped like offers."""
    times = present_clinic().times
    nearest = [
        one | {"local": times.iso_local(free.starts_at)}
        for one, free in zip(
            refusal.facts["alternatives"],
            nearest_of(present_clinic(), refusal.facts["alternatives"]),
            strict=True,
        )
    ]
    return problems.of_refusal(SlotTaken(alternatives=nearest))


def _booked(made: booking.Booked) -> dict[str, object]:
    """What the key was answered with; the same answer whatever has become of the visit since."""
    return {
        "reference": made.reference,
        "status": Status.BOOKED.value,
        "starts_at": made.starts_at,
        "local": made.local,
        "practitioner": made.practitioner,
        "manage_url": links.address(made.reference, made.link_number),
        "manage_token": made.token,
    }


def _is_provisional(found: Visit) -> bool:
    """As its patient knows it."""
    plan = as_told.of_visit(found)
    return found.penciled or (
        plan is not None and any(one.id == found.id and one.penciled for one in plan.visits)
    )


def _shown(found: Visit) -> dict[str, object]:
    return {
        "reference": found.reference,
        "status": found.status.value,
        "provisional": _is_provisional(found),
        "starts_at": iso_utc(found.starts_at),
        "ends_at": iso_utc(found.ends_at),
        "local": found.clinic.times.iso_local(found.starts_at),
        "time_zone": found.clinic.zone.key,
        "visit_type": found.visit_type.slug,
        "practitioner": found.practitioner.slug,
        "confirmed_at": iso_utc(found.confirmed_at) if found.confirmed_at else None,
        "change_until": iso_utc(found.change_until),
        "version": found.version,
    }
