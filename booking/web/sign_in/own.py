"""One's own account: password, PIN, second factor, preferences, and where one is signed in."""

from flask import redirect, session, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from markupsafe import Markup

from booking.errors import PasswordTooWeak, PinTooWeak, SecondFactorNeeded, WrongCode, WrongSignIn
from booking.services.staff import drafts, passwords, preferences, second_factor as codes, sign_ins
from booking.web import access, limits
from booking.web.sign_in import blueprint, going_on
from booking.web.sign_in.entering import say
from booking.web.sign_in.forms import ChangePasswordForm, ChangePinForm, ConfirmForm, PreferForm, SetUpForm
from booking.web.staff import staff_page


@blueprint.get("/")
def home() -> ResponseReturnValue:
    return redirect(going_on.home(access.who()), 303)


@blueprint.get("/me")
def me() -> ResponseReturnValue:
    return _page(said=session.pop("said", ""))


@blueprint.post("/me/password")
def change_password() -> ResponseReturnValue:
    form = ChangePasswordForm()
    limits.allow_secret("account", str(access.who().account_id))
    if form.validate():
        try:
            passwords.change_password(access.who(), form.old.data, form.password.data)
        except WrongSignIn as refusal:
            say(form.old, refusal)
        except PasswordTooWeak as refusal:
            say(form.password, refusal)
        else:
            return _done("password")
    return _page(422, password=form)


@blueprint.post("/me/pin")
def change_pin() -> ResponseReturnValue:
    form = ChangePinForm()
    limits.allow_secret("account", str(access.who().account_id))
    if form.validate():
        try:
            passwords.change_pin(access.who(), form.old.data, form.pin.data)
        except WrongSignIn as refusal:
            say(form.old, refusal)
        except PinTooWeak as refusal:
            say(form.pin, refusal)
        else:
            return _done("pin")
    return _page(422, pin=form)


@blueprint.post("/me/preferences")
def prefer() -> ResponseReturnValue:
    form = PreferForm()
    preferences.prefer(access.who(), shortcuts=bool(form.shortcuts.data))
    return _done("preferences")


@blueprint.get("/me/codes")
def second_factor() -> ResponseReturnValue:
    if codes.state(access.who()).on:
        return redirect(url_for("sign_in.me"), 303)
    return _set_up_page(SetUpForm(formdata=None))


@blueprint.post("/me/codes")
def turn_on_second_factor() -> ResponseReturnValue:
    """Switches the codes on, and shows the recovery codes, this once."""
    form = SetUpForm()
    if codes.state(access.who()).on:
        return redirect(url_for("sign_in.me"), 303)
    limits.allow_secret("code", str(access.who().account_id))
    if not form.validate() or not codes.is_a_secret(form.secret.data):
        return _set_up_page(form, 422)
    try:
        shown = codes.turn_on(access.who(), form.secret.data, form.code.data)
    except WrongCode as refusal:
        say(form.code, refusal)
        return _set_up_page(form, 422)
    return _recovery_page(shown)


@blueprint.post("/me/codes/off")
def turn_off_second_factor() -> ResponseReturnValue:
    form = ConfirmForm()
    limits.allow_secret("account", str(access.who().account_id))
    if form.validate():
        try:
            codes.turn_off(access.who(), form.old.data)
        except (WrongSignIn, SecondFactorNeeded) as refusal:
            say(form.old, refusal)
        else:
            return _done("codes_off")
    return _page(422, codes_off=form)


@blueprint.post("/me/codes/recovery")
def recovery_codes() -> ResponseReturnValue:
    form = ConfirmForm()
    limits.allow_secret("account", str(access.who().account_id))
    if form.validate():
        try:
            return _recovery_page(codes.new_recovery_codes(access.who(), form.old.data))
        except WrongSignIn as refusal:
            say(form.old, refusal)
    return _page(422, recovery=form)


@blueprint.get("/sign-ins", endpoint="sign_ins")
def sign_ins_page() -> ResponseReturnValue:
    return staff_page("sign_in/sign_ins.html", sign_ins=sign_ins.listed(access.who()))


@blueprint.post("/sign-ins/<int:number>/end")
def end_sign_in(number: int) -> ResponseReturnValue:
    sign_ins.end(access.who(), number)
    return redirect(url_for("sign_in.sign_ins"), 303)


def _page(status: int = 200, said: str = "", **sent: FlaskForm) -> ResponseReturnValue:
    """The page with all forms; one that was sent and refused as it was typed."""
    signed = access.signed()
    blank: dict[str, FlaskForm] = {
        "password": ChangePasswordForm(formdata=None),
        "pin": ChangePinForm(formdata=None),
        "prefer": PreferForm(formdata=None, shortcuts=signed.shortcuts),
        "codes_off": ConfirmForm(formdata=None),
        "recovery": ConfirmForm(formdata=None),
    }
    forms = blank | sent
    for name, form in forms.items():
        for field in form:
            # Several forms stand on the page, and each place needs a name of its own.
            field.id = f"{name}-{field.name}"
    return staff_page(
        "sign_in/me.html",
        status,
        forms=forms,
        said=said,
        codes=codes.state(signed.who),
        drafts=len(drafts.of(signed.who.account_id)),
    )


def _done(said: str) -> ResponseReturnValue:
    session["said"] = said
    return redirect(url_for("sign_in.me"), 303)


def _set_up_page(form: SetUpForm, status: int = 200) -> ResponseReturnValue:
    begun = form.secret.data if form.secret.data and codes.is_a_secret(form.secret.data) else None
    set_up = codes.prepare(access.who(), begun)
    form.secret.data = set_up.secret
    return staff_page(
        "sign_in/second_factor.html",
        status,
        form=form,
        picture=Markup(set_up.picture),  # noqa: S704 - drawn by the library, from nothing that anybody typed.
        key=set_up.key,
        state=codes.state(access.who()),
    )


def _recovery_page(shown: list[str]) -> ResponseReturnValue:
    return staff_page("sign_in/recovery_codes.html", codes=shown, onward=going_on.home(access.who()))
