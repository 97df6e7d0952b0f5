"""Coverage that runs low, visits that are booked beyond it, and those that aren't booked before the payer was asked: what the desk
looks after before the patient comes.

It is counted each time, so it is never on the list for longer than it is so.
"""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking import clock
from booking.models import Coverage, Patient, PatientChange, Plan, PlanEntry, PlanStatus
from booking.scheduling.allowances.counting import Low, Pool
from booking.scheduling.allowances.terms import Beyond
from booking.scheduling.estimates import coverage_due
from booking.services.allowances import Allowances, counted, pool_of, visits_of_patients
from booking.services.clinic import Clinic, the_clinic
from booking.services.desk.coverage import BeyondLine, beyond_of, its, once_of, told
from booking.services.idempotency import Answer
from booking.services.plans.lacking import missing
from booking.services.plans.reading import view
from booking.services.plans.said import ASKED_FOR
from booking.services.staff.who import Who
from booking.services.transaction import reading

# Who hasn't come for so long, and has nothing booked, is on no list.
_HERE_WITHIN = timedelta(days=30)
# What the desk has seen to comes back on the list after so long, if it is still so.
_SEEN_FOR = timedelta(days=30)


class Wished(NamedTuple):
    """A make-up time of a plan that its patient chose, and that isn't booked before the payer was asked."""

    entry: int
    plan: str
    modality: str
    starts_at: datetime


@dataclass(frozen=True)
class RunningLow:
    """What the desk should look after: a pool that runs low, visits booked beyond it, or a time that is `wished` for beyond it.
    `seen`: what to say of it when it was seen to.
    """

    coverage: int
    patient: str
    name: str
    phone: str | None
    pool: Pool
    low: Low | None
    beyond: tuple[BeyondLine, ...]
    wished: tuple[Wished, ...]
    due_on: date
    seen: str


def running_low(who: Who) -> tuple[RunningLow, ...]:
    """Pools with three left or fewer, or within 14 days of their end, and visits that are booked beyond: of patients who come.
    The most urgent first; without what the desk has seen to. To those who look after all patients; to others nothing.
    """
    if not who.sees_everybody:
        return ()
    now = clock.now()
    with reading() as session:
        clinic = the_clinic(session)
        coverages: dict[int, list[Coverage]] = {}
        open_ones = select(Coverage.patient_id).where(Coverage.ended_at.is_(None))
        for one in session.scalars(
            select(Coverage)
            .where(Coverage.patient_id.in_(open_ones))
            .order_by(Coverage.position, Coverage.id)
        ):
            coverages.setdefault(one.patient_id, []).append(one)
        visits, wished = visits_of_patients(session, coverages), _wished(session, clinic, now)
        patients = session.execute(
            select(Patient.id, Patient.reference, Patient.first_name, Patient.last_name, Patient.phone).where(
                Patient.id.in_(sorted({*visits, *wished} & {*coverages})), Patient.merged_into_id.is_(None)
            )
        ).all()
        found = []
        for patient_id, reference, first, last, phone in patients:
            pools = [pool_of(clinic, one) for one in coverages[patient_id]]
            counts = counted(clinic, pools, visits.get(patient_id, []), now)
            found += [
                replace(one, patient=reference, name=f"{first} {last}", phone=phone)
                for one in _low(clinic, counts, wished.get(patient_id, []), now)
            ]
        seen = _seen(session, [one.coverage for one in found], now)
    left = [one for one in found if seen.get(one.coverage) != one.seen]
    return tuple(sorted(left, key=lambda one: (one.due_on, one.name, one.coverage)))


def see_to(who: Who, reference: str, number: int, seen: str, *, key: str) -> None:
    """The desk has seen to a pool that runs low: it is off the list while this is all there is to say of it.

    Raises NotFound, RecordMerged, KeyReused.
    """

    def action(session: Session, patient: Patient, now: datetime) -> Answer:
        its(session, patient, number)
        told(session, who, patient, "coverage_seen", number, now, seen=seen[:500])
        return {}

    once_of(who, reference, key, ["see to coverage", number, seen], action)


def _wished(session: Session, clinic: Clinic, now: datetime) -> dict[int, list[Wished]]:
    """By patient the times that were chosen for visits which their plans still lack; where there are more than visits, the last."""
    entries = session.execute(
        select(PlanEntry.id, PlanEntry.facts, Plan)
        .join(Plan, Plan.id == PlanEntry.plan_id)
        .where(
            Plan.status == PlanStatus.RUNNING,
            PlanEntry.what == ASKED_FOR,
            PlanEntry.at > now - _SEEN_FOR,
        )
        .order_by(PlanEntry.plan_id, PlanEntry.id.desc())
    )
    found: dict[int, list[Wished]] = {}
    for plan, of_plan in groupby(entries, key=lambda one: one.Plan):
        shown = view(session, clinic, plan)
        lacks = Counter((one.week, one.care.slug) for one in missing(shown, now))
        settled = {one.starts_at for one in shown.standing}
        for number, facts, _plan in of_plan:
            visit, starts_at = (facts["week"], facts["care"]), datetime.fromisoformat(facts["starts_at"])
            if lacks[visit] and starts_at > now and starts_at not in settled:
                lacks[visit] -= 1
                settled.add(starts_at)
                modality = clinic.visit_type(facts["care"]).modality.slug
                wish = Wished(number, plan.reference, modality, starts_at)
                found.setdefault(plan.patient_id, []).append(wish)
    return found


def _low(clinic: Clinic, counts: Allowances, wished: list[Wished], now: datetime) -> list[RunningLow]:
    today = clinic.times.local_date(now)
    comes = any(at > now - _HERE_WITHIN for at in counts.starts.values())
    low = {one.pool.id: one for one in counts.count.low(today)} if comes else {}
    beyond: dict[int, list[BeyondLine]] = {}
    for one in beyond_of(counts):
        beyond.setdefault(one.pool.id, []).append(one)
    asked_of = {one: _asked_of(counts.count.pools, one) for one in wished}
    found = []
    for pool in counts.count.pools:
        its_low, its_beyond = low.get(pool.id), tuple(beyond.get(pool.id, ()))
        its_wished = tuple(one for one in wished if pool.id in asked_of[one])
        if its_low is None and not its_beyond and not its_wished:
            continue
        waits = [*(one.starts_at for one in its_beyond), *(one.starts_at for one in its_wished)]
        due = coverage_due(clinic.times.local_date(min(waits))) if waits else today
        found.append(
            RunningLow(
                coverage=pool.id,
                patient="",
                name="",
                phone=None,
                pool=pool,
                low=its_low,
                beyond=its_beyond,
                wished=its_wished,
                due_on=due,
                seen=_words_of_seen(its_low, its_beyond, its_wished),
            )
        )
    return found


def _asked_of(pools: tuple[Pool, ...], wished: Wished) -> list[int]:
    """Of which pools the payer is to be asked: those for its kind of care, else those for what it would push beyond."""
    asking = [one for one in pools if one.terms.beyond is Beyond.ASK]
    return [one.id for one in asking if wished.modality in one.terms.modalities] or [one.id for one in asking]


def _words_of_seen(low: Low | None, beyond: tuple[BeyondLine, ...], wished: tuple[Wished, ...]) -> str:
    """What is new if it is other than this: nothing left where a little was, an end that comes, another visit beyond, booked or
    wished for.
    """
    left = "" if low is None or low.left is None else "none" if low.left == 0 else "low"
    ends = low.ends.isoformat() if low and low.ends else ""
    asked = [str(one.entry) for one in wished]
    return f"{left} {ends} {','.join([*asked, *sorted(one.reference for one in beyond)])}"[:500]


def _seen(session: Session, numbers: list[int], now: datetime) -> dict[int, str]:
    """What was last seen to of these pools, lately."""
    if not numbers:
        return {}
    wanted = set(numbers)
    changes = session.scalars(
        select(PatientChange)
        .join(Coverage, Coverage.patient_id == PatientChange.patient_id)
        .where(
            Coverage.id.in_(sorted(wanted)),
            PatientChange.what == "coverage_seen",
            PatientChange.at > now - _SEEN_FOR,
        )
        .order_by(PatientChange.id)
    )
    return {one.facts["coverage"]: one.facts["seen"] for one in changes if one.facts["coverage"] in wanted}
