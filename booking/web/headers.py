"""What every answer tells the browser about how to treat it."""

from flask import Flask, Response, current_app, request

_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
# The demo's mailbox shows a mail as it is, in a frame that may do nothing.
_MAIL_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; base-uri 'none'; sandbox"


def init_app(app: Flask) -> None:
    app.after_request(_add)


def _add(response: Response) -> Response:
    headers = response.headers
    mail = request.endpoint == "demo_mail.html"
    framing = "; frame-src 'self'" if request.endpoint == "demo_mail.message" else ""
    headers["Content-Security-Policy"] = _MAIL_POLICY if mail else _POLICY + framing
    headers["X-Content-Type-Options"] = "nosniff"
    headers["X-Frame-Options"] = "SAMEORIGIN" if mail else "DENY"
    # Stricter would break forms on https: they are checked by their origin.
    headers["Referrer-Policy"] = "same-origin"
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=(), payment=()"
    # Pages show what is free at this moment, or somebody's visit: nothing to be kept.
    headers.setdefault("Cache-Control", "no-store")
    if current_app.config["SESSION_COOKIE_SECURE"]:
        headers["Strict-Transport-Security"] = "max-age=31536000"
    return response
