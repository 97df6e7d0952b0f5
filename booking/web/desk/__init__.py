"""The front desk: the board, visits, patients, calls."""

from flask import Blueprint

blueprint = Blueprint("desk", __name__, url_prefix="/desk")

from booking.web.desk import board  # noqa: E402, F401 - it registers its routes.
