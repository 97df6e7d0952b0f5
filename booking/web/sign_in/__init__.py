"""Signing in, locking and opening again, invitations, one's own account and everybody's."""

from flask import Blueprint

blueprint = Blueprint("sign_in", __name__, url_prefix="/staff")
