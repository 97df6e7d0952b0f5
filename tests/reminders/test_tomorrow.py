"""Tomorrow's list by mail: the evening before, once, to who wishes it, with initials only."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from booking.extensions import db
from booking.models import Message, Role
from booking.reminders.worker import Worker
from booking.services.own_day import feed as feeds, tomorrow
from booking.services.staff.who import Who
from tests.clinics import clinic, practitioner, set_up, visit_type
from tests.conftest import StandingClock
from tests.reminders.conftest import drain, messages
from tests.services.making import NINE, booked, rows
from tests.staffing import hired

# Monday, six in the evening in Los Angeles.
EVENING = datetime(2026, 9, 15, 1, 0, tzinfo=UTC)


@pytest.fixture
def ana(context: Flask, standing_clock: StandingClock) -> Who:
    set_up(
        clinic(
            visit_types=[visit_type(name="Acupuncture")],
            practitioners=[practitioner("ana", name="Ana Ruiz"), practitioner("ben")],
        )
    )
    found = hired(Role.PRACTITIONER, practitioner="ana", name="Ana Ruiz", email="ana@clinic.example")
    feeds.wish_tomorrow(found, True, key="wish-a-mail")
    booked(practitioner="ana")
    drain()
    return found


def lists() -> list[dict[str, Any]]:
    return messages(kind="tomorrow")


def test_the_list_goes_at_six_with_initials_and_a_link(ana: Who, standing_clock: StandingClock) -> None:
    standing_clock.at(EVENING - timedelta(minutes=1))
    assert tomorrow.write_due() == 0
    standing_clock.at(EVENING)
    assert tomorrow.write_due() == 1 and tomorrow.write_due() == 0
    drain()
    (sent,) = lists()
    assert sent["state"] == "sent" and sent["address"] == "ana@clinic.example"
    assert sent["subject"] == f"tomorrow/{ana.account_id}/2026-09-15"
    assert "9:00 am – 9:30 am" in sent["sent_text"] and "R. L., Room 1" in sent["sent_text"]
    assert "/mine/week/2026-09-15" in sent["sent_text"]
    assert not any(word in sent["sent_text"] for word in ("Rosa", "Lima", "Acupuncture"))


def test_the_worker_writes_it(ana: Who, context: Flask, standing_clock: StandingClock) -> None:
    standing_clock.at(EVENING + timedelta(minutes=5))
    worker = Worker(context, "first")
    worker.tidy()
    worker.tick()
    worker.tidy()
    assert [row["state"] for row in lists()] == ["sent"]


def test_it_says_what_is_so_when_it_goes(ana: Who, standing_clock: StandingClock) -> None:
    second = booked(NINE + timedelta(hours=1), practitioner="ana", first_name="Noor", email="n@example.com")
    standing_clock.at(EVENING)
    tomorrow.write_due()
    cancelled(second.reference)
    drain()
    (sent,) = lists()
    assert "R. L." in sent["sent_text"] and "N. L." not in sent["sent_text"]


def test_a_day_that_has_become_empty_is_told_to_nobody(ana: Who, standing_clock: StandingClock) -> None:
    standing_clock.at(EVENING)
    tomorrow.write_due()
    for row in rows(Message):
        if row["kind"] == "confirmation":
            cancelled(row["subject"].removeprefix("appointment/"))
    drain()
    assert [row["state"] for row in lists()] == ["dropped"]


def test_who_doesnt_wish_it_any_more_gets_none(ana: Who, standing_clock: StandingClock) -> None:
    standing_clock.at(EVENING)
    tomorrow.write_due()
    feeds.wish_tomorrow(ana, False, key="no-more-mail")
    drain()
    assert [(row["state"], row["last_error"]) for row in lists()] == [
        ("dropped", "It isn't wished any more.")
    ]


def test_an_account_that_ended_gets_none(ana: Who, standing_clock: StandingClock) -> None:
    with db.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE staff_accounts SET active = false")
    standing_clock.at(EVENING)
    assert tomorrow.write_due() == 0


def test_a_free_day_is_no_mail(ana: Who, standing_clock: StandingClock) -> None:
    standing_clock.at(EVENING + timedelta(days=1))
    assert tomorrow.write_due() == 0


def cancelled(reference: str) -> None:
    """Cancels a visit past its cut-off, as the desk would."""
    with db.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE appointments SET status = 'cancelled', version = version + 1 WHERE reference = '{reference}'")  # fmt: skip
