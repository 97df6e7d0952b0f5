"""Time off, closures, and rooms or devices out of use: entered and taken back.

An absence never moves a visit. It takes what is free at once, and each visit inside it gives its cells over when it
is moved or cancelled (`claims.fill_absences`).
"""

from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from booking import clock
from booking.models import Absence, AbsenceKind, Claim, Hold, Practitioner
from booking.services import claims, rows


def enter(
    session: Session,
    kind: AbsenceKind,
    resource_id: int | None,
    from_cell: int,
    to_cell: int,
    *,
    reason: str = "",
    file_key: str | None = None,
    account_id: int | None = None,
) -> Absence:
    """Makes an absence of a resource, or with None a closure of the whole clinic, and claims what is free of it."""
    taken = _taken_by(session, resource_id)
    claims.lock(session, taken)
    claims.free_lapsed(session, _lapsed_holds(session, from_cell, to_cell), taken)
    absence = Absence(
        kind=kind,
        resource_id=resource_id,
        from_cell=from_cell,
        to_cell=to_cell,
        reason=reason,
        file_key=file_key,
        account_id=account_id,
        made_at=clock.now(),
    )
    rows.add(session, absence)
    claims.fill_absences(session, [claims.Stretch(each, from_cell, to_cell) for each in taken])
    claims.bump(session, taken)
    return absence


def take_back(session: Session, absence: Absence) -> None:
    """Ends an absence: its cells are free again, unless another absence wants them."""
    taken = _taken_by(session, absence.resource_id)
    claims.lock(session, taken)
    session.execute(delete(Claim).where(Claim.absence_id == absence.id))
    session.delete(absence)
    session.flush()
    claims.fill_absences(
        session, [claims.Stretch(each, absence.from_cell, absence.to_cell) for each in taken]
    )
    claims.bump(session, taken)


def _lapsed_holds(session: Session, from_cell: int, to_cell: int) -> Sequence[int]:
    """Holds that bind nobody any more, and whose cells nobody has cleared away yet."""
    lapsed = select(Hold.id).where(
        Hold.to_cell > from_cell, Hold.from_cell < to_cell, Hold.lapses_at <= clock.now()
    )
    return session.scalars(lapsed).all()


def _taken_by(session: Session, resource_id: int | None) -> Sequence[int]:
    if resource_id is not None:
        return [resource_id]
    return session.scalars(select(Practitioner.id).order_by(Practitioner.id)).all()
