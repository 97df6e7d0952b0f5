"""What every request of a page asks: one statement, answered by the driver itself.

A session, a connection object and a transaction cost several times what such a statement costs. Here it is put into
words once for a database, goes to the driver as it is, without a transaction around it, and the connection goes back to
the pool. For single statements that read, and nothing else; everything else is `transaction`'s business.
"""

from collections import namedtuple
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from sqlalchemy import CompoundSelect, Engine, Select
from sqlalchemy.exc import TimeoutError as PoolTimeout

from booking.errors import Busy
from booking.extensions import db

_Convert = Callable[[Any], Any]


class Lookup:
    """A statement with parameters. `lookup(mark="…")` answers one row as a named tuple, or None; `lookup.all()` all rows.

    Columns come out as their types say. Raises Busy when the database can't be reached.
    """

    def __init__(self, statement: Select[Any] | CompoundSelect[Any]) -> None:
        self._statement = statement
        self._prepared: dict[str, _Prepared] = {}

    def __call__(self, **values: Any) -> Any:
        found = self.all(**values)
        return found[0] if found else None

    def all(self, **values: Any) -> list[Any]:
        engine = db.engine
        prepared = self._prepared.get(engine.dialect.name)
        if prepared is None:
            prepared = self._prepared[engine.dialect.name] = _Prepared(self._statement, engine)
        try:
            connection = engine.raw_connection()
            try:
                with prepared.alone(connection.driver_connection):
                    cursor = connection.cursor()
                    cursor.execute(prepared.words, prepared.given(values))
                    rows = cursor.fetchall()
                    cursor.close()
            except prepared.fault as fault:
                # Whatever it is, this connection answers nobody any more.
                connection.invalidate(fault)
                raise
            finally:
                connection.close()
        except (prepared.fault, PoolTimeout) as fault:
            raise Busy(retry_after=5) from fault
        return [prepared.read(row) for row in rows]


class _Prepared:
    """A statement in the words of one kind of database."""

    def __init__(self, statement: Select[Any] | CompoundSelect[Any], engine: Engine) -> None:
        dialect = engine.dialect
        compiled = statement.compile(dialect=dialect)
        self.words = str(compiled)
        self.fault: type[Exception] = dialect.loaded_dbapi.Error
        self.alone = _without_transaction if dialect.name == "postgresql" else nullcontext
        self._constants = dict(compiled.params)
        self._writing = {
            name: convert
            for bound, name in compiled.bind_names.items()
            if (convert := bound.type.dialect_impl(dialect).bind_processor(dialect)) is not None
        }
        self._order = compiled.positiontup
        # Named as the statement names its columns.
        names = [column.key or "" for column in statement.selected_columns]
        self._found: Any = _row_of(names)
        self._reading: list[_Convert | None] = [
            column.type.dialect_impl(dialect).result_processor(dialect, None)
            for column in statement.selected_columns
        ]

    def read(self, row: Any) -> Any:
        return self._found._make(
            [
                value if convert is None else convert(value)
                for value, convert in zip(row, self._reading, strict=True)
            ]
        )

    def given(self, values: dict[str, Any]) -> Any:
        known = self._constants | values
        for name, convert in self._writing.items():
            known[name] = convert(known[name])
        return known if self._order is None else tuple([known[name] for name in self._order])


@contextmanager
def _without_transaction(connection: Any) -> Iterator[None]:
    """Beginning and ending a transaction would be two more ways to the server. SQLite's driver begins none by itself."""
    connection.set_autocommit(True)
    try:
        yield
    finally:
        if not connection.closed:
            connection.set_autocommit(False)


def _row_of(names: list[str]) -> Any:
    return namedtuple("Found", names, rename=True)
