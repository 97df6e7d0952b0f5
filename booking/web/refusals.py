"""How we say no: pages for refusals and faults. A view catches a refusal only if it can do better than these.

Staff read theirs in the layout of their own pages, with the way back to where they begin; patients in that of theirs.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import structlog
from flask import Flask, Response, g, make_response, render_template, request, url_for
from flask_babel import lazy_gettext as lazy
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from booking.errors import Refusal
from booking.services.clinic import Clinic
from booking.services.staff.sign_ins import Signed
from booking.web import access, problems, staff
from booking.web.pages import the_clinic_of_this_request
from booking.web.words import (
    FAULTS,
    FOR_STAFF,
    Words,
    advice_for,
    staff_advice_for,
    staff_words_for,
    words_for,
)

log = structlog.get_logger()
T = TypeVar("T")

_OF_STAFF = ("/desk/", "/mine/", "/staff/")
# Names of fields whose words never come back.
_SECRETS = {"password", "pin", "code", "old"}


def init_app(app: Flask) -> None:
    app.register_error_handler(Refusal, _refused)
    app.register_error_handler(HTTPException, _failed)
    app.register_error_handler(Exception, _broke)


def for_api() -> bool:
    return request.path.startswith("/api/")


def for_staff() -> bool:
    return f"{request.path}/".startswith(_OF_STAFF)


def _refused(refusal: Refusal) -> Response:
    if for_api():
        return problems.of_refusal(refusal)
    words = staff_words_for(refusal) if for_staff() else words_for(refusal)
    response = error_page(words, refusal=refusal, kept=True)
    if "retry_after" in refusal.facts:
        response.headers["Retry-After"] = str(refusal.facts["retry_after"])
    return response


def _failed(fault: HTTPException) -> Response:
    if fault.response is not None or (fault.code is not None and fault.code < 400):
        return make_response(fault)
    status = fault.code or 500
    if for_api():
        response = problems.of_status(status)
    elif isinstance(fault, CSRFError):
        words = Words(
            400,
            lazy("This page was open for too long, or your browser refuses cookies."),
            lazy("Nothing was sent, and nothing is lost. Please try again."),
        )
        response = error_page(words, kept=True)
    else:
        response = error_page(_words_of(status))
    # What the fault itself wants to say, such as which methods are allowed.
    for name, value in fault.get_headers():
        if name.lower() in ("allow", "retry-after"):
            response.headers[name] = value
    return response


def _broke(fault: Exception) -> Response:
    # The rule, not the path: that may hold what opens somebody's visit.
    rule = request.url_rule.rule if request.url_rule else None
    log.exception("broke", request=g.get("request_name"), rule=rule, exc_info=fault)
    if for_api():
        return problems.of_status(500)
    return error_page(_words_of(500), reference=g.get("request_name"))


def _words_of(status: int) -> Words:
    of_staff = FOR_STAFF.get(status) if for_staff() else None
    return of_staff or FAULTS.get(status) or Words(status, lazy("That did not work."))


def error_page(
    words: Words, *, refusal: Refusal | None = None, kept: bool = False, reference: str | None = None
) -> Response:
    """A page that says what happened and what to do. `kept`: the form that was sent can be sent again from it."""
    clinic = _clinic()
    advice = staff_advice_for if for_staff() else advice_for
    values = {
        "clinic": clinic,
        "times": clinic.times if clinic else None,
        "title": words.title,
        "advice": advice(refusal, clinic) if refusal and clinic else words.advice,
        "reference": reference,
        "again": _sent() if kept and request.method == "POST" else [],
    }
    if for_staff():
        # Whoever locks their screen here doesn't want to come back to it.
        body = render_template("errors/staff.html", failed=True, **values, **_of_staff(clinic, words.status))
    else:
        body = render_template("errors/error.html", **values)
    return make_response(body, words.status)


def _sent() -> list[tuple[str, str]]:
    """What was sent, to be sent again; nothing of a form with a secret, which no page has."""
    if _SECRETS & request.form.keys():
        return []
    return [(name, value) for name, value in request.form.items(multi=True) if name != "csrf_token"]


def _of_staff(clinic: Clinic | None, status: int) -> dict[str, Any]:
    """The layout and the way back: with the menu for whoever is signed in, and whose screen is open. What presses behind
    its ways isn't counted where something broke.
    """
    signed = _signed()
    if signed is None:
        return {
            "layout": "layouts/sign_in.html",
            "way_back": (url_for("sign_in.sign_in"), lazy("To the sign-in")),
        }
    if signed.locked or clinic is None:
        return {"layout": "layouts/sign_in.html", "way_back": (url_for("sign_in.home"), lazy("Go on"))}
    home = staff.home(signed.who)

    def numbers() -> Mapping[str, int]:
        return staff.counts(signed.who, clinic)

    counted = (_if_it_can_be_had(numbers) if status < 500 else None) or {}
    words = {"practitioner.today": lazy("To my day"), "desk.today_board": lazy("To the board")}
    return {
        "layout": "layouts/staff.html",
        "way_back": (url_for(home), words.get(home, lazy("To my account"))),
        "staff_counts": lambda: counted,
        **staff.signed_values(signed),
    }


def _clinic() -> Clinic | None:
    return _if_it_can_be_had(the_clinic_of_this_request)


def _signed() -> Signed | None:
    return _if_it_can_be_had(access.signed_or_none)


def _if_it_can_be_had(ask: Callable[[], T | None]) -> T | None:
    """Whatever keeps us from it, the page about the first fault must still come; the log has the second."""
    try:
        return ask()
    except Exception as fault:  # noqa: BLE001 - as said.
        log.warning(
            "page without", what=ask.__name__, request=g.get("request_name"), why=type(fault).__name__
        )
        return None
