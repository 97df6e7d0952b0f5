"""What every answer tells the browser about how to treat it."""

from flask import Flask, Response, request

_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
# The demo's mailbox shows a mail as it is, in a frame that may do nothing.
_MAIL_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; base-uri 'none'; sandbox"


# The same on every answer.
_ALWAYS = (
    ("X-Content-Type-Options", "nosniff"),
    # Stricter would break forms on https: they are checked by their origin.
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()"),
)
_ON_HTTPS = ("Strict-Transport-Security", "max-age=31536000")


def init_app(app: Flask) -> None:
    always = (*_ALWAYS, _ON_HTTPS) if app.config["SESSION_COOKIE_SECURE"] else _ALWAYS

    def add(response: Response) -> Response:
        headers = response.headers
        # Nobody else sets these, so there is nothing to be replaced.
        headers.extend(always)
        mail = request.endpoint == "demo_mail.html"
        framing = "; frame-src 'self'" if request.endpoint == "demo_mail.message" else ""
        headers.add("Content-Security-Policy", _MAIL_POLICY if mail else _POLICY + framing)
        headers.add("X-Frame-Options", "SAMEORIGIN" if mail else "DENY")
        # Pages show what is free at this moment, or somebody's visit: nothing to be kept.
        headers.setdefault("Cache-Control", "no-store")
        return response

    app.after_request(add)
