"""What can be booked, with whom, and when."""

import json
from functools import lru_cache

from flask import Response, jsonify
from flask.typing import ResponseReturnValue

from booking.formatting import iso_utc
from booking.models import BookableBy
from booking.services.clinic import Clinic, VisitType
from booking.services.search import FreeTime, FreeTimes, free_times
from booking.web import limits
from booking.web.api import blueprint, schemas
from booking.web.api.documents import described
from booking.web.api.reading import query
from booking.web.pages import the_clinic_of_this_request as present_clinic
from booking.web.reasons import sentence


@blueprint.get("/visit-types")
@described(gives=schemas.VisitTypes)
def visit_types() -> ResponseReturnValue:
    """All visit types that patients see."""
    clinic = present_clinic()
    shown = [one for one in clinic.visit_types.values() if clinic.who_offers(one, BookableBy.PATIENTS)]
    return jsonify({"visit_types": [_visit_type(one) for one in shown]})


@blueprint.get("/practitioners")
@described(asks=schemas.PractitionersQuery, gives=schemas.Practitioners)
def practitioners() -> ResponseReturnValue:
    """Practitioners, or those who give one visit type."""
    asked = query(schemas.PractitionersQuery)
    clinic = present_clinic()
    people = list(clinic.practitioners.values())
    if asked.visit_type is not None:
        people = list(clinic.who_offers(clinic.visit_type(asked.visit_type), BookableBy.PATIENTS))
    return jsonify(
        {
            "practitioners": [
                {
                    "id": person.slug,
                    "name": person.name,
                    "credentials": person.credentials,
                    "profile": person.profile,
                    "visit_types": [
                        slug
                        for slug, offering in person.offerings.items()
                        if offering.bookable_by is BookableBy.PATIENTS
                    ],
                }
                for person in people
            ]
        }
    )


@blueprint.get("/offers")
@described(asks=schemas.OffersQuery, gives=schemas.Offers)
def offers() -> ResponseReturnValue:
    """All free starts of some days. With anyone, one entry per start, with the person whom it would go to."""
    limits.allow("search")
    asked = query(schemas.OffersQuery)
    whom = None if asked.practitioner == "anyone" else asked.practitioner
    found = free_times(asked.visit_type, whom, asked.first, asked.days)
    return Response(_written(found), mimetype="application/json")


@lru_cache(maxsize=32)
def _written(found: FreeTimes) -> str:
    """The same free times are written once, however often they are asked for."""
    return json.dumps(
        {
            "time_zone": found.clinic.zone.key,
            "offers": [offer(found.clinic, free) for free in found.each()],
            "reasons": _reasons(found),
        }
    )


def offer(clinic: Clinic, free: FreeTime) -> dict[str, str]:
    return {
        "starts_at": iso_utc(free.starts_at),
        "local": clinic.times.iso_local(free.starts_at),
        "practitioner": free.practitioner.slug,
    }


def _reasons(found: FreeTimes) -> list[dict[str, object]]:
    if found.reason is None:
        return []
    first = found.first_free and (found.first_free.same or found.first_free.anyone)
    return [
        {
            "code": found.reason.why.value,
            "message": sentence(found.reason, found.question),
            "first_free": offer(found.clinic, first) if first else None,
        }
    ]


def _visit_type(one: VisitType) -> dict[str, object]:
    return {
        "id": one.slug,
        "name": one.name,
        "modality": one.modality.slug,
        "minutes": one.minutes,
        "kind": one.kind.value,
        "on_request": one.on_request,
        "summary": one.summary,
        "price_cents": None if one.price_shown == "hidden" else one.price_cents,
        "bring": one.bring,
        "arrive_early_minutes": one.arrive_early_minutes,
        "tell_us": one.tell_us,
    }
