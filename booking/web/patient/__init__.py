"""The patient's pages: from the start page to a booked visit, and the link that opens it again."""

from flask import Blueprint

blueprint = Blueprint("patient", __name__)

from booking.web.patient import (  # noqa: E402, F401 - they register their routes.
    booking,
    links,
    plan_later,
    plan_make_up,
    plan_reminders,
    plans,
    start,
    together,
    visit,
    weekly,
)
