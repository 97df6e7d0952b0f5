"""A practitioner's own time off."""

from flask import redirect, url_for
from flask.typing import ResponseReturnValue

from booking.services.own_day import time_off as use_cases
from booking.web import access, asked, time_off as shared
from booking.web.practitioner import blueprint
from booking.web.time_off import TimeOffForm


@blueprint.get("/time-off")
def time_off() -> ResponseReturnValue:
    return _page(shared.blank())


@blueprint.post("/time-off")
def enter_time_off() -> ResponseReturnValue:
    form = TimeOffForm()
    if not shared.entered(form, _own()):
        return _page(form, 422)
    return redirect(url_for("practitioner.time_off"), 303)


@blueprint.post("/time-off/<int:number>/take-back")
def take_back_time_off(number: int) -> ResponseReturnValue:
    key = asked.key()
    shared.taken_back(number, key=key, practitioner=_own())
    return redirect(url_for("practitioner.time_off"), 303)


def _page(form: TimeOffForm, status: int = 200) -> ResponseReturnValue:
    return shared.shown(form, status, practitioner=_own(), desk=False)


def _own() -> str:
    """Also of somebody who is at the desk as well: here it is their own."""
    return use_cases.own_name(access.who())
