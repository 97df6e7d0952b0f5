"""How requests are read: strictly, with every fault named by its field, and nothing of the input repeated."""

import json
import re
from typing import Any, TypeVar

from flask import abort, make_response, request
from pydantic import BaseModel, ValidationError

from booking.web import problems
from booking.web.words import FAULTS

M = TypeVar("M", bound=BaseModel)


def query(model: type[M]) -> M:
    """The query string. 422 for a field that is there twice, unknown or wrong."""
    twice = sorted(name for name in request.args if len(request.args.getlist(name)) > 1)
    if twice:
        abort(problems.of_fields([{"field": _field((name,)), "message": "is there twice"} for name in twice]))
    return _valid(model, request.args.to_dict())


def body(model: type[M]) -> M:
    """The JSON body. 415 for another format, 400 for what is no JSON, 422 for fields that don't fit."""
    if request.mimetype != "application/json":
        abort(problems.of_status(415))
    try:
        read = json.loads(request.get_data().decode("utf-8"), object_pairs_hook=_once, parse_constant=_refuse)
        # Half a letter, as an escape may smuggle it in, can't be written anywhere.
        json.dumps(read, ensure_ascii=False).encode()
    except (ValueError, RecursionError, OSError):
        abort(problems.of_status(400))
    if not isinstance(read, dict):
        abort(problems.of_fields([{"field": "", "message": "must be an object"}]))
    return _valid(model, read)


def idempotency_key() -> str:
    """The key that a changing request carries. 400 without one."""
    key = request.headers.get("Idempotency-Key", "")
    if not 1 <= len(key) <= 80 or not key.isascii() or not key.isprintable():
        title = "An Idempotency-Key header of 1 to 80 printable characters is needed."
        abort(problems.problem(400, "idempotency_key_missing", title))
    return key


def bearer_token() -> str:
    """The manage token. Without one, the answer is that of a wrong one."""
    scheme, _between, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        abort(make_response(problems.problem(404, "not_found", str(FAULTS[404].title))))
    return token.strip()


def _valid(model: type[M], given: dict[str, Any]) -> M:
    try:
        return model.model_validate(given)
    except ValidationError as fault:
        abort(
            problems.of_fields(
                [
                    {"field": _field(error["loc"]), "message": _plain(error["msg"])}
                    for error in fault.errors(include_input=False, include_context=False, include_url=False)
                ]
            )
        )


def _field(place: tuple[int | str, ...]) -> str:
    """A field's name; nothing for one that isn't ours and may be anything."""
    name = ".".join(str(part) for part in place)
    return name if re.fullmatch(r"[a-z_.0-9]{1,60}", name) else ""


def _plain(words: str) -> str:
    return words.removeprefix("Value error, ")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a field is there twice")
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
