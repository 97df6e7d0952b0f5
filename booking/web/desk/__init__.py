"""The front desk: the board, visits, patients, calls."""

from flask import Blueprint

blueprint = Blueprint("desk", __name__, url_prefix="/desk")

from booking.web.desk import (  # noqa: E402 - they register their routes.
    actions,  # noqa: F401
    board,  # noqa: F401
    calls,  # noqa: F401
    closing,  # noqa: F401
    coverage,  # noqa: F401
    glance,  # noqa: F401
    messages,  # noqa: F401
    new_plan,  # noqa: F401
    new_visit,  # noqa: F401
    patients,  # noqa: F401
    plans,  # noqa: F401
    series,  # noqa: F401
    time_off,  # noqa: F401
    to_do,  # noqa: F401
    visits,  # noqa: F401
)
