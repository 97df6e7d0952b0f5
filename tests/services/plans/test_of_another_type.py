"""Visits to which the desk has given another type than those of their plan's kinds: the plan is mended around them all the same."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select

from booking.extensions import db
from booking.models import BookableBy, Clinic, Offering, VisitType
from booking.services.clinic import present
from booking.services.clinic_file import ClinicFile
from booking.services.desk import statuses
from booking.services.desk.asking import Place
from booking.services.desk.moving import change
from booking.services.plans import offering
from booking.services.plans.asking_again import kept_of
from booking.services.plans.booking import BookedPlan
from booking.services.plans.make_ups import make_up_times
from booking.services.plans.repairing import take_for
from booking.services.plans.shifting import openings, preview
from booking.services.plans.suffering import better_times, suffering_of
from booking.services.plans.visits import PlanVisit
from tests.clinics import plan_clinic, set_up, visit_type
from tests.conftest import StandingClock
from tests.services.plans.making import FIRST, FOLLOW_UP, patient, prescribed, running, seen
from tests.staffing import hired

pytestmark = pytest.mark.usefixtures("standing_clock", "context")

LONG = "acupuncture-long"
BOTH_WAYS = pytest.mark.parametrize("audience", [BookableBy.LINK, BookableBy.STAFF])


def clinic(**rules: Any) -> ClinicFile:
    """The clinic of plans, with longer acupuncture, which patients book by themselves."""
    definition = plan_clinic(rules=rules).model_dump(mode="json")
    hour = [{"name": "treatment", "minutes": 60}]
    longer = visit_type(LONG, kind="returning", modality="acupuncture", room_kinds=["treatment"], phases=hour)
    for person in definition["practitioners"][:2]:
        person["offers"].append({"visit_type": LONG})
    return ClinicFile.model_validate(definition | {"visit_types": [*definition["visit_types"], longer]})


def with_one_of(name: str) -> tuple[BookedPlan, PlanVisit, PlanVisit]:
    """A plan of somebody who has been here before, of which one visit of acupuncture has become one of this type, and the one of
    chiropractic on the same day.
    """
    plan = running(prescribed(patient()))
    on = [one for one in seen(plan).standing if one.care.slug == FOLLOW_UP]
    days = {one.starts_at.date(): one for one in seen(plan).standing if one.care.slug != FOLLOW_UP}
    visit = next(one for one in on if one.week == 1 and one.starts_at.date() in days)
    place = Place(visit.starts_at + timedelta(hours=3), visit_type=name)
    change(hired(), visit.reference, place, version=visit.version, reason="As agreed.", key="change-01")
    changed = seen(plan).that_stands(visit.reference)
    assert changed is not None and changed.visit_type.slug == name and changed.care.slug == FOLLOW_UP
    return plan, changed, days[visit.starts_at.date()]


@BOTH_WAYS
@pytest.mark.parametrize("name", [FIRST, LONG])
def test_what_is_missing_beside_it_is_made_up(name: str, audience: BookableBy) -> None:
    set_up(clinic())
    plan, _changed, beside = with_one_of(name)
    statuses.cancel(hired(), beside.reference, key="cancel-01")
    (lacks,) = make_up_times(seen(plan), audience)
    assert lacks.missed.care == beside.care and len(lacks.times) == 3
    when = lacks.times[0]
    take_for(
        hired(), plan.reference, lacks.missed.week, beside.care.slug, when.starts_at, when.practitioner.slug,
        key="take-0001",
    )  # fmt: skip
    assert len([one for one in seen(plan).standing if one.care == beside.care]) == 8


@BOTH_WAYS
@pytest.mark.parametrize("name", [FIRST, LONG])
def test_it_is_moved_like_others(name: str, audience: BookableBy) -> None:
    set_up(clinic())
    plan, changed, _ = with_one_of(name)
    found, later = seen(plan), changed.starts_at + timedelta(days=1)
    better = better_times(found, changed, audience)
    minutes = changed.visit_type.minutes
    assert better and {one.ends_at - one.starts_at for one in better} == {timedelta(minutes=minutes)}
    suffers = suffering_of(found, changed.reference, later, later + timedelta(minutes=minutes), audience)
    assert suffers is not None and suffers.better == tuple(better)
    best = openings(found, changed.reference, audience).best
    assert best and preview(found, changed.reference, best[0], None, audience).possible


@pytest.mark.parametrize("is_gone", [False, True])
def test_what_nobody_gives_any_more_stands_in_nobodys_way(
    is_gone: bool, standing_clock: StandingClock
) -> None:
    """A visit that is over: its type may have gone from the clinic's file as well."""
    set_up(clinic(make_up_sent_by="worker"))
    plan, changed, beside = with_one_of(LONG)
    standing_clock.at(max(changed.ends_at, beside.ends_at) + timedelta(minutes=5))
    statuses.no_show(hired(), beside.reference, key="no-show-1")
    standing_clock.on(minutes=4)
    if is_gone:
        set_up(plan_clinic(rules={"make_up_sent_by": "worker"}))
    else:
        long = select(VisitType.id).where(VisitType.slug == LONG)
        with db.engine.begin() as connection:
            connection.execute(delete(Offering).where(Offering.visit_type_id.in_(long)))
            connection.execute(Clinic.__table__.update().values(version=Clinic.version + 1))
    assert (LONG in present().visit_types) is not is_gone
    found = seen(plan)
    assert better_times(found, changed, BookableBy.STAFF) == []
    assert kept_of(found, changed).care == FOLLOW_UP
    assert make_up_times(found, BookableBy.LINK)[0].times
    assert offering.send_due() == 1
