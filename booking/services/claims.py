"""How resources are locked, taken and given back.

These are parts of use cases: they receive the session of an open transaction and never commit. Whoever takes cells
locks the resources first, once, in sorted order; so does whoever gives cells back.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, bindparam, delete, exists, or_, select, update
from sqlalchemy.orm import Session

from booking.models import Absence, Appointment, Claim, Hold, Resource, ResourceKind
from booking.scheduling.offers import Use
from booking.scheduling.timeline import Window, stretches
from booking.services import rows
from booking.services.occupancies import ABSENT_WITHIN

# Every booking says these, so they are put together once. What a session has not flushed yet doesn't matter to them.
_WANTED = Resource.id.in_(bindparam("ids", expanding=True))
_LOCK = (
    select(Resource.id, Resource.version)
    .where(_WANTED)
    .order_by(Resource.id)
    # Without the key: a row that refers to a resource, such as a claim, need not wait for this lock.
    .with_for_update(of=Resource, key_share=True)
)
_BUMP = update(Resource).where(_WANTED).values(version=Resource.version + 1)
_USES = (
    select(Claim.resource_id, Claim.from_cell, Claim.to_cell, Claim.before, Claim.after)
    .where(Claim.appointment_id == bindparam("id"))
    .order_by(Claim.resource_id, Claim.from_cell)
)
_GIVEN_UP = delete(Claim).where(Claim.appointment_id == bindparam("id"))
_MEETING = select(Absence.id, Absence.resource_id, Absence.from_cell, Absence.to_cell).where(ABSENT_WITHIN)


class Stretch(NamedTuple):
    """Some cells of one resource."""

    resource_id: int
    from_cell: int
    to_cell: int


class Waiting(NamedTuple):
    """An absence that takes what comes free in its cells: of one resource, or of all practitioners (None)."""

    id: int
    resource_id: int | None
    from_cell: int
    to_cell: int


def lock(session: Session, resource_ids: Iterable[int]) -> dict[int, int]:
    """Locks these resources until the transaction ends and returns their versions as they are now.

    PostgreSQL locks the rows, in the order of their ids, so that two transactions never wait for each other. On
    SQLite the transaction has the only write lock already.
    """
    rows = session.connection().execute(_LOCK, {"ids": sorted(set(resource_ids))})
    return {resource_id: version for resource_id, version in rows}


def bump(session: Session, resource_ids: Iterable[int]) -> None:
    """Tells every process that what it has kept about these resources, which are locked, is out of date.

    They must be: an update alone would lock them in whatever order it meets them, and two transactions could wait for
    each other.
    """
    session.connection().execute(_BUMP, {"ids": sorted(set(resource_ids))})


def take(
    session: Session, uses: Sequence[Use], *, appointment_id: int | None = None, hold_id: int | None = None
) -> None:
    """Claims the cells of `uses` for one appointment or hold. The database refuses an overlap (SlotTaken)."""
    rows.add_all(session, Claim, (_claim(use, appointment_id, hold_id) for use in uses))


def take_for_several(session: Session, taken: Mapping[int, Iterable[Use]]) -> None:
    """The same for several appointments at once, by their ids: one statement."""
    rows.add_all(session, Claim, (_claim(use, owner, None) for owner, uses in taken.items() for use in uses))


def _claim(use: Use, appointment_id: int | None, hold_id: int | None) -> rows.Row:
    return {
        "resource_id": use.resource_id,
        "from_cell": use.from_cell,
        "to_cell": use.to_cell,
        "before": use.before,
        "after": use.after,
        "appointment_id": appointment_id,
        "hold_id": hold_id,
    }


def uses_of(session: Session, appointment: Appointment) -> tuple[Use, ...]:
    """What a visit has taken, in order; the patient's own claim is among it."""
    return tuple(Use(*row) for row in session.connection().execute(_USES, {"id": appointment.id}))


def uses_of_all(session: Session, appointments: Iterable[Appointment]) -> dict[int, list[Use]]:
    """The same of several visits, by their ids; one statement."""
    found: dict[int, list[Use]] = {one.id: [] for one in appointments}
    claimed = (Claim.resource_id, Claim.from_cell, Claim.to_cell, Claim.before, Claim.after)
    wanted = select(Claim.appointment_id, *claimed).where(Claim.appointment_id.in_(found))
    for visit_id, *use in session.execute(wanted.order_by(Claim.resource_id, Claim.from_cell)):
        found[visit_id].append(Use(*use))
    return found


def uses_again(session: Session, appointment: Appointment, kept: Iterable[Sequence[int]]) -> list[Use]:
    """What a visit had taken, as it was kept. The time of its patient is that of the record it belongs to by now: two may have
    been merged, or taken apart, since.
    """
    uses = [Use(*use) for use in kept]
    which = Resource.id.in_({use.resource_id for use in uses})
    patients = set(session.scalars(select(Resource.id).where(which, Resource.kind == ResourceKind.PATIENT)))
    return [
        use._replace(resource_id=appointment.patient_id) if use.resource_id in patients else use
        for use in uses
    ]


def taken_by(session: Session, appointment_ids: Iterable[int]) -> list[int]:
    """The resources that these visits take, for whoever wants to lock them together with others."""
    return list(
        session.scalars(
            select(Claim.resource_id).where(Claim.appointment_id.in_(list(appointment_ids))).distinct()
        )
    )


def held_by(session: Session, hold_ids: Iterable[int]) -> list[int]:
    """The resources that these holds keep, for whoever wants to lock them together with others."""
    ids = list(hold_ids)
    if not ids:
        return []
    return list(session.scalars(select(Claim.resource_id).where(Claim.hold_id.in_(ids)).distinct()))


def give_back(session: Session, *, appointment_id: int) -> None:
    """Frees the cells of an appointment; time off and closures that waited for them take them at once."""
    _free(session, Claim.appointment_id == appointment_id)


def exchange(
    session: Session,
    has: Sequence[Use],
    uses: Sequence[Use],
    *,
    appointment_id: int,
    absences_before: datetime | None = None,
) -> None:
    """Gives an appointment the claims `uses` instead of those it `has`. What it keeps stays its own, whatever absence
    waits for it; the rest goes to absences that wanted it.

    `absences_before`: absences made before this instant give up what is wanted, for a visit that stood inside one and
    comes back. The resources, old and new, are locked. The database refuses an overlap (SlotTaken).
    """
    given_up = [Stretch(use.resource_id, use.from_cell, use.to_cell) for use in has]
    session.connection().execute(_GIVEN_UP, {"id": appointment_id})
    if absences_before is not None:
        given_up += _out_of_absences(session, uses, absences_before)
    take(session, uses, appointment_id=appointment_id)
    fill_absences(session, given_up)
    bump(session, {stretch.resource_id for stretch in given_up} | {use.resource_id for use in uses})


def meeting(uses: Iterable[Use]) -> ColumnElement[bool]:
    """Claims that overlap with any of these uses, of which there is one at least."""
    return or_(
        *(
            and_(
                Claim.resource_id == use.resource_id,
                Claim.to_cell > use.from_cell,
                Claim.from_cell < use.to_cell,
            )
            for use in uses
        )
    )


def _out_of_absences(session: Session, uses: Sequence[Use], made_before: datetime) -> list[Stretch]:
    """Frees what older absences have claimed where these uses are to be; returns all that was freed."""
    freed = []
    for use in uses:
        met = (
            select(Claim.id, Claim.resource_id, Claim.from_cell, Claim.to_cell)
            .join(Absence, Absence.id == Claim.absence_id)
            .where(meeting([use]), Absence.made_at <= made_before)
        )
        for claim_id, *stretch in session.execute(met).all():
            session.execute(delete(Claim).where(Claim.id == claim_id))
            freed.append(Stretch(*stretch))
    return freed


def drop_holds(session: Session, hold_ids: Iterable[int]) -> None:
    """Ends these holds and frees what they held, for absences that were entered meanwhile as well."""
    ids = list(hold_ids)
    if ids:
        _free(session, Claim.hold_id.in_(ids))
        session.execute(delete(Hold).where(Hold.id.in_(ids)))


def free_lapsed(session: Session, hold_ids: Iterable[int], locked: Iterable[int]) -> None:
    """Frees what lapsed holds keep of resources that are locked already. What they keep of others is for whoever wants
    it, and for `forget_lapsed`.
    """
    ids = list(hold_ids)
    if ids:
        _free(session, and_(Claim.hold_id.in_(ids), Claim.resource_id.in_(list(locked))))
        empty = ~exists().where(Claim.hold_id == Hold.id)
        session.execute(
            delete(Hold).where(Hold.id.in_(ids), empty).execution_options(synchronize_session=False)
        )


def free_lapsed_in(session: Session, uses: Sequence[Use], now: datetime) -> None:
    """Frees what lapsed holds keep of these cells, whose resources are locked."""
    lapsed: set[int] = set()
    for use in uses:
        lapsed |= set(
            session.scalars(
                select(Claim.hold_id)
                .join(Hold, Hold.id == Claim.hold_id)
                .where(meeting([use]), Hold.lapses_at <= now)
            )
        )
    free_lapsed(session, lapsed, {use.resource_id for use in uses})


def forget_lapsed(session: Session, lapsed_before: datetime) -> None:
    """Ends holds that lapsed before an instant and that nobody's wishes have cleared away."""
    drop_holds(
        session, session.scalars(select(Hold.id).where(Hold.lapses_at < lapsed_before).limit(500)).all()
    )


def _free(session: Session, which: ColumnElement[bool]) -> None:
    freed = [
        Stretch(*row)
        for row in session.execute(select(Claim.resource_id, Claim.from_cell, Claim.to_cell).where(which))
    ]
    # Locked first, so that an absence that is entered at this moment is seen here, or sees what is free.
    resource_ids = {stretch.resource_id for stretch in freed}
    lock(session, resource_ids)
    session.execute(delete(Claim).where(which).execution_options(synchronize_session=False))
    fill_absences(session, freed)
    bump(session, resource_ids)


def fill_absences(session: Session, freed: Sequence[Stretch]) -> None:
    """Lets the absences of these resources claim whatever is free in the stretches and lies inside them."""
    if not freed:
        return
    hull = {
        "start": min(stretch.from_cell for stretch in freed),
        "end": max(stretch.to_cell for stretch in freed),
    }
    # Sorted here: asked for in the order of ids, SQLite would read them all.
    absences = sorted(Waiting(*row) for row in session.connection().execute(_MEETING, hull))
    if not absences:
        return
    kinds = {
        resource_id: kind
        for resource_id, kind in session.execute(
            select(Resource.id, Resource.kind).where(
                Resource.id.in_({stretch.resource_id for stretch in freed})
            )
        )
    }
    for stretch in freed:
        for absence in absences:
            closure = absence.resource_id is None and kinds[stretch.resource_id] is ResourceKind.PRACTITIONER
            if closure or absence.resource_id == stretch.resource_id:
                _fill(session, absence, stretch)


def _fill(session: Session, absence: Waiting, stretch: Stretch) -> None:
    from_cell, to_cell = max(stretch.from_cell, absence.from_cell), min(stretch.to_cell, absence.to_cell)
    if from_cell >= to_cell:
        return
    window = Window.of(from_cell, to_cell)
    free = window.full
    for claimed_from, claimed_to in session.execute(
        select(Claim.from_cell, Claim.to_cell).where(
            Claim.resource_id == stretch.resource_id, Claim.to_cell > from_cell, Claim.from_cell < to_cell
        )
    ):
        free &= ~window.stretch(claimed_from, claimed_to)
    filled = (
        {
            "resource_id": stretch.resource_id,
            "from_cell": window.start + first,
            "to_cell": window.start + last,
            "before": 0,
            "after": 0,
            "absence_id": absence.id,
        }
        for first, last in stretches(free)
    )
    rows.add_all(session, Claim, filled)
