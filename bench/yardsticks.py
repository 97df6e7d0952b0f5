"""Three small apps to measure ours against, on the same server and the same database.

R: one indexed query and a Jinja page of 40 rows. W: a POST that writes 8 rows in one transaction. H: hello, world.
"""

import os
from typing import Any

from flask import Flask, jsonify, render_template, request
from jinja2 import DictLoader
from sqlalchemy import ForeignKey, String, create_engine, event, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

PAGE = """<!doctype html><html lang="en"><title>Rows</title><body><h1>{{ rows|length }} rows</h1><table>
{% for row in rows %}<tr><td>{{ row.id }}</td><td>{{ row.name }}</td><td>{{ row.place }}</td><td>{{ row.words }}</td></tr>
{% endfor %}</table></body></html>"""


class Base(DeclarativeBase):
    pass


class Thing(Base):
    __tablename__ = "yardstick_things"

    id: Mapped[int] = mapped_column(primary_key=True)
    group: Mapped[int] = mapped_column(index=True)
    name: Mapped[str] = mapped_column(String(80))
    place: Mapped[int]
    words: Mapped[str] = mapped_column(String(200))


class Order(Base):
    __tablename__ = "yardstick_orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80))


class Line(Base):
    __tablename__ = "yardstick_lines"

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("yardstick_orders.id"))
    number: Mapped[int]
    words: Mapped[str] = mapped_column(String(200))


def create() -> Flask:
    """The app of all three, on the database in YARDSTICK_DATABASE_URL."""
    app = Flask(__name__)
    # A template by its name is compiled once; one given as a string would be compiled for every request.
    app.jinja_loader = DictLoader({"rows.html": PAGE})
    url = os.environ["YARDSTICK_DATABASE_URL"]
    engine = create_engine(url)
    if url.startswith("sqlite"):
        # The same promises as ours: nothing acknowledged is lost, writers begin at once.
        @event.listens_for(engine, "connect")
        def connected(connection: Any, record: Any) -> None:
            connection.isolation_level = None
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=20000"):
                connection.execute(f"PRAGMA {pragma}")

        @event.listens_for(engine, "begin")
        def began(connection: Any) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE" if request.method == "POST" else "BEGIN")

    @app.get("/read")
    def read() -> str:
        with Session(engine) as session:
            group = int(request.args.get("group", "7"))
            rows = session.scalars(
                select(Thing).where(Thing.group == group).order_by(Thing.id).limit(40)
            ).all()
            return render_template("rows.html", rows=rows)

    @app.post("/write")
    def write() -> Any:
        sent = request.get_json()
        with Session(engine) as session:
            order = Order(name=sent["name"])
            session.add(order)
            session.flush()
            session.add_all(Line(order_id=order.id, number=number, words=sent["name"]) for number in range(7))
            session.commit()
            return jsonify({"id": order.id}), 201

    @app.get("/hello")
    def hello() -> str:
        return "Hello, world"

    return app


def fill(url: str) -> None:
    """The tables, with 4,000 rows to read from."""
    engine = create_engine(url)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all(
            Thing(group=number % 100, name=f"Thing {number}", place=number, words="some words about it " * 3)
            for number in range(4000)
        )
        session.commit()
    engine.dispose()
