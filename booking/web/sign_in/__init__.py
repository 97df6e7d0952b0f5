"""Signing in, locking and opening again, invitations, one's own account and everybody's."""

from flask import Blueprint

blueprint = Blueprint("sign_in", __name__, url_prefix="/staff")

from booking.web.sign_in import accounts, auditing, entering, joining, locking, own  # noqa: E402

assert accounts and auditing and entering and joining and locking and own
