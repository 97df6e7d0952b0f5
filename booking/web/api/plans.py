"""Treatment plans for programs: what can be begun, what is proposed, and a plan that is booked whole and looked at."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

from flask import abort, current_app, jsonify, request
from flask.typing import ResponseReturnValue

from booking.errors import PlanRulesBroken, PlanRunning, VisitsTaken
from booking.formatting import iso_utc
from booking.models import BookableBy, PlanStatus
from booking.scheduling.plans.windows import Presence
from booking.services import links
from booking.services.allowances import Planned
from booking.services.clinic import Clinic, PlanTemplate
from booking.services.plans import as_told, booking, links as plan_links, reading, weeks
from booking.services.plans.allowed import allowed
from booking.services.plans.asking_again import wanted_by
from booking.services.plans.choosing import PlanWish, VisitWish
from booking.services.plans.ground import HORIZON_DAYS
from booking.services.plans.impossible import Relaxation
from booking.services.plans.proposing import Proposal, Proposals, propose
from booking.services.plans.reading import PlanView
from booking.services.plans.visits import PlanVisit
from booking.services.plans.wanted import PlanWanted
from booking.web import limits, plan_none_words, plan_words, problems
from booking.web.api import blueprint, plan_schemas
from booking.web.api.documents import Bearer, described
from booking.web.api.reading import bearer_token, body, idempotency_key
from booking.web.pages import the_clinic_of_this_request as present_clinic, today


@blueprint.get("/plan-templates")
@described(gives=plan_schemas.PlanTemplates)
def plan_templates() -> ResponseReturnValue:
    """What plans are made from."""
    return jsonify({"plan_templates": [_template(one) for one in present_clinic().plan_templates.values()]})


@blueprint.post("/plan-proposals")
@described(takes=plan_schemas.Asked, gives=plan_schemas.Proposals, bearer=Bearer.PLAN_IF_PRESCRIBED)
def plan_proposals() -> ResponseReturnValue:
    """Up to three complete plans to choose from; or why there is none, and what would help."""
    limits.allow("search")
    asked = body(plan_schemas.Asked)
    plan = _prescribed(asked)
    _refuse_misfits(present_clinic(), asked, plan)
    if plan is not None and plan.status is not PlanStatus.PRESCRIBED:
        raise PlanRunning(phone=plan.clinic.phone)
    found = propose(_wanted(present_clinic(), asked, plan))
    return jsonify(
        {
            "time_zone": found.clinic.zone.key,
            "proposals": [_proposal(found, one, plan) for one in found.proposals],
            "impossible": _impossible(found),
            "notes": [said._asdict() for said in plan_words.notes(found)],
        }
    )


@blueprint.post("/plans")
@described(
    takes=plan_schemas.PlanWanted,
    gives=plan_schemas.BookedPlan,
    status=201,
    key=True,
    bearer=Bearer.PLAN_IF_PRESCRIBED,
    refuses=(403,),
)
def book_plan() -> ResponseReturnValue:
    """Books all visits of a plan or none, once per Idempotency-Key."""
    limits.allow("book")
    key = idempotency_key()
    asked, clinic = body(plan_schemas.PlanWanted), present_clinic()
    sent = [asked.model_dump(mode="json"), request.headers.get("Authorization", "")]
    try:
        # The answer is the same also when the day, or the plan, has gone on since.
        made = booking.booked_before("api", key, sent)
        if made is None:
            plan = _prescribed(asked)
            _refuse_misfits(clinic, asked, plan)
            misfits = asked.misfits(texts_offered=current_app.config["BOOKING"].offers_texts)
            if misfits:
                return problems.of_fields(misfits)
            made = booking.book(_wish(asked, plan), actor="api", key=key, sent=sent)
    except VisitsTaken as refusal:
        return problems.of_refusal(VisitsTaken(lost=[_lost(clinic, one) for one in refusal.facts["lost"]]))
    except PlanRulesBroken as refusal:
        messages = dict.fromkeys(plan_words.broken(clinic, fault) for fault in refusal.facts["faults"])
        errors = [{"field": "visits", "message": message} for message in messages]
        return problems.of_refusal(refusal, errors=errors)
    return jsonify(_booked(made)), 201


@blueprint.get("/plans/<reference>")
@described(gives=plan_schemas.Plan, bearer=Bearer.PLAN)
def plan(reference: str) -> ResponseReturnValue:
    """The plan that this token opens, with its visits as they stand."""
    return jsonify(_shown(as_told.by_link(reference, bearer_token())))


# What is asked for


def _prescribed(asked: plan_schemas.Asked) -> PlanView | None:
    """The plan that is named, as its token opens it. Raises NotFound."""
    return reading.by_link(asked.plan, bearer_token()) if asked.plan else None


def _refuse_misfits(clinic: Clinic, asked: plan_schemas.Asked, plan: PlanView | None) -> None:
    """422 for fields that are well-formed each, but fit neither each other nor the clinic."""
    modalities = {one.slug for one in clinic.modalities}
    until = today(clinic) + timedelta(days=HORIZON_DAYS)
    first_day, template = asked.first_day, asked.template
    strange = "names a kind of care that this clinic doesn't have"
    people = {name for names in (asked.practitioners or {}).values() for name in names}
    faults = {
        "plan": plan is None and "Authorization" in request.headers and "name the plan that the token opens",
        "template": (plan is None and template is None and "Field required")
        or (plan is not None and template not in (None, plan.template) and "isn't that of the plan"),
        "first_day": (plan is None and first_day is None and "Field required")
        or (first_day is not None and first_day < today(clinic) and "that day is over")
        or (
            plan is not None
            and first_day is not None
            and first_day < plan.first_day
            and f"the plan begins on {plan.first_day}, or later"
        )
        or (
            first_day is not None
            and first_day > until
            and f"write a day at most {HORIZON_DAYS} days ahead, up to {until}"
        ),
        "practitioners": (not set(asked.practitioners or ()) <= modalities and strange)
        or (not people <= set(clinic.practitioners) and "names somebody whom this clinic doesn't have"),
        "returning": not set(asked.returning or ()) <= modalities and strange,
    }
    errors = [{"field": field, "message": message} for field, message in faults.items() if message]
    if errors:
        abort(problems.of_fields(errors))


def _wanted(clinic: Clinic, asked: plan_schemas.Asked, plan: PlanView | None) -> PlanWanted:
    first_day = _first_day(asked, plan)
    if plan is not None:
        presence = asked.presence(plan.presence)
        prescribed = wanted_by(plan, BookableBy.PATIENTS, first_day=first_day, presence=presence)
        return replace(
            prescribed,
            only={**(asked.only or {}), **prescribed.only},
        )
    template = clinic.plan_template(asked.template or "")
    return PlanWanted(
        course=template.course,
        first_day=first_day,
        presence=asked.presence(Presence()),
        only=asked.only or {},
        returning=frozenset(asked.returning or ()),
        # What patients don't begin by themselves will have been prescribed to them.
        prescribed=not template.self_service,
    )


def _wish(asked: plan_schemas.PlanWanted, plan: PlanView | None) -> PlanWish:
    """What was prescribed holds; what the prescription leaves open is as it is asked for."""
    patient = asked.patient
    only, returning = asked.only, asked.returning
    if plan is not None:
        only = {**(only or {}), **plan.only}
        returning = list(plan.returning)
    return PlanWish(
        template=plan.template if plan else asked.template or "",
        first_day=_first_day(asked, plan),
        visits=tuple(VisitWish(one.visit_type, one.practitioner, one.starts_at) for one in asked.visits),
        first_name=patient.first_name,
        last_name=patient.last_name,
        email=patient.email,
        phone=patient.phone,
        reminders=asked.reminders,
        text_consent=asked.text_consent,
        payment=asked.payment,
        note=asked.note,
        presence=asked.presence(plan.presence if plan else Presence()),
        hours_said=asked.windows is not None,
        only=only or {},
        wished=plan.wished if plan else {},
        returning=tuple(returning or ()),
        plan=asked.plan,
        token=bearer_token() if plan else None,
    )


def _first_day(asked: plan_schemas.Asked, plan: PlanView | None) -> date:
    if asked.first_day is not None:
        return asked.first_day
    assert plan is not None  # Whoever names no plan names a day.
    return max(plan.first_day, today(plan.clinic))


# What is answered


def _template(one: PlanTemplate) -> dict[str, Any]:
    course = one.course
    return {
        "id": one.slug,
        "name": one.name,
        "summary": one.summary,
        "self_service": one.self_service,
        "weeks": course.weeks,
        "phases": [
            {
                "weeks": phase.weeks,
                "every": phase.every,
                "doses": [dose._asdict() for dose in phase.doses],
            }
            for phase in course.phases
        ],
        "rest_days": dict(course.rest_days),
        "reassessment": list(course.reassessment),
    }


def _proposal(found: Proposals, one: Proposal, plan: PlanView | None) -> dict[str, Any]:
    clinic = found.clinic
    return {
        "title": plan_words.title(found, one),
        "measure": one.measure,
        "score": one.cost,
        "visits": [
            {
                "visit_type": visit.visit_type.slug,
                "practitioner": visit.practitioner.slug,
                "starts_at": iso_utc(visit.starts_at),
                "local": clinic.times.iso_local(visit.starts_at),
                "week": visit.week + 1,
                "provisional": visit.penciled,
                "bent": plan_words.bent(clinic, visit),
            }
            for visit in one.visits
        ],
        "beyond_allowance": _beyond_allowance(one, plan),
    }


def _beyond_allowance(one: Proposal, plan: PlanView | None) -> list[str]:
    """Starts of the visits that may not be covered. Where the patient isn't known, nothing is said of coverage."""
    planned = [Planned(visit.starts_at, visit.visit_type.modality.slug) for visit in one.visits]
    return [iso_utc(planned[number].starts_at) for number in sorted(allowed(plan, planned).beyond)]


def _impossible(found: Proposals) -> dict[str, Any] | None:
    impossible = found.impossible
    if impossible is None:
        return None
    said = plan_none_words.reasons(found.clinic, found.wanted, impossible)
    return {
        "week": impossible.week + 1,
        "reasons": [one._asdict() for one in said],
        "relaxations": [
            {
                "code": one.kind,
                "message": plan_none_words.relaxation(found.clinic, found.wanted, one),
                **_facts(one),
            }
            for one in impossible.relaxations
        ],
    }


def _facts(one: Relaxation) -> dict[str, Any]:
    """What is to be asked for instead, in the form in which it is asked for."""
    facts: Mapping[str, Any] = one.facts
    if one.kind == "window":
        window = {
            "weekdays": [plan_schemas.WEEKDAYS[facts["weekday"]]],
            "from": plan_schemas.clock_time(facts["opens"]),
            "to": plan_schemas.clock_time(facts["closes"]),
        }
        return {"window": window}
    also = {"any_time": True} if facts.get("any_time") else {}
    if one.kind == "start":
        return {"first_day": facts["day"].isoformat()} | also
    if one.kind == "besides" and facts.get("on"):
        return {"day": facts["on"].isoformat(), "visit_type": facts["care"].slug} | also
    if one.kind == "fewer":
        return {
            "week": facts["week"] + 1,
            "visit_type": facts["care"].slug,
            "visits": facts["visits"],
        } | also
    return dict(facts)


def _lost(clinic: Clinic, one: Mapping[str, Any]) -> dict[str, Any]:
    return one | _with_local(clinic, [one])[0] | {"replacements": _with_local(clinic, one["replacements"])}


def _with_local(clinic: Clinic, offers: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    times = clinic.times
    return [{**one, "local": times.iso_local(datetime.fromisoformat(one["starts_at"]))} for one in offers]


def _booked(made: booking.BookedPlan) -> dict[str, Any]:
    """What the key was answered with; the same answer whatever has become of the plan since."""
    return {
        "reference": made.reference,
        "plan_url": plan_links.address(made.reference, made.link_number),
        "plan_token": made.token,
        "visits": [
            {name: visit[name] for name in ("reference", "visit_type", "starts_at", "local", "practitioner")}
            | {"provisional": visit["penciled"]}
            | _link(visit["reference"], visit["link_number"])
            for visit in made.visits
        ],
    }


def _link(reference: str, link_number: int) -> dict[str, str]:
    return {
        "manage_url": links.address(reference, link_number),
        "manage_token": links.token(reference, link_number),
    }


def _shown(plan: PlanView) -> dict[str, Any]:
    return {
        "reference": plan.reference,
        "template": plan.template,
        "name": plan.name,
        "status": _status(plan).value,
        "first_day": plan.first_day.isoformat(),
        "time_zone": plan.clinic.zone.key,
        "weeks": [
            {
                "week": week.number + 1,
                "first": week.first.isoformat(),
                "last": week.last.isoformat(),
                "doses": [_dose(one) for one in week.doses],
            }
            for week in plan.weeks
        ],
        "visits": [_visit(plan, one) for one in plan.visits],
    }


def _status(plan: PlanView) -> PlanStatus:
    """That a plan is over is read of it once its patient was told."""
    untold = plan.status is PlanStatus.COMPLETED and plan.untold_since is not None
    return PlanStatus.RUNNING if untold else plan.stands_as


def _dose(one: weeks.Dose) -> dict[str, Any]:
    names = ("fewest", "most", "booked", "attended", "missed", "made_up", "left")
    return {"visit_type": one.care.slug} | {name: getattr(one, name) for name in names}


def _visit(plan: PlanView, one: PlanVisit) -> dict[str, Any]:
    return {
        "reference": one.reference,
        "visit_type": one.visit_type.slug,
        "starts_at": iso_utc(one.starts_at),
        "ends_at": iso_utc(one.ends_at),
        "local": plan.clinic.times.iso_local(one.starts_at),
        "practitioner": one.practitioner.slug,
        "week": one.week + 1,
        "status": one.status.value,
        "provisional": one.penciled,
    } | _link(one.reference, one.link_number)
