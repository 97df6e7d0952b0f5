"""What a change tells: what is another, and nothing else."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from booking.models import Appointment
from booking.services import notices, wording
from booking.services.clinic import present
from booking.services.transaction import run
from booking.services.visits import shaped
from tests.clinics import clinic, practitioner, set_up
from tests.services.making import NINE, booked


@pytest.fixture(autouse=True)
def a_clinic(context: Flask, standing_clock: Any) -> None:
    set_up(clinic(practitioners=[practitioner("ana"), practitioner("ben")]))


def news(**known: Any) -> wording.News:
    """Of a visit with Ana from 9 to 9:30, of which the patient knew this, and else what is so."""
    booked(NINE, practitioner="ana")
    found = present()

    def read(session: Any) -> wording.News:
        appointment = session.query(Appointment).one()
        knew = notices.known_of(appointment, found) | known
        return wording.news(found, shaped(found, appointment), knew)

    return run(read)


def test_another_time_says_which_it_was() -> None:
    told = news(
        old_starts_at=(NINE - timedelta(hours=1)).isoformat(),
        old_ends_at=(NINE - timedelta(minutes=30)).isoformat(),
    )
    assert told.moved
    assert told.said == "Your visit is moved to this time. It was Tuesday, September 15, 2026, 8:00 am."


def test_another_end_alone_is_no_move() -> None:
    told = news(old_ends_at=(NINE + timedelta(hours=1)).isoformat())
    assert told == wording.News(moved=False, said="It now takes until 9:30 am.")


def test_somebody_else_alone_is_no_move() -> None:
    assert news(old_practitioner="ben") == wording.News(False, "It is with Ana now, not with Ben.")


def test_somebody_whom_the_clinic_never_had_is_named_as_far_as_is_known() -> None:
    assert news(old_practitioner="zoe").said == "It is with Ana now, not with zoe."
