"""The commands of `flask` (in a checkout) and `booking` (installed): thin words around use cases."""

import click
from flask import Flask
from flask.cli import FlaskGroup


def init_app(app: Flask) -> None:
    """Registers our commands."""


def _create() -> Flask:
    from booking.app import create_app

    return create_app()


@click.group(cls=FlaskGroup, create_app=_create)
def main() -> None:
    """Appointment booking for a clinic: serve it, set it up, look after it."""
