"""How we say no: pages for refusals and faults. A view catches a refusal only if it can do better than these."""

import structlog
from flask import Flask, Response, g, make_response, render_template, request
from flask_babel import lazy_gettext as lazy
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from booking.errors import Refusal
from booking.formatting import Times
from booking.services.clinic import Clinic
from booking.web import problems
from booking.web.pages import the_clinic_of_this_request
from booking.web.words import FAULTS, Words, advice_for, words_for

log = structlog.get_logger()


def init_app(app: Flask) -> None:
    app.register_error_handler(Refusal, _refused)
    app.register_error_handler(HTTPException, _failed)
    app.register_error_handler(Exception, _broke)


def for_api() -> bool:
    return request.path.startswith("/api/")


def _refused(refusal: Refusal) -> Response:
    if for_api():
        return problems.of_refusal(refusal)
    words = words_for(refusal)
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
        response = error_page(FAULTS.get(status) or Words(status, lazy("That did not work.")))
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
    return error_page(FAULTS[500], reference=g.get("request_name"))


def error_page(
    words: Words, *, refusal: Refusal | None = None, kept: bool = False, reference: str | None = None
) -> Response:
    """A page that says what happened and what to do. `kept`: the form that was sent can be sent again from it."""
    try:
        clinic: Clinic | None = the_clinic_of_this_request()
    except Exception:  # noqa: BLE001 - whatever keeps us from the clinic, the page must still come.
        clinic = None
    times: Times | None = clinic.times if clinic else None
    again = request.form.items(multi=True) if kept and request.method == "POST" else ()
    body = render_template(
        "errors/error.html",
        clinic=clinic,
        times=times,
        title=words.title,
        advice=advice_for(refusal, clinic) if refusal and clinic else words.advice,
        reference=reference,
        again=[(name, value) for name, value in again if name != "csrf_token"],
    )
    return make_response(body, words.status)
