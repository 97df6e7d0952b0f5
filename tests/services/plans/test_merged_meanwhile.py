"""A record that a colleague merges between the moment when it is read and that when something is booked for it."""

from typing import Any

import pytest

from booking.models import Appointment, Patient, PlanReminders, Reminders
from booking.services.desk import merging
from booking.services.plans import series_booking
from booking.services.plans.series import Series, Slot
from tests.clinics import plan_clinic, set_up
from tests.services.making import rows
from tests.services.plans.making import BOTH, FIRST_DAY, patient
from tests.staffing import hired

pytestmark = pytest.mark.usefixtures("standing_clock", "context")


def test_a_series_is_booked_for_the_record_of_which_theirs_is_a_part_by_now(monkeypatch: Any) -> None:
    set_up(plan_clinic())
    stays, goes = patient(), patient("Rosalinda", "other@example.com")
    wanted = Series((Slot("acupuncture-follow-up", 1, 9 * 60),), FIRST_DAY, 2)
    seen = series_booking.preview_for(hired(), goes, wanted, BOTH)
    book = series_booking.book

    def late(*args: Any, **kwargs: Any) -> Any:
        merging.merge(hired(), stays, goes, stays_version=1, goes_version=1, key="merge-0001")
        return book(*args, **kwargs)

    monkeypatch.setattr(series_booking, "book", late)
    series_booking.book_for(
        hired(), goes, wanted, seen.visits, name="Weekly", returning=BOTH, reminders=Reminders.EMAIL,
        text_consent=False, reminded_of=PlanReminders.BOTH, key="series-1",
    )  # fmt: skip
    (standing,) = (one["id"] for one in rows(Patient) if one["merged_into_id"] is None)
    assert [one["patient_id"] for one in rows(Appointment)] == [standing] * 2
