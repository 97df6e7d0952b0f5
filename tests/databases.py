"""Databases of the tests' own: a fresh one for each test, on SQLite and on PostgreSQL.

Both are built by the migrations, once; each test gets a copy, which bears the same name in each test of a process (`renewed`), so
that an application that was made for it serves the next test as well. PostgreSQL is a private cluster in a temporary folder,
reachable by a socket only, unless TEST_DATABASE_URL names a server whose role may create databases.
"""

import atexit
import os
import pwd
import secrets
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from glob import glob
from pathlib import Path

import psycopg
from flask_migrate import upgrade
from sqlalchemy import make_url

from booking.app import create_app
from booking.extensions import db

SETTINGS = {
    "BOOKING_SECRET_KEY": "a secret for tests only, of 32 or more",
    "BOOKING_LINK_KEY": "a link key for tests only, of 32 or so",
    "BOOKING_BASE_URL": "http://visits.example",
    "BOOKING_INSTANCE": "tests",
}


_memory: Path | None = Path("/dev/shm")


def on_disk() -> None:
    """Puts databases on a disk, as a clinic's are. Said before the first is made: benchmarks do, tests needn't wait."""
    global _memory
    _memory = None


def _place() -> Path | None:
    """In memory, where there is room for a few thousand small databases: a new one costs 25 ms there instead of 500."""
    if _memory is not None and os.access(_memory, os.W_OK) and shutil.disk_usage(_memory).free > 2**30:
        return _memory
    # Root's own temporary folder may be closed to the user whom root starts PostgreSQL as.
    return Path("/tmp") if os.getuid() == 0 else None


@cache
def _folder() -> Path:
    """A temporary folder of this process, which the cluster's own user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="booking-tests-", dir=_place()))
    folder.chmod(0o755)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _migrated(url: str) -> None:
    app = create_app(
        SETTINGS | {"BOOKING_DATABASE_URL": url}, instance_path=str(_folder() / "template-instance")
    )
    with app.app_context():
        upgrade()
        db.engine.dispose()


@cache
def _sqlite_template() -> Path:
    template = _folder() / "template.sqlite3"
    _migrated(f"sqlite:///{template}")
    # The file alone is the database: nothing is left in its log.
    connection = sqlite3.connect(template)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.execute("PRAGMA journal_mode=DELETE")
    connection.close()
    return template


@contextmanager
def renewed(kind: str, template: str = "") -> Iterator[str]:
    """The URL of this process's own database of a kind, as fresh as new, or as one that was kept. It is the same each
    time.
    """
    if kind == "postgresql" and not template and _emptied():
        yield url_of(f"booking_test_{_OWN}")
        return
    with {"sqlite": sqlite, "postgresql": _own_postgresql}[kind](template, name=_OWN) as url:
        yield url


_OWN = f"own_{secrets.token_hex(4)}"


@contextmanager
def _own_postgresql(template: str, *, name: str) -> Iterator[str]:
    """Made anew for this test. It stays, for the next one, which may only have to empty it."""
    global made_anew
    name = f"booking_test_{name}"
    administer(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    administer(_copy(name, template or _postgresql_template()))
    made_anew += 1
    yield url_of(name)
    if template:
        administer(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


# How often, or how often all who were connected were sent away: connections from before are of no use.
made_anew = 0
_emptied_so_often = 0


def _emptied() -> bool:
    """Empties this process's own database, if a test has left one that only has other rows than a new one: that takes a
    quarter of what a new one does. Says whether there is one.
    """
    global _emptied_so_often
    # Of rows that were deleted something stays.
    if (_emptied_so_often := _emptied_so_often + 1) % 100 == 0:
        return False
    try:
        connection = _to_own()
        if _shape(connection) != _shape_of_new():
            return False
        connection.execute(_said_to_empty())
        return True
    except psycopg.OperationalError:
        # There is none yet, or it was made anew since.
        _to_own.cache_clear()
        return False


@cache
def _to_own() -> psycopg.Connection[tuple[object, ...]]:
    connection = _connect(f"booking_test_{_OWN}")
    atexit.register(connection.close)
    return connection


def _connect(name: str) -> psycopg.Connection[tuple[object, ...]]:
    """To a database on the server, with each statement a transaction of its own."""
    url = make_url(_server()).set(database=name).render_as_string(hide_password=False)
    return psycopg.connect(url, autocommit=True)


@cache
def _shape_of_new() -> object:
    """Of the template, which each new one is a copy of. Emptying takes a superuser: without one it is nobody's shape."""
    with _connect(_postgresql_template()) as connection:
        return _shape(connection) if connection.info.parameter_status("is_superuser") == "on" else None


def _shape(connection: psycopg.Connection[tuple[object, ...]]) -> tuple[object, ...] | None:
    """How many tables, columns, constraints and triggers there are, and which of them was changed last: any change of
    them, also one that was taken back, makes another shape. And how far it is migrated.
    """
    catalogs = ("pg_class", "pg_attribute", "pg_constraint", "pg_trigger", "pg_proc", "alembic_version")
    newest = ", ".join(f"(SELECT (count(*), max(xmin::text::bigint)) FROM {catalog})" for catalog in catalogs)
    return connection.execute(f"SELECT {newest}").fetchone()  # type: ignore[arg-type]


@cache
def _said_to_empty() -> str:
    """What is said to a database to empty it: nobody else is at work, no row is left, and all counting begins at one."""
    with _connect(_postgresql_template()) as connection:
        named = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = "
        tables = [name for (name,) in connection.execute(named + "'r'") if name != "alembic_version"]
        counters = [name for (name,) in connection.execute(named + "'S'")]
    return "; ".join(
        [
            # Those that rest in a pool may stay.
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND state <> 'idle'",
            # Without the guards, and in any order.
            "SET session_replication_role = replica",
            *(f"DELETE FROM {name}" for name in tables),
            *(f"SELECT setval('{name}', 1, false)" for name in counters),
        ]
    )


def keep(url: str) -> str:
    """Keeps a database as it stands, as a template for others, until the process ends. Nobody may be connected to it."""
    made = make_url(url)
    kept = f"booking_kept_{secrets.token_hex(4)}"
    if made.drivername == "sqlite":
        path = _folder() / f"{kept}.sqlite3"
        connection = sqlite3.connect(str(made.database))
        connection.execute("VACUUM INTO ?", (str(path),))
        connection.close()
        return str(path)
    global made_anew
    administer(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{made.database}'")
    made_anew += 1
    administer(_copy(kept, str(made.database)))
    atexit.register(administer, f"DROP DATABASE IF EXISTS {kept} WITH (FORCE)")
    return kept


@contextmanager
def sqlite(template: str = "", *, name: str = "") -> Iterator[str]:
    """The URL of a fresh SQLite database, or of a copy of another."""
    path = _folder() / f"{name or secrets.token_hex(6)}.sqlite3"
    shutil.copyfile(template or _sqlite_template(), path)
    try:
        yield f"sqlite:///{path}"
    finally:
        for leftover in glob(f"{path}*"):
            os.unlink(leftover)


_kept: Path | None = None


def keep_cluster_in(folder: Path) -> None:
    """Lets the private cluster live in this folder, where it stays when the process ends. Said before it is used."""
    global _kept
    _kept = folder


@cache
def _server() -> str:
    """The URL of a PostgreSQL server for tests, without a database's name."""
    given = os.environ.get("TEST_DATABASE_URL")
    if not given:
        return _own_cluster(_kept or _folder() / "postgresql")
    return make_url(given).set(drivername="postgresql").render_as_string(hide_password=False)


def _initdb() -> str:
    """The newest of Debian's, which stand outside the PATH, or the one that is in it."""
    installed = glob("/usr/lib/postgresql/*/bin/initdb")
    newest = (
        max(installed, key=lambda path: float(path.split("/")[4])) if installed else shutil.which("initdb")
    )
    if not newest:
        raise RuntimeError("PostgreSQL is missing; run `make test`, which installs it or says how.")
    return newest


def _own_cluster(folder: Path) -> str:
    initdb = _initdb()
    server = str(Path(initdb).with_name("postgres"))
    folder.mkdir(parents=True, exist_ok=True)
    # PostgreSQL refuses to run as root.
    as_user = (
        ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []
    )
    user = "postgres" if as_user else pwd.getpwuid(os.getuid()).pw_name
    if as_user:
        shutil.chown(folder, "postgres", "postgres")
    data = folder / "data"
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    if not data.exists():
        subprocess.run(
        [*as_user, initdb, "-D", str(data), "-U", user, "-A", "trust", "--no-sync", "-E", "UTF8"],
        check=True, stdout=subprocess.DEVNULL, cwd="/", env=environment,
        )  # fmt: skip
    options = ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off",
               "-c", "listen_addresses=", "-c", f"unix_socket_directories={folder}", "-c", "max_connections=200",
               "-c", "shared_buffers=128MB", "-c", "log_min_messages=fatal"]  # fmt: skip
    if _kept is None:
        # Databases that live for a moment needn't be tidied.
        options += ["-c", "autovacuum=off"]
    # The server outlives nobody: its guardian reads from us, and reads nothing more when we are gone, however we went.
    guardian = subprocess.Popen(
        [*as_user, "sh", "-c", '"$@" <&- & read gone; kill -QUIT $!; wait', "sh", server, "-D", str(data), *options],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", env=environment,
        start_new_session=True,
    )  # fmt: skip

    def stop() -> None:
        if guardian.stdin:
            guardian.stdin.close()
        guardian.wait(20)

    atexit.register(stop)
    url = f"postgresql://{user}@/postgres?host={folder}"
    for _ in range(200):
        try:
            psycopg.connect(url, connect_timeout=2).close()
            return url
        except psycopg.OperationalError:
            if guardian.poll() is not None:
                raise
            time.sleep(0.05)
    raise RuntimeError("The tests' PostgreSQL did not start.")


def administer(statement: str, *values: object) -> list[tuple[object, ...]]:
    """Says a statement to the server itself, outside any database of ours. Returns what it gives."""
    with psycopg.connect(_server(), autocommit=True) as connection:
        answer = connection.execute(statement, values or None)
        return answer.fetchall() if answer.description else []


def url_of(name: str) -> str:
    """The URL of a database on the server."""
    return (
        make_url(_server())
        .set(drivername="postgresql+psycopg", database=name)
        .render_as_string(hide_password=False)
    )


def _copy(name: str, template: str) -> str:
    return f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy"


@cache
def _postgresql_template() -> str:
    name = f"booking_template_{secrets.token_hex(4)}"
    administer(f"CREATE DATABASE {name}")
    atexit.register(administer, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    _migrated(url_of(name))
    return name


@contextmanager
def postgresql(template: str = "", *, name: str = "") -> Iterator[str]:
    """The URL of a fresh PostgreSQL database, or of a copy of another."""
    name = f"booking_test_{name or secrets.token_hex(6)}"
    administer(_copy(name, template or _postgresql_template()))
    try:
        yield url_of(name)
    finally:
        administer(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@contextmanager
def unmigrated(kind: str) -> Iterator[str]:
    """The URL of a database in which there is nothing yet."""
    if kind == "sqlite":
        with tempfile.TemporaryDirectory(dir=_folder()) as folder:
            yield f"sqlite:///{folder}/new.sqlite3"
        return
    name = f"booking_test_{secrets.token_hex(6)}"
    administer(f"CREATE DATABASE {name}")
    try:
        yield url_of(name)
    finally:
        administer(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port
