"""New rows, written at once: one statement for each table.

A booking writes ten rows. SQLAlchemy's unit of work, which finds out by itself what has to be written before what,
would cost more than the rest of the booking; here that order is plain to see anyway.
"""

from collections.abc import Iterable
from functools import cache
from typing import Any

from sqlalchemy import Insert, insert, inspect
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from booking.models.base import Base

Row = dict[str, Any]


def add(session: Session, row: Base) -> None:
    """Inserts a new row, and gives the object its id and its defaults.

    The object doesn't belong to the session: what is changed in it later is not written.
    """
    given = vars(row)
    for statement in _inserts(type(row)):
        names = statement.table.columns.keys()
        values = {name: given[name] for name in names if name in given}
        result = session.connection().execute(statement, values)
        made: Row = result.inserted_primary_key._asdict()  # type: ignore[union-attr]
        for name, value in (result.last_inserted_params() | made).items():  # type: ignore[operator]
            if name not in given:
                set_committed_value(row, name, value)


def add_all(session: Session, kind: type[Base], rows: Iterable[Row]) -> None:
    """Inserts rows that nobody needs as objects, all of the same columns, of a model with one table."""
    rows = list(rows)
    if rows:
        (statement,) = _inserts(kind)
        session.connection().execute(statement, rows)


def add_many(session: Session, kind: type[Base], rows: list[Row]) -> list[int]:
    """Inserts rows, all of the same columns, of a model with one table; returns their ids, in no particular order."""
    (statement,) = _inserts(kind)
    (key,) = statement.table.primary_key
    return list(session.connection().scalars(statement.returning(key), rows))


@cache
def _inserts(kind: type[Base]) -> tuple[Insert, ...]:
    """The model's tables, the one that others refer to first."""
    return tuple(insert(table) for table in inspect(kind).tables)
