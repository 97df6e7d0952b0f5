"""Closing a day: what is listed, what becomes done, and what stays as it is."""

from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from booking.errors import BeyondHorizon, NotChangeable, TooLateToUndo
from booking.models import Appointment, HistoryEntry, Role
from booking.scheduling.status import Status
from booking.services.desk import statuses
from booking.services.desk.closing import Left, close_day, reopen_day, to_come, unsettled
from booking.services.transaction import run
from tests.clinics import clinic, needled, practitioner, rooms, set_up, visit_type
from tests.services.making import NINE, booked, rows
from tests.staffing import hired

TUESDAY = date(2026, 9, 15)

pytestmark = pytest.mark.usefixtures("standing_clock", "context")


def test_a_day_is_closed(standing_clock: Any) -> None:
    offers = ["follow-up", "needles"]
    people = [practitioner("ana", offers=offers), practitioner("ben", offers=offers)]
    set_up(clinic(visit_types=[visit_type(), needled()], practitioners=people, rooms=rooms(4)))
    dana = hired()
    names = ("Arrived", "Started", "Booked", "Needles", "Missed")
    made = {
        name: booked(
            NINE + timedelta(minutes=60 * (number // 2)),
            practitioner=("ana", "ben")[number % 2],
            visit_type="needles" if name == "Needles" else "follow-up",
            email=f"{name}@example.com".lower(),
            first_name=name,
        )
        for number, name in enumerate(names)
    }
    later = booked(
        NINE + timedelta(hours=7), practitioner="ana", email="later@example.com", first_name="Later"
    )
    standing_clock.at(NINE + timedelta(hours=3))
    statuses.arrive(dana, made["Arrived"].reference, key="step-0001")
    statuses.start(dana, made["Started"].reference, key="step-0002")
    statuses.needles_in(dana, made["Needles"].reference, key="step-0003")
    statuses.no_show(dana, made["Missed"].reference, key="step-0004")
    statuses.arrive(dana, later.reference, key="step-0005")

    found = unsettled(dana, TUESDAY)
    assert [(one.name, one.closes, one.needles_in) for one in found] == [
        ("Arrived Lima", True, False),
        ("Started Lima", True, False),
        ("Booked Lima", False, False),
        ("Needles Lima", False, True),
    ]
    closed = close_day(dana, TUESDAY, key="close-0001")
    assert closed.names == ("Arrived Lima", "Started Lima")
    assert close_day(dana, TUESDAY, key="close-0001") == closed
    assert close_day(dana, TUESDAY, key="close-0002").names == ()
    assert to_come(dana, TUESDAY) == 1
    status = {row["first_name"]: row["status"] for row in rows(Appointment)}
    assert status == {
        "Arrived": "fulfilled", "Started": "fulfilled", "Booked": "booked",
        "Needles": "checked-in", "Missed": "noshow", "Later": "arrived",
    }  # fmt: skip
    assert [one.name for one in unsettled(dana, TUESDAY)] == ["Booked Lima", "Needles Lima"]
    # Taken back in one step; what a colleague changed since stays, and is named.
    theo = hired(name="Theo Lind")
    statuses.correct(theo, made["Started"].reference, Status.NOSHOW, reason="Never came", key="fix-0001")
    assert closed.entry_id
    reopened = reopen_day(theo, closed.entry_id, key="reopen-0001")
    assert (reopened.on, reopened.names) == (TUESDAY, ("Arrived Lima",))
    assert [(name, by["by"], by["what"]) for name, by in reopened.changed] == [
        ("Started Lima", "Theo Lind", "corrected")
    ]
    assert reopen_day(dana, closed.entry_id, key="reopen-0002") == reopened
    assert [one.name for one in unsettled(dana, TUESDAY)] == ["Arrived Lima", "Booked Lima", "Needles Lima"]
    with pytest.raises(NotChangeable):
        reopen_day(dana, rows(HistoryEntry)[0]["id"], key="reopen-0003")
    again = close_day(dana, TUESDAY, key="close-0003")
    assert again.names == ("Arrived Lima",) and again.entry_id
    standing_clock.on(minutes=11)
    with pytest.raises(TooLateToUndo):
        reopen_day(dana, again.entry_id, key="reopen-0004")

    run(lambda session: session.execute(update(Appointment).values(penciled=True)))
    assert [(one.name, one.left_as) for one in unsettled(dana, TUESDAY)] == [
        ("Booked Lima", Left.PENCILED),
        ("Needles Lima", Left.NEEDLES_IN),
    ]
    ben = hired(Role.PRACTITIONER, practitioner="ben")
    assert {one.practitioner for one in unsettled(ben, TUESDAY)} == {"Ben"}
    with pytest.raises(BeyondHorizon):
        unsettled(dana, date(9999, 12, 31))
