"""Requests in, use cases called, answers out."""

from flask import Flask, abort, request

from booking.extensions import csrf
from booking.web import (
    access,
    api,
    assets,
    demo_mail,
    desk,
    headers,
    operations,
    pages,
    patient,
    practitioner,
    refusals,
    sign_in,
    texts,
    visitor,
)


def init_app(app: Flask) -> None:
    """Registers everything that answers requests."""
    assets.init_app(app)
    pages.init_app(app)
    headers.init_app(app)
    visitor.init_app(app)
    refusals.init_app(app)
    app.before_request(_refuse_the_unreadable)
    access.init_app(app)
    app.register_blueprint(operations.blueprint)
    for audience in (patient, practitioner, desk, sign_in):
        app.register_blueprint(audience.blueprint)
    app.register_blueprint(practitioner.feed_blueprint)
    app.register_blueprint(api.blueprint)
    # Programs have no cookie that another site could ride on; they bring a token or nothing.
    csrf.exempt(api.blueprint)
    app.register_blueprint(texts.blueprint)
    if not app.config["BOOKING"].production:
        app.register_blueprint(demo_mail.blueprint)


def _refuse_the_unreadable() -> None:
    """A zero character in an address, which no database takes; a body that breaks off; a file, which no form of ours has."""
    if "\x00" in request.path:
        abort(404)
    if request.method == "GET":
        # What comes with it is never read.
        return
    try:
        files = request.files
    except OSError:
        abort(400)
    if files:
        abort(400)
