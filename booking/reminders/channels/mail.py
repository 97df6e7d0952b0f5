"""Mail, by SMTP or into files.

Flask-Mail makes and sends the mail; its connection is extended by what it lacks: a time-out, certificates that are
checked, and the difference between "not sent" and "nobody knows".
"""

import re
import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email.charset import QP, Charset
from email.utils import parseaddr
from pathlib import Path
from typing import Protocol

from flask import current_app
from flask_mail import Attachment, Connection, Message

from booking import clock
from booking.config import Config
from booking.extensions import mail
from booking.reminders.channels import Composed, Delivered, Outcome

# No server has to take longer lines (RFC 5322). Only mails with one go encoded: files of others are read by people.
_LONGEST_LINE = 998
_ENCODED = Charset("utf-8")
_ENCODED.body_encoding = QP


class Mailer(Protocol):
    """A batch of mails over one connection."""

    def send(self, composed: Composed) -> Delivered: ...


@contextmanager
def mailer() -> Iterator[Mailer]:
    """The way that mail goes here: to the configured server, else into `instance/mail`."""
    config: Config = current_app.config["BOOKING"]
    if not config.mail_host:
        yield FileMailer(Path(current_app.instance_path) / "mail", config)
        return
    sender = SmtpMailer(config)
    try:
        yield sender
    finally:
        sender.close()


def trouble_with_server() -> str:
    """Why the mail server can't be used, or nothing: connects, signs in, and leaves."""
    sender = SmtpMailer(current_app.config["BOOKING"])
    try:
        sender.open()
    except (OSError, smtplib.SMTPException) as trouble:
        return _short(trouble)
    finally:
        sender.close()
    return ""


class FileMailer:
    """Writes each mail as an .eml file of its own: one that is delivered a second time is there twice."""

    def __init__(self, folder: Path, config: Config) -> None:
        self._folder, self._config = folder, config

    def send(self, composed: Composed) -> Delivered:
        self._folder.mkdir(parents=True, exist_ok=True)
        name = f"{clock.now():%Y%m%d-%H%M%S-%f}-{composed.mail_id.partition('@')[0][:12]}.eml"
        written = self._folder / f".{name}"
        written.write_bytes(_message(composed, self._config).as_bytes())
        written.rename(self._folder / name)
        return Delivered(Outcome.SENT, "written to a file")


def _trusted(config: Config) -> ssl.SSLContext:
    """Whose certificates are believed: whoever this machine believes, and whoever the clinic does. Reading them all takes
    longer than a mail.
    """
    trusted = ssl.create_default_context()
    if config.mail_ca_file:
        trusted.load_verify_locations(config.mail_ca_file)
    return trusted


class _CheckedConnection(Connection):
    """A connection that waits so long and no longer, and believes only a server with a valid certificate."""

    def configure_host(self) -> smtplib.SMTP:
        config: Config = current_app.config["BOOKING"]
        trusted = None if config.mail_security == "none" else _trusted(config)
        if config.mail_security == "tls":
            host: smtplib.SMTP = smtplib.SMTP_SSL(
                config.mail_host, config.mail_port, timeout=config.mail_timeout, context=trusted
            )
        else:
            host = smtplib.SMTP(config.mail_host, config.mail_port, timeout=config.mail_timeout)
            if config.mail_security == "starttls":
                host.starttls(context=trusted)
        if host.sock is not None:
            # The final dot goes by itself; it must not wait for an acknowledgement of what went before.
            host.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if config.mail_user:
            host.login(config.mail_user, config.mail_password)
        return host


class SmtpMailer:
    """One connection for a batch, opened with the first mail and again after it broke."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._connection: Connection | None = None

    def send(self, composed: Composed) -> Delivered:
        try:
            host = self.open()
        except (OSError, smtplib.SMTPException) as trouble:
            self.close()
            return Delivered(Outcome.NOT_SENT, f"The mail server can't be reached: {_short(trouble)}")
        message = _message(composed, self._config)
        sender = parseaddr(_sender(composed, self._config))[1]
        try:
            return self._hand_over(host, sender, composed.to, message.as_bytes())
        except (OSError, smtplib.SMTPException) as trouble:
            self.close()
            return Delivered(Outcome.NOT_SENT, _short(trouble))
        except Exception:
            # Whatever it was, this dialogue has stopped in the middle: the next mail begins a new one.
            self.close()
            raise

    def close(self) -> None:
        if self._connection is not None and self._connection.host is not None:
            try:
                self._connection.host.quit()
            except (OSError, smtplib.SMTPException):
                self._connection.host.close()
        self._connection = None

    def open(self) -> smtplib.SMTP:
        """The connection, made if there is none."""
        if self._connection is None:
            connection = _CheckedConnection(mail)
            connection.host = connection.configure_host()
            connection.host.ehlo_or_helo_if_needed()
            self._connection = connection
        host = self._connection.host
        assert host is not None
        return host

    def _hand_over(self, host: smtplib.SMTP, sender: str, to: str, content: bytes) -> Delivered:
        """The SMTP dialogue step by step, so that we know how far it came."""
        code, answer = host.mail(sender)
        if code >= 300:
            # It is we who aren't welcome, not the recipient: a person has to mend it, and the message waits.
            host.rset()
            return Delivered(Outcome.NOT_SENT, f"{code} {_plain(answer)}")
        code, answer = host.rcpt(to)
        if code >= 300:
            host.rset()
            # 503: the server has lost count of our dialogue, which says nothing of the recipient.
            refused = code >= 500 and code != 503
            return Delivered(Outcome.REFUSED if refused else Outcome.NOT_SENT, f"{code} {_plain(answer)}")
        host.putcmd("data")
        code, answer = host.getreply()
        if code != 354:
            host.rset()
            return Delivered(
                Outcome.DECLINED if code >= 500 else Outcome.NOT_SENT, f"{code} {_plain(answer)}"
            )
        lines = re.sub(rb"\r\n|\n|\r(?!\n)", b"\r\n", content)
        host.send(re.sub(rb"(?m)^\.", b"..", lines) + (b"" if lines.endswith(b"\r\n") else b"\r\n"))
        try:
            # From the final dot on, the server may have taken it whatever happens to us.
            host.send(b".\r\n")
            code, answer = host.getreply()
        except (OSError, smtplib.SMTPException) as trouble:
            self.close()
            return Delivered(Outcome.UNSURE, f"Cut off after the final dot: {_short(trouble)}")
        if code == 250:
            return Delivered(Outcome.SENT)
        return Delivered(Outcome.DECLINED if code >= 500 else Outcome.NOT_SENT, f"{code} {_plain(answer)}")


def _message(composed: Composed, config: Config) -> Message:
    """The mail in Flask-Mail's words. A stable Message-ID lets a second delivery be recognised."""
    lines = f"{composed.text}\n{composed.html}".splitlines()
    encoded = any(len(line.encode()) > _LONGEST_LINE for line in lines)
    message = Message(
        # Flask-Mail hands it to the standard library as it is.
        charset=_ENCODED if encoded else None,  # type: ignore[arg-type]
        subject=composed.subject,
        recipients=[composed.to],
        body=composed.text,
        html=composed.html or None,
        sender=_sender(composed, config),
        reply_to=composed.reply_to or None,
        extra_headers={"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All"},
    )
    message.msgId = f"<{composed.mail_id}>"
    if composed.calendar:
        # The first attachment type is what calendars look at; "inline" shows it as an invitation. Several visits are a file
        # to open: mail programs would show the first alone, in place of the mail.
        several = composed.calendar_method == "PUBLISH"
        message.attachments.append(
            Attachment(
                filename="visits.ics" if several else "visit.ics",
                content_type=f"text/calendar; charset=utf-8; method={composed.calendar_method}",
                data=composed.calendar,
                disposition="attachment" if several else "inline",
            )
        )
    return message


def _sender(composed: Composed, config: Config) -> str:
    address = parseaddr(config.mail_sender)[1] or composed.reply_to
    name = composed.sender_name.replace('"', "")
    return f'"{name}" <{address}>' if name else address


def _short(trouble: Exception) -> str:
    return f"{type(trouble).__name__}: {trouble}"[:200]


def _plain(answer: bytes) -> str:
    return without_addresses(answer.decode("utf-8", "replace"))


def without_addresses(words: str) -> str:
    """A server's words, that anybody may read."""
    return re.sub(r"\S+@\S+", "…", words[:1000])[:200]
