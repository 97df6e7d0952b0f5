"""The OpenAPI document, and a page of ours that shows it. Nothing is loaded from elsewhere."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any, TypeVar

from flask import Flask, current_app, jsonify
from flask.typing import ResponseReturnValue
from pydantic import BaseModel, Field
from spectree import Response as Answers, SecurityScheme, SpecTree
from spectree.models import SecureType, SecuritySchemeData

from booking.web.api import blueprint, schemas
from booking.web.pages import page, the_clinic_of_this_request as present_clinic

F = TypeVar("F", bound=Callable[..., Any])

_PROBLEMS = {f"HTTP_{status}": schemas.Problem for status in (404, 422, 429, 503)}
_CHANGES = {f"HTTP_{status}": schemas.Problem for status in (400, 409, 413, 415)}


class Bearer(Enum):
    """What a call's token is that of; with `PLAN_IF_PRESCRIBED` there may be none."""

    VISIT = ("manage_token",)
    PLAN = ("plan_token",)
    PLAN_IF_PRESCRIBED = ("", "plan_token")

    @property
    def schemes(self) -> list[dict[str, list[str]]]:
        return [{name: []} if name else {} for name in self.value]


class KeyHeader(BaseModel):
    """Each changing call carries a key; its first answer is kept for 24 hours."""

    key: str = Field(alias="Idempotency-Key", description="Yours to choose, and random: a UUID, for example.")


_DESCRIBED: dict[Callable[..., Any], dict[str, Any]] = {}
"""What the document says of a view. It is written when somebody asks for it: most processes never need it."""


def described(
    *,
    asks: type[BaseModel] | None = None,
    takes: type[BaseModel] | None = None,
    gives: type[BaseModel] | None = None,
    status: int = 200,
    key: bool = False,
    bearer: Bearer | None = None,
    refuses: tuple[int, ...] = (),
) -> Callable[[F], F]:
    """Describes a route for the document. What comes in is checked by `booking.web.api.reading`, not here."""
    answers = {f"HTTP_{status}": gives} | _PROBLEMS | (_CHANGES if takes else {})
    answers |= {f"HTTP_{status}": schemas.Problem for status in refuses}

    def note(view: F) -> F:
        _DESCRIBED[view] = {
            "query": asks,
            "json": takes,
            "headers": KeyHeader if key else None,
            "resp": answers,
            "security": bearer.schemes if bearer else None,
        }
        return view

    return note


@dataclass(frozen=True)
class Route:
    """One call of the API, as its page shows it."""

    method: str
    path: str
    summary: str
    takes: tuple[tuple[str, str, bool], ...]  # A name, where it goes, whether it is needed.
    token: Bearer | None
    answers: tuple[str, ...]


@blueprint.get("/openapi.json")
def openapi() -> ResponseReturnValue:
    return jsonify(_document(current_app._get_current_object()))  # type: ignore[attr-defined]


@blueprint.get("/")
def readable() -> ResponseReturnValue:
    """The same for people."""
    document = _document(current_app._get_current_object())  # type: ignore[attr-defined]
    return page("api/index.html", present_clinic(), routes=list(_routes(document)))


@cache
def _document(app: Flask) -> dict[str, Any]:
    document = _specified(app)
    for operations in document["paths"].values():
        for operation in operations.values():
            for status, answer in operation["responses"].items():
                if int(status) >= 400 and "content" in answer:
                    answer["content"] = {"application/problem+json": answer["content"]["application/json"]}
    return document


def _specified(app: Flask) -> dict[str, Any]:
    """What the library writes of the described views. It wraps each, so it gets an application of its own, with the same
    addresses.
    """
    views = Flask(__name__)
    spec = SpecTree(
        "flask",
        title="Clinic booking",
        version="1",
        openapi_version="3.1.0",
        mode="strict",
        annotations=False,
        security_schemes=[
            SecurityScheme(name=name, data=SecuritySchemeData(type=SecureType.HTTP, scheme="bearer"))
            for name in ("manage_token", "plan_token")
        ],
    )
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        if view in _DESCRIBED:
            described = _DESCRIBED[view]
            validate = spec.validate(
                **described | {"resp": Answers(**described["resp"])}, skip_validation=True
            )
            views.add_url_rule(rule.rule, rule.endpoint, validate(view), methods=rule.methods)
    spec.app = views
    with views.app_context():
        document: dict[str, Any] = json.loads(json.dumps(spec.spec))
    return document


def _changes(path: str) -> int:
    """Calls that look stand before those that change, visits before plans."""
    return next((number for number, name in ((1, "/appointments"), (2, "/plans")) if name in path), 0)


def _routes(document: dict[str, Any]) -> Iterator[Route]:
    """All calls, those that look before those that change."""
    in_order = sorted(document["paths"].items(), key=lambda path: (_changes(path[0]), path[0].count("/")))
    for path, operations in in_order:
        for method, operation in operations.items():
            takes = [
                (one["name"], one["in"], one.get("required", False))
                for one in operation.get("parameters", ())
            ]
            if body := operation.get("requestBody"):
                named = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
                schema = document["components"]["schemas"][named]
                takes += [
                    (name, "body", name in schema.get("required", ()))
                    for name in schema.get("properties", ())
                ]
            answers = tuple(operation["responses"])
            security = operation.get("security")
            token = next((one for one in Bearer if one.schemes == security), None)
            yield Route(method.upper(), path, operation["summary"], tuple(takes), token, answers)
