"""The locked screen: locking, opening it again, and what was being typed."""

from typing import Any

from flask import jsonify, redirect, request, session, url_for
from flask.typing import ResponseReturnValue

from booking import clock
from booking.errors import WrongPin
from booking.services.needles_in import rooms_with_needles
from booking.services.staff import drafts, sign_ins
from booking.web import access, limits
from booking.web.pages import page, the_clinic_of_this_request as present_clinic
from booking.web.sign_in import blueprint, going_on, typed
from booking.web.sign_in.entering import say
from booking.web.sign_in.forms import PinForm
from booking.web.staff import staff_page


@blueprint.get("/locked")
def locked() -> ResponseReturnValue:
    """The locked screen, which asks by itself for that part of it which isn't hidden: where needles are in."""
    signed = access.signed()
    if not signed.locked:
        return redirect(going_on.onward(signed.who, going_on.wanted()), 303)
    if "X-Poll" in request.headers:
        return page("sign_in/needles.html", present_clinic(), **_needles())
    return _locked_page(PinForm(formdata=None, next=going_on.wanted()))


@blueprint.post("/unlock")
def unlock() -> ResponseReturnValue:
    """Opens the screen for the same person. After five wrong PINs the password is asked for."""
    signed = access.signed()
    form = PinForm()
    onward = going_on.local(form.next.data or "")
    if not signed.locked:
        return redirect(going_on.onward(signed.who, onward), 303)
    if not form.validate():
        return _locked_page(form, 422)
    # The tries of one sign-in are counted where it is kept; these are those of all of somebody's sign-ins.
    limits.allow_secret("account", f"pin {signed.who.account_id}")
    try:
        sign_ins.unlock(signed, form.pin.data)
    except WrongPin as refusal:
        if not refusal.facts["left"]:
            session.pop("sign_in", None)
            session["said"] = "too_many_pins"
            return redirect(url_for("sign_in.sign_in", next=onward or None), 303)
        say(form.pin, refusal)
        return _locked_page(form, 422)
    return redirect(going_on.onward(signed.who, onward), 303)


@blueprint.post("/lock")
def lock() -> ResponseReturnValue:
    sign_ins.lock(access.who())
    return redirect(url_for("sign_in.locked", next=going_on.wanted() or None), 303)


@blueprint.post("/active")
def active() -> ResponseReturnValue:
    """Keys and taps that send nothing else. The guard has noted them."""
    return "", 204


@blueprint.get("/drafts")
def draft_list() -> ResponseReturnValue:
    kept = drafts.of(access.who().account_id)
    if "application/json" in request.headers.get("Accept", ""):
        return jsonify(
            [
                {
                    "number": one.number,
                    "path": one.path,
                    "page": one.page,
                    "fields": one.fields,
                    "asks": one.asks,
                }
                for one in kept
            ]
        )
    drafts_shown = [typed.shown(one, access.who()) for one in kept]
    return staff_page("sign_in/drafts.html", drafts=drafts_shown, onward=going_on.home(access.who()))


@blueprint.post("/drafts")
def keep_drafts() -> ResponseReturnValue:
    """Keeps what stands in the forms of a page, and locks the screen: [{"path": …, "page": …, "fields":
    [[name, value], …]}, …]. Once the shift is over nobody is signed in any more, and there is nothing to lock.
    """
    try:
        sent = request.get_json(silent=True)
    except RecursionError:
        # Lists in lists without an end: nothing is kept, and the screen is locked all the same.
        sent = None
    forms = sent if isinstance(sent, list) else []
    for form in forms[: drafts.MOST_DRAFTS]:
        path, on_page, fields = _read(form)
        if going_on.local(path):
            drafts.keep(access.typed_by(), path, fields, page=going_on.local(on_page))
    signed = access.signed_or_none()
    if signed is not None:
        sign_ins.lock(signed.who)
    return "", 204


@blueprint.post("/drafts/<int:number>/forget")
def forget_draft(number: int) -> ResponseReturnValue:
    drafts.forget(access.who().account_id, number)
    return redirect(url_for("sign_in.draft_list"), 303)


def _read(form: object) -> tuple[str, str, list[tuple[str, str]]]:
    """A form as a script sent it; whatever doesn't look like one is nothing."""
    if not isinstance(form, dict):
        return "", "", []
    path, fields, on_page = form.get("path"), form.get("fields"), form.get("page", "")
    if not isinstance(path, str) or not isinstance(fields, list) or not isinstance(on_page, str):
        return "", "", []
    pairs = [tuple(pair) for pair in fields if isinstance(pair, list) and len(pair) == 2]
    whole = [
        (name, _writable(value))
        for name, value in pairs
        if isinstance(name, str) and isinstance(value, str) and name == _writable(name)
    ]
    return path, on_page, whole


def _writable(words: str) -> str:
    """Without what no database keeps, and no page can show: half of a letter, as JSON can write it."""
    return words.replace("\x00", "").encode("utf-8", "replace").decode()


def _locked_page(form: PinForm, status: int = 200) -> ResponseReturnValue:
    return page(
        "sign_in/locked.html", present_clinic(), status, form=form, signed=access.signed(), **_needles()
    )


def _needles() -> dict[str, Any]:
    """Rooms and times only: whoever looks at a locked screen may be anybody, so the audit names nobody for it."""
    signed = access.signed()
    shown = () if signed.lacks_second_factor else rooms_with_needles(present_clinic(), signed.who)
    return {"needles": shown, "now": clock.now()}
