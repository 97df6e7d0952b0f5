"""An invitation: somebody makes the account theirs, with a name, a password and a PIN."""

from flask import request, url_for
from flask.typing import ResponseReturnValue

from booking.errors import PasswordTooWeak, PinTooWeak
from booking.services.staff import accounts
from booking.web import limits, visitor
from booking.web.pages import page, the_clinic_of_this_request as present_clinic
from booking.web.sign_in import blueprint
from booking.web.sign_in.entering import begin, say
from booking.web.sign_in.forms import AcceptForm


@blueprint.get("/invitation/<token>")
def invitation(token: str) -> ResponseReturnValue:
    found = accounts.invitation(token)
    form = AcceptForm(formdata=None, name=found.name)
    return page("sign_in/invitation.html", present_clinic(), form=form, invitation=found)


@blueprint.post("/invitation/<token>")
def accept(token: str) -> ResponseReturnValue:
    limits.allow_secret("account", visitor.network())
    found = accounts.invitation(token)
    form = AcceptForm()
    if form.validate():
        try:
            number = accounts.accept(
                token,
                name=form.read["name"],
                password=form.password.data,
                pin=form.pin.data,
                second_factor=form.second_factor.data,
                address=request.remote_addr or "",
            )
        except PasswordTooWeak as refusal:
            say(form.password, refusal)
        except PinTooWeak as refusal:
            say(form.pin, refusal)
        else:
            onward = url_for("sign_in.second_factor") if form.second_factor.data else ""
            return begin(number, onward)
    return page("sign_in/invitation.html", present_clinic(), 422, form=form, invitation=found)
