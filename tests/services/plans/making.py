"""Plans in a line, for tests about what comes after their booking."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from sqlalchemy import select

from booking import clock
from booking.models import Appointment, BookableBy, Patient, Reminders, Role
from booking.scheduling.plans.windows import Presence
from booking.services import notices, patients, rows
from booking.services.clinic import present, the_clinic
from booking.services.clinic_file import ClinicFile
from booking.services.notices.knowing import as_they_are
from booking.services.plans import prescribing
from booking.services.plans.asking_again import wanted_by
from booking.services.plans.booking import BookedPlan, book
from booking.services.plans.choosing import PlanWish
from booking.services.plans.prescribing import Prescribed, Prescription
from booking.services.plans.proposing import Proposal, propose
from booking.services.plans.reading import PlanView, by_link, opened
from booking.services.plans.wanted import PlanWanted
from booking.services.staff.who import Who
from booking.services.transaction import reading, run
from tests.clinics import plan_clinic, plan_template, set_up
from tests.staffing import hired

FOLLOW_UP, FIRST = "acupuncture-follow-up", "acupuncture-first"
FIRST_DAY = date(2026, 9, 21)
"""The Monday after the tests' own."""
BOTH = frozenset({"acupuncture", "chiropractic"})


def where_mei_is_alone(*templates: dict[str, Any], **rules: Any) -> None:
    """A clinic in which Mei alone gives acupuncture, so that a time is hers or nobody's. "stages" has two weeks, of which the
    second waits for a decision; the `templates` stand beside it.
    """
    week = {"weeks": 1, "doses": {FOLLOW_UP: 2}}
    stages = plan_template("stages", {}, reassessment=["acupuncture-reassessment"], phases=[week, week])
    definition = plan_clinic(rules={"step_minutes": 5} | rules).model_dump(mode="json")
    alone = [one for one in definition["practitioners"] if one["id"] != "dan"]
    different = {"practitioners": alone, "plan_templates": [stages, *templates]}
    set_up(ClinicFile.model_validate(definition | different))


def clinic_with_a_longer_look() -> ClinicFile:
    """A clinic with one plan, "weekly", whose look takes longer than its visits: an hour."""
    weekly = plan_template(
        "weekly", {FOLLOW_UP: 1}, self_service=True, reassessment=["acupuncture-reassessment"]
    )
    definition = plan_clinic(plan_templates=[weekly]).model_dump(mode="json")
    hour = {"phases": [{"name": "look", "minutes": 60, "needs": ["practitioner", "room"]}]}
    types = [
        one | hour if one["id"] == "acupuncture-reassessment" else one for one in definition["visit_types"]
    ]
    return ClinicFile.model_validate(definition | {"visit_types": types})


def proposed(template: str = "disc", first_day: date = FIRST_DAY, **how: Any) -> list[Proposal]:
    course = present().plan_template(template).course
    wanted = PlanWanted(**{"course": course, "first_day": first_day, "returning": BOTH} | how)
    return list(propose(wanted).proposals)


def wish(proposal: Proposal, template: str, **how: Any) -> PlanWish:
    visits = proposal.wishes
    return PlanWish(
        **{
            "template": template,
            "first_day": FIRST_DAY,
            "visits": visits,
            "first_name": "Rosa",
            "last_name": "Lima",
            "email": "rosa@example.com",
            "phone": None,
            "reminders": Reminders.EMAIL,
            "returning": tuple(sorted(BOTH)),
        }
        | how
    )


def practitioner(slug: str = "mei") -> Who:
    """Somebody who is signed in and gives visits."""
    return hired(Role.PRACTITIONER, practitioner=slug, name=slug.title())


def patient(first_name: str = "Rosa", email: str | None = "rosa@example.com") -> str:
    """Somebody's record; its reference."""

    def action(session: Any) -> str:
        made = Patient(
            first_name=first_name, last_name="Lima", name_key=patients.name_key(first_name, "Lima"), email=email,
            phone="+18185550123", created_at=clock.now(), changed_at=clock.now(),
        )  # fmt: skip
        rows.add(session, made)
        return made.reference

    return run(action)


def prescribed(patient: str, template: str = "disc", **how: Any) -> Prescribed:
    first_day = how.pop("first_day", FIRST_DAY)
    returning = how.pop("returning", tuple(sorted(BOTH)))
    asked = Prescription(
        patient=patient,
        template=template,
        first_day=first_day,
        prescribed_by="mei",
        returning=returning,
        **how,
    )
    return prescribing.prescribe(hired(), asked, tell=True, key=f"prescribe {patient}")


def running(
    made: Prescribed, *, presence: Presence | None = None, key: str = "book-plan", **how: Any
) -> BookedPlan:
    """The prescribed plan, booked by its link as the first proposal has it."""
    plan = by_link(made.reference, made.token)
    wanted = wanted_by(plan, BookableBy.LINK, presence=presence)
    proposal = propose(wanted).proposals[0]
    asked = wish(
        proposal, plan.template, plan=made.reference, token=made.token, email=plan.email, phone=plan.phone,
        audience=BookableBy.LINK, first_day=plan.first_day, returning=plan.returning,
        presence=presence or plan.presence, **how,
    )  # fmt: skip
    return book(asked, actor="link", key=key)


def seen(booked: BookedPlan) -> PlanView:
    return opened(hired(), booked.reference)


def times_told(facts: Mapping[str, Any]) -> dict[str, set[str]]:
    """What the facts of a change of a plan tell, with its visits as they are: when those begin that they give up or leave, that
    they are new at, and that are firm, ISO in UTC.
    """
    now, knew = clock.now(), facts[notices.KNEW]
    with reading() as session:
        visits = session.scalars(select(Appointment).where(Appointment.id.in_(map(int, knew)))).all()
        are = as_they_are(the_clinic(session), visits, now)
        said = notices.news(knew, are, now)
    return {
        "cancelled": {knew[str(one)]["old_starts_at"] for one in (*said.cancelled, *said.moved)},
        "added": {are[str(one)]["old_starts_at"] for one in (*said.added, *said.moved)},
        "firm": {are[str(one)]["old_starts_at"] for one in said.firm},
    }


def at(day: date, hour: int, minute: int = 0) -> datetime:
    """An instant of the tests' clinic."""
    zone = present().zone
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
