"""The start page, the choice of a visit, and the clinic's own pages."""

from dataclasses import dataclass
from datetime import date, timedelta

from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from booking.errors import NotFound
from booking.models import BookableBy
from booking.services.clinic import Clinic, Modality, Practitioner, VisitType
from booking.web.pages import page, the_clinic_of_this_request as present_clinic
from booking.web.patient import blueprint


@dataclass(frozen=True)
class CareToChoose:
    """A kind of care with the visits that patients may choose, and those that they ask for."""

    modality: Modality
    visit_types: tuple[VisitType, ...]
    on_request: tuple[VisitType, ...]


@blueprint.get("/")
def start() -> ResponseReturnValue:
    clinic = present_clinic()
    return page(
        "patient/start.html",
        clinic,
        care=care_to_choose(clinic),
        plans=_plans(clinic),
        opening_hours=_opening_hours(clinic),
    )


@blueprint.get("/book")
def choose() -> ResponseReturnValue:
    clinic = present_clinic()
    return page(
        "patient/choose.html",
        clinic,
        care=care_to_choose(clinic),
        only=None,
        person=None,
        plans=_plans(clinic),
    )


@blueprint.get("/care/<modality>")
def choose_in(modality: str) -> ResponseReturnValue:
    """Deep link: the visits of one kind of care."""
    clinic = present_clinic()
    only = [care for care in care_to_choose(clinic) if care.modality.slug == modality]
    if not only:
        raise NotFound
    return page("patient/choose.html", clinic, care=only, only=only[0].modality, person=None, plans=False)


@blueprint.get("/with/<practitioner>")
def choose_with(practitioner: str) -> ResponseReturnValue:
    """Deep link: the visits that one practitioner gives."""
    clinic = present_clinic()
    person = clinic.practitioner(practitioner)
    return page(
        "patient/choose.html",
        clinic,
        care=care_to_choose(clinic, person),
        only=None,
        person=person,
        plans=False,
    )


@blueprint.get("/privacy")
def privacy() -> ResponseReturnValue:
    return page("patient/privacy.html", present_clinic())


@blueprint.get("/policies")
def policies() -> ResponseReturnValue:
    return page("patient/policies.html", present_clinic())


def _plans(clinic: Clinic) -> bool:
    """Whether there are plans that patients begin by themselves."""
    return any(one.self_service for one in clinic.plan_templates.values())


def care_to_choose(clinic: Clinic, person: Practitioner | None = None) -> list[CareToChoose]:
    """All kinds of care that have something to choose or to ask for."""
    shown = [
        visit_type
        for visit_type in clinic.visit_types.values()
        if any(person in (None, one) for one in clinic.who_offers(visit_type, BookableBy.PATIENTS))
    ]
    care = [
        CareToChoose(
            modality,
            tuple(one for one in shown if one.modality is modality and not one.on_request),
            tuple(one for one in shown if one.modality is modality and one.on_request),
        )
        for modality in clinic.modalities
    ]
    return [one for one in care if one.visit_types or one.on_request]


def _opening_hours(clinic: Clinic) -> list[tuple[str, str]]:
    """Each day of the week with its hours, in words."""
    sunday = date(2023, 1, 1)
    days = []
    for weekday in range(7):
        stretches = [
            f"{clinic.times.wall_time(hours.opens)} – {clinic.times.wall_time(hours.closes)}"
            for hours in clinic.hours
            if hours.weekday == weekday
        ]
        name = clinic.times.weekday(sunday + timedelta(days=weekday + 1))
        days.append((name, ", ".join(stretches) or _("closed")))
    return days
