"""A clinic read back from its rows, as its file would say it."""

from collections.abc import Iterator
from datetime import time
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking.models import (
    Absence,
    Clinic,
    DatedWorkingHours,
    Device,
    Modality,
    Offering,
    PlanTemplate,
    Practitioner,
    Room,
    VisitType,
    WorkingHours,
)
from booking.services.clinic_file import WEEKDAYS, Away, ClinicFile

VISIT_TYPE_FIELDS = (
    "name", "kind", "summary", "on_request", "price_cents", "price_shown", "bring", "arrive_early_minutes", "tell_us",
    "room_kinds", "pause_before_minutes", "pause_after_minutes", "turnover_before_minutes", "turnover_after_minutes",
    "buffers_within_hours", "notice_minutes", "cut_off_minutes", "reminder_days",
)  # fmt: skip


RULES = (
    "step_minutes", "notice_minutes", "first_visit_notice_minutes", "horizon_days", "cut_off_minutes", "at_once",
    "visits_without_staff", "colleagues", "penciled_gives_way_to", "plans_patients_begin",
    "make_up_sent_by", "reminder_days", "texts_a_day", "texts_a_week",
    "digest",
)  # fmt: skip


ABOUT = ("name", "message_name", "zone", "address", "arrival", "phone", "phone_hours", "mailbox", "welcome")


POLICIES = ("cancellation", "policies", "privacy", "text_consent", "text_consent_version")


def read_back(session: Session) -> ClinicFile | None:
    """The definition that the rows amount to, or None without a clinic."""
    row = session.get(Clinic, 1)
    if row is None:
        return None
    people = session.scalars(
        select(Practitioner).where(Practitioner.active).order_by(Practitioner.position)
    ).all()
    entered = session.scalars(select(Absence).where(Absence.file_key.is_not(None)).order_by(Absence.id)).all()
    modality_slugs = {one.id: one.slug for one in session.scalars(select(Modality))}
    visit_types = session.scalars(
        select(VisitType).where(VisitType.active).order_by(VisitType.position)
    ).all()
    type_slugs = {one.id: one.slug for one in visit_types}
    return ClinicFile.model_validate(
        {
            "clinic": {name: getattr(row, name) for name in ABOUT},
            "policies": {name: getattr(row, name) for name in POLICIES} | {"version": row.policy_version},
            "rules": {name: getattr(row, name) for name in RULES}
            | {"limits": row.limits, "texts": (row.texts_from, row.texts_until)},
            "hours": _week(row.hours),
            "dated_hours": _dated(row.dated_hours),
            "closures": _away(one for one in entered if one.resource_id is None),
            "modalities": [
                {"id": one.slug, "name": one.name, "summary": one.summary, "symbol": one.symbol}
                for one in session.scalars(
                    select(Modality).where(Modality.active).order_by(Modality.position)
                )
            ],
            "visit_types": [
                {name: getattr(one, name) for name in VISIT_TYPE_FIELDS}
                | {
                    "id": one.slug,
                    "modality": modality_slugs[one.modality_id],
                    "phases": [
                        {
                            "name": phase.name,
                            "minutes": phase.minutes,
                            "needs": ["practitioner"] * phase.practitioner
                            + ["room"] * phase.room
                            + phase.device_kinds,
                        }
                        for phase in one.phases
                    ],
                }
                for one in visit_types
            ],
            "rooms": [
                {"id": one.slug, "name": one.name, "kind": one.room_kind}
                for one in session.scalars(select(Room).where(Room.active).order_by(Room.id))
            ],
            "devices": [
                {"id": one.slug, "name": one.name, "kind": one.device_kind}
                for one in session.scalars(select(Device).where(Device.active).order_by(Device.id))
            ],
            "practitioners": [
                {
                    "id": one.slug,
                    "name": one.name,
                    "credentials": one.credentials,
                    "profile": one.profile,
                    "rooms": one.room_order,
                    "at_once": one.at_once,
                    "hours": _week(rows_of(session, WorkingHours, one)),
                    "dated_hours": _dated(rows_of(session, DatedWorkingHours, one)),
                    "away": _away(absence for absence in entered if absence.resource_id == one.id),
                    "offers": [
                        {
                            "visit_type": type_slugs[offer.visit_type_id],
                            "bookable_by": offer.bookable_by,
                            "takes_new": offer.takes_new,
                            "phase_minutes": offer.phase_minutes,
                        }
                        for offer in rows_of(session, Offering, one)
                        if offer.visit_type_id in type_slugs
                    ],
                }
                for one in people
            ],
            "plan_templates": [
                {
                    "id": one.slug,
                    "name": one.name,
                    "summary": one.summary,
                    "self_service": one.self_service,
                    **one.course,
                }
                for one in session.scalars(
                    select(PlanTemplate).where(PlanTemplate.active).order_by(PlanTemplate.position)
                )
            ],
        }
    )


def rows_of(session: Session, kind: Any, person: Practitioner) -> list[Any]:
    return list(session.scalars(select(kind).where(kind.practitioner_id == person.id).order_by(kind.id)))


def _week(rows: list[Any]) -> dict[str, list[tuple[time, time]]]:
    return {
        day: [(row.opens, row.closes) for row in rows if row.weekday == number]
        for number, day in enumerate(WEEKDAYS)
    }


def _dated(rows: list[Any]) -> list[dict[str, Any]]:
    days = dict.fromkeys(row.on for row in rows)
    return [
        {
            "on": day,
            "hours": [(row.opens, row.closes) for row in rows if row.on == day and row.opens is not None],
        }
        for day in days
    ]


def key_of(whose: str, away: Away) -> str:
    hours = away.model_dump(mode="json")["hours"] or ""
    return f"{whose}|{away.first}|{away.last}|{hours}|"


def _away(rows: Iterator[Absence]) -> list[dict[str, Any]]:
    entries: dict[str, dict[str, Any]] = {}
    for row in rows:
        whose, first, last, hours, _ = str(row.file_key).split("|")
        entries.setdefault(
            f"{whose}|{first}|{last}|{hours}",
            {"first": first, "last": last, "hours": hours or None, "reason": row.reason},
        )
    return list(entries.values())
