"""Time off of any practitioner, entered at the desk."""

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from booking.web import asked, time_off as shared
from booking.web.desk import blueprint
from booking.web.pages import the_clinic_of_this_request
from booking.web.time_off import TimeOffForm


@blueprint.get("/time-off")
def time_off() -> ResponseReturnValue:
    asked = {name: request.args.get(name, "")[:60] for name in ("practitioner", "first")}
    return _page(shared.blank(**asked))


@blueprint.post("/time-off")
def enter_time_off() -> ResponseReturnValue:
    form = TimeOffForm()
    whom = form.practitioner.data or ""
    if whom not in the_clinic_of_this_request().practitioners:
        form.understood(the_clinic_of_this_request())
        form.practitioner.errors = [_("Please choose who is away.")]
        return _page(form, 422)
    if not shared.entered(form, whom):
        return _page(form, 422)
    return redirect(url_for("desk.time_off"), 303)


@blueprint.post("/time-off/<int:number>/take-back")
def take_back_time_off(number: int) -> ResponseReturnValue:
    key = asked.key()
    shared.taken_back(number, key=key)
    return redirect(url_for("desk.time_off"), 303)


def _page(form: TimeOffForm, status: int = 200) -> ResponseReturnValue:
    people = tuple(the_clinic_of_this_request().practitioners.values())
    return shared.shown(form, status, people=people, desk=True)
