"""Signing in with a password and a code, signing out, and a new password for whoever has forgotten theirs."""

from flask import redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from wtforms import Field

from booking import clock
from booking.errors import LinkEnded, PasswordTooWeak, Refusal, WrongCode, WrongSignIn
from booking.services.staff import passwords, sign_ins, signing_in
from booking.web import access, limits, visitor
from booking.web.pages import page, the_clinic_of_this_request as present_clinic
from booking.web.sign_in import blueprint, going_on
from booking.web.sign_in.forms import CodeForm, ForgottenForm, NewPasswordForm, SignInForm
from booking.web.words import staff_advice_for, staff_words_for

# How long the password counts while the code is looked for, in seconds.
_CODE_WITHIN = 600


@blueprint.get("/sign-in")
def sign_in() -> ResponseReturnValue:
    form = SignInForm(formdata=None, next=going_on.wanted())
    return _sign_in_page(form, said=session.pop("said", ""))


@blueprint.post("/sign-in")
def enter() -> ResponseReturnValue:
    """The same answer in the same time, whether the address is known or not."""
    form = SignInForm()
    if not form.validate():
        return _sign_in_page(form, 422)
    email = form.read["email"]
    limits.allow_secret("sign-in", visitor.network())
    limits.allow_secret("password here", email, visitor.network())
    limits.allow_secret("password", email)
    try:
        known = signing_in.with_password(email, form.password.data, address=request.remote_addr or "")
    except WrongSignIn as refusal:
        say(form.password, refusal)
        return _sign_in_page(form, 422)
    onward = going_on.local(form.next.data or "")
    if known.second_factor:
        session["half"] = {"account": known.account_id, "at": int(clock.now().timestamp()), "next": onward}
        return redirect(url_for("sign_in.ask_code"), 303)
    return begin(known.account_id, onward)


@blueprint.get("/code")
def ask_code() -> ResponseReturnValue:
    if _half_signed_in() is None:
        return redirect(url_for("sign_in.sign_in"), 303)
    return page("sign_in/code.html", present_clinic(), form=CodeForm(formdata=None))


@blueprint.post("/code")
def check_code() -> ResponseReturnValue:
    half = _half_signed_in()
    if half is None:
        return redirect(url_for("sign_in.sign_in"), 303)
    form = CodeForm()
    if not form.validate():
        return page("sign_in/code.html", present_clinic(), 422, form=form)
    limits.allow_secret("code", str(half["account"]))
    try:
        signing_in.with_code(half["account"], form.code.data, address=request.remote_addr or "")
    except WrongCode as refusal:
        say(form.code, refusal)
        return page("sign_in/code.html", present_clinic(), 422, form=form)
    return begin(half["account"], going_on.local(half["next"]))


@blueprint.post("/sign-out")
def sign_out() -> ResponseReturnValue:
    sign_ins.sign_out(access.who())
    session.pop("sign_in", None)
    session.pop("half", None)
    return redirect(url_for("sign_in.sign_in"), 303)


@blueprint.get("/forgotten")
def forgotten() -> ResponseReturnValue:
    form = ForgottenForm(formdata=None)
    return page("sign_in/forgotten.html", present_clinic(), form=form, asked=session.pop("asked", False))


@blueprint.post("/forgotten")
def send_reset() -> ResponseReturnValue:
    """The same answer in the same time, whether the address is known or not: the worker looks it up."""
    form = ForgottenForm()
    if not form.validate():
        return page("sign_in/forgotten.html", present_clinic(), 422, form=form, asked=False)
    limits.allow_secret("reset", visitor.network())
    limits.allow_secret("reset for", form.read["email"])
    passwords.ask_to_reset(form.read["email"])
    session["asked"] = True
    return redirect(url_for("sign_in.forgotten"), 303)


@blueprint.get("/reset/<token>")
def new_password(token: str) -> ResponseReturnValue:
    account = passwords.who_resets(token)
    form = NewPasswordForm(formdata=None)
    return page("sign_in/new_password.html", present_clinic(), form=form, email=account.email)


@blueprint.post("/reset/<token>")
def set_password(token: str) -> ResponseReturnValue:
    limits.allow_secret("account", visitor.network())
    email = passwords.who_resets(token).email
    form = NewPasswordForm()
    if form.validate():
        try:
            passwords.reset(token, form.password.data, address=request.remote_addr or "")
        except PasswordTooWeak as refusal:
            say(form.password, refusal)
        else:
            session.pop("sign_in", None)
            session["said"] = "new_password"
            return redirect(url_for("sign_in.sign_in"), 303)
    return page("sign_in/new_password.html", present_clinic(), 422, form=form, email=email)


def begin(account_id: int, onward: str) -> ResponseReturnValue:
    """A new sign-in in this browser; the one that was there ends."""
    old = session.pop("sign_in", None)
    before = sign_ins.find(old, address=request.remote_addr or "") if old else None
    if before is not None:
        sign_ins.sign_out(before.who)
    session.pop("half", None)
    secret = sign_ins.begin(
        account_id,
        address=request.remote_addr or "",
        browser=request.headers.get("User-Agent", "").replace("\x00", ""),
        phone=_is_a_phone(),
    )
    session["sign_in"] = secret
    found = sign_ins.find(secret, address=request.remote_addr or "")
    if found is None:
        raise LinkEnded
    return redirect(going_on.onward(found.who, onward), 303)


def say(field: Field, refusal: Refusal) -> None:
    """Puts a refusal's words beside the field that it is about."""
    words = staff_words_for(refusal)
    field.errors = [*field.errors, f"{words.title} {staff_advice_for(refusal, present_clinic())}"]


def _sign_in_page(form: SignInForm, status: int = 200, said: str = "") -> ResponseReturnValue:
    return page("sign_in/sign_in.html", present_clinic(), status, form=form, said=said)


def _half_signed_in() -> dict[str, int | str] | None:
    half = session.get("half")
    if half is None or clock.now().timestamp() - half["at"] > _CODE_WITHIN:
        return None
    return dict(half)


def _is_a_phone() -> bool:
    browser = request.headers.get("User-Agent", "")
    return "Mobi" in browser or request.headers.get("Sec-CH-UA-Mobile") == "?1"
