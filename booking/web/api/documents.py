"""The OpenAPI document, and a page of ours that shows it. Nothing is loaded from elsewhere."""

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from flask import Flask, current_app, jsonify
from flask.typing import ResponseReturnValue
from pydantic import BaseModel
from spectree import Response as Answers, SecurityScheme, SpecTree
from spectree.models import SecureType, SecuritySchemeData

from booking.web.api import blueprint, schemas
from booking.web.pages import page, the_clinic_of_this_request as present_clinic

F = TypeVar("F", bound=Callable[..., Any])

_PROBLEMS = {"HTTP_404": schemas.Problem, "HTTP_422": schemas.Problem, "HTTP_429": schemas.Problem}
_CHANGES = {"HTTP_400": schemas.Problem, "HTTP_409": schemas.Problem, "HTTP_415": schemas.Problem}


class KeyHeader(BaseModel):
    """Each changing call carries a key; its first answer is kept for 24 hours."""

    Idempotency_Key: str


spec = SpecTree(
    "flask",
    title="Clinic booking",
    version="1",
    openapi_version="3.1.0",
    mode="strict",
    annotations=False,
    security_schemes=[
        SecurityScheme(name="manage_token", data=SecuritySchemeData(type=SecureType.HTTP, scheme="bearer"))
    ],
)


def described(
    *,
    asks: type[BaseModel] | None = None,
    takes: type[BaseModel] | None = None,
    gives: type[BaseModel] | None = None,
    status: int = 200,
    key: bool = False,
    bearer: bool = False,
) -> Callable[[F], F]:
    """Describes a route for the document. What comes in is checked by `booking.web.api.reading`, not here."""
    answers = {f"HTTP_{status}": gives} | _PROBLEMS | (_CHANGES if takes else {})
    wrap: Callable[[F], F] = spec.validate(
        query=asks,
        json=takes,
        headers=KeyHeader if key else None,
        resp=Answers(**answers),
        security={"manage_token": []} if bearer else None,
        skip_validation=True,
    )
    return wrap


@blueprint.get("/openapi.json")
def openapi() -> ResponseReturnValue:
    return jsonify(_document(current_app._get_current_object()))  # type: ignore[attr-defined]


@blueprint.get("/")
def readable() -> ResponseReturnValue:
    """The same for people."""
    document = _document(current_app._get_current_object())  # type: ignore[attr-defined]
    return page("api/index.html", present_clinic(), document=document)


@cache
def _document(app: Flask) -> dict[str, Any]:
    spec.app = app
    document: dict[str, Any] = spec.spec
    return document
