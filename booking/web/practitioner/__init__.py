"""The practitioner: today on a phone, the week, time off, the calendar feed."""

from flask import Blueprint

blueprint = Blueprint("practitioner", __name__, url_prefix="/mine")
