"""Requests in, use cases called, answers out."""

from flask import Flask


def init_app(app: Flask) -> None:
    """Registers everything that answers requests."""
