"""The clinic of most tests at the desk: two practitioners who give a plain visit and one with needles."""

from typing import Any

import pytest

from tests.clinics import clinic, needled, practitioner, set_up, visit_type


@pytest.fixture
def the_clinic(context: Any, standing_clock: Any) -> None:
    offers = ["follow-up", "needles"]
    set_up(
        clinic(
            visit_types=[visit_type(), needled()],
            practitioners=[practitioner("ana", offers=offers), practitioner("ben", offers=offers)],
        )
    )
