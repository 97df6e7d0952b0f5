"""Who is on the other side: a browser with a random mark, at some network address. Never a person."""

import hashlib
import hmac
import ipaddress
import secrets
from typing import Any

from flask import Flask, current_app, g, request, session
from flask.sessions import SecureCookieSessionInterface


class _Sessions(SecureCookieSessionInterface):
    """Flask's own sessions, with a signer that is made once instead of twice a request."""

    def __init__(self) -> None:
        self._signer: Any = None

    def get_signing_serializer(self, app: Flask) -> Any:
        if self._signer is None:
            self._signer = super().get_signing_serializer(app)
        return self._signer


def init_app(app: Flask) -> None:
    app.session_interface = _Sessions()
    app.before_request(_name_the_request)


def mark() -> str:
    """This browser's random mark, in its signed cookie. It owns holds and idempotency keys."""
    if "visitor" not in session:
        session["visitor"] = secrets.token_urlsafe(16)
    found: str = session["visitor"]
    return found


def known_mark() -> str | None:
    """The mark, if this browser has one already."""
    return session.get("visitor")


def network() -> str:
    """A keyed hash of the network that the request comes from: an address, or for IPv6 its /64."""
    address = _parsed(request.remote_addr or "")
    if address is None:
        return "unknown"
    if address.version == 6:
        address = ipaddress.ip_network((address, 64), strict=False).network_address
    key = current_app.secret_key
    secret = key.encode() if isinstance(key, str) else bytes(key or b"")
    return hmac.new(secret, address.packed, hashlib.sha256).hexdigest()[:32]


def _parsed(words: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address as proxies write it: bare, or with a port."""
    bare = words.removeprefix("[").partition("]")[0] if words.startswith("[") else words
    if bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        return ipaddress.ip_address(bare)
    except ValueError:
        return None


def _name_the_request() -> None:
    """A random name for this request, which an error page shows and the log contains."""
    g.request_name = secrets.token_hex(4)
