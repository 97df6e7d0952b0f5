"""The JSON API, version 1: what a patient's page can do, for programs."""

from flask import Blueprint

blueprint = Blueprint("api", __name__, url_prefix="/api/v1")

from booking.web.api import appointments, clinic, documents, plans  # noqa: E402, F401 - they register their routes.
