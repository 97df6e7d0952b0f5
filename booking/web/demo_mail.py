"""The demo's mailbox: what patients would get, as it landed in `instance/mail`. Never in production."""

import email
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

from flask import Blueprint, Response, current_app
from flask.typing import ResponseReturnValue

from booking.errors import NotFound
from booking.web.pages import page, the_clinic_of_this_request as present_clinic

blueprint = Blueprint("demo_mail", __name__, url_prefix="/demo/mail")

NEWEST = 100
_NAME = re.compile(r"[\w.@-]+\.(eml|txt)")


@dataclass(frozen=True)
class Mail:
    """A message as its file has it. `kind` says whether it is a mail or a simulated text."""

    name: str
    kind: str
    subject: str
    to: str
    at: datetime
    headers: tuple[tuple[str, str], ...]
    text: str
    has_html: bool
    calendar: str

    @property
    def links(self) -> tuple[str, ...]:
        """Links to this installation, so that they can be followed from the page."""
        base = re.escape(current_app.config["BOOKING"].base_url)
        return tuple(dict.fromkeys(re.findall(rf"{base}/[\w/.-]+", self.text)))


@blueprint.get("")
def mailbox() -> ResponseReturnValue:
    newest = sorted(_folder().glob("*.*"), key=lambda path: path.name, reverse=True)[:NEWEST]
    mails = [_read(path) for path in newest if _NAME.fullmatch(path.name)]
    return page("demo_mail/mailbox.html", present_clinic(), mails=mails)


@blueprint.get("/<name>")
def message(name: str) -> ResponseReturnValue:
    return page("demo_mail/message.html", present_clinic(), mail=_read(_path(name)))


@blueprint.get("/<name>/html")
def html(name: str) -> ResponseReturnValue:
    """The mail's page, for a frame that may do nothing."""
    part = _parsed(_path(name)).get_body(("html",))
    if part is None:
        raise NotFound
    return Response(part.get_content(), mimetype="text/html")


def _folder() -> Path:
    return Path(current_app.instance_path) / "mail"


def _path(name: str) -> Path:
    path = _folder() / name
    if not _NAME.fullmatch(name) or not path.is_file():
        raise NotFound
    return path


def _parsed(path: Path) -> EmailMessage:
    parsed = email.message_from_bytes(path.read_bytes(), policy=default)
    assert isinstance(parsed, EmailMessage)
    return parsed


def _read(path: Path) -> Mail:
    parsed = _parsed(path)
    text, html_part = parsed.get_body(("plain",)), parsed.get_body(("html",))
    calendar = next(
        (part.get_content() for part in parsed.walk() if part.get_content_type() == "text/calendar"), ""
    )
    shown = ("From", "To", "Reply-To", "Subject", "Date", "Message-ID")
    return Mail(
        name=path.name,
        kind="Mail" if path.suffix == ".eml" else "Text (simulated)",
        subject=str(parsed["Subject"] or "Text"),
        to=str(parsed["To"] or ""),
        at=datetime.fromtimestamp(path.stat().st_mtime, UTC),
        headers=tuple((name, str(parsed[name])) for name in shown if parsed[name]),
        text=text.get_content() if text else "",
        has_html=html_part is not None,
        calendar=calendar if isinstance(calendar, str) else calendar.decode(),
    )
