"""The practitioner: today on a phone, the week, time off, the calendar feed."""

from flask import Blueprint

blueprint = Blueprint("practitioner", __name__, url_prefix="/mine")
# Fetched by calendar programs, which sign in nowhere: the address is the key.
feed_blueprint = Blueprint("feed", __name__)

from booking.web.practitioner import calendar, feed, plans, time_off, today, visit  # noqa: E402, F401 - they register their routes.
