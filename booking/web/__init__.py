"""Requests in, use cases called, answers out."""

from flask import Flask

from booking.extensions import csrf
from booking.web import api, assets, demo_mail, headers, operations, pages, patient, refusals, texts, visitor


def init_app(app: Flask) -> None:
    """Registers everything that answers requests."""
    assets.init_app(app)
    pages.init_app(app)
    headers.init_app(app)
    visitor.init_app(app)
    refusals.init_app(app)
    app.register_blueprint(operations.blueprint)
    app.register_blueprint(patient.blueprint)
    app.register_blueprint(api.blueprint)
    # Programs have no cookie that another site could ride on; they bring a token or nothing.
    csrf.exempt(api.blueprint)
    app.register_blueprint(texts.blueprint)
    if not app.config["BOOKING"].production:
        app.register_blueprint(demo_mail.blueprint)
