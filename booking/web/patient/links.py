"""Where patients ask for their link again."""

from flask import redirect, session, url_for
from flask.typing import ResponseReturnValue

from booking.services import links_again
from booking.web import limits
from booking.web.pages import page, the_clinic_of_this_request as present_clinic
from booking.web.patient import blueprint
from booking.web.patient.forms import LinkAgainForm


@blueprint.get("/my-visit")
def my_visit() -> ResponseReturnValue:
    return page(
        "patient/my_visit.html",
        present_clinic(),
        form=LinkAgainForm(formdata=None),
        asked=session.pop("asked", False),
    )


@blueprint.post("/my-visit")
def send_link() -> ResponseReturnValue:
    """The same answer in the same time, whether the contact is known or not: the worker looks it up."""
    limits.allow("link")
    form = LinkAgainForm()
    if not form.validate():
        return page("patient/my_visit.html", present_clinic(), 422, form=form, asked=False)
    links_again.ask(form.read)
    session["asked"] = True
    return redirect(url_for("patient.my_visit"), 303)
