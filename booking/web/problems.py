"""Errors of the API: problem+json (RFC 9457) with a stable code. None echoes what was sent."""

import json
from typing import Any

from flask import Response

from booking.errors import Refusal
from booking.web.words import FAULTS, words_for

# Facts that programs can use; the others are for pages.
_FACTS = (
    "alternatives",
    "earliest",
    "last_day",
    "until",
    "visit_status",
    "limit",
    "phone",
    "shown",
    "now",
    "field",
    "faults",
    "lost",
)

_CODES = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
    422: "invalid",
    429: "too_many_requests",
    500: "internal_error",
    503: "busy",
}


def problem(status: int, code: str, title: str, /, **more: Any) -> Response:
    body = more | {"type": "about:blank", "status": status, "code": code, "title": title}
    return Response(json.dumps(body), status, mimetype="application/problem+json")


def of_refusal(refusal: Refusal, **more: Any) -> Response:
    words = words_for(refusal)
    code = "busy" if refusal.code == "contention" else refusal.code
    facts = {name: refusal.facts[name] for name in _FACTS if name in refusal.facts}
    response = problem(words.status, code, str(words.title), detail=str(words.advice), **facts, **more)
    if "retry_after" in refusal.facts:
        response.headers["Retry-After"] = str(refusal.facts["retry_after"])
    return response


def of_status(status: int) -> Response:
    words = FAULTS.get(status, FAULTS[400])
    return problem(status, _CODES.get(status, "error"), str(words.title), detail=str(words.advice))


def of_fields(errors: list[dict[str, str]]) -> Response:
    """422, with each field that doesn't fit and why."""
    return problem(422, "invalid", str(FAULTS[422].title), errors=errors)
