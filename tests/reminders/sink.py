# ruff: noqa: N802 - aiosmtpd looks these names up.
"""A real SMTP server for tests, that can refuse at each step, stall, hang up, and die after the final dot."""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.databases import free_port

OK = "250 OK"


class Sink:
    """Keeps what it takes. What it says at each step of the dialogue is its attributes'; all is well by default."""

    def __init__(self) -> None:
        self.taken: list[EmailMessage] = []
        self.to_sender = OK
        self.to_recipient = OK
        self.to_data = ""  # Empty: it asks for the content.
        self.answer = OK
        self.stall = 0.0
        self.die_after_dot = False
        self.hang_up_after = 0  # So many mails over one connection; 0: as many as there are.
        self.logins: list[tuple[bytes, bytes]] = []
        self.password = b""
        self.connections = 0
        self.port = 0

    @property
    def mail_ids(self) -> list[str]:
        return [str(mail["Message-ID"]) for mail in self.taken]

    @property
    def recipients(self) -> list[str]:
        return [str(mail["To"]) for mail in self.taken]

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        if (
            session.ssl is None or not server.tls_context
        ):  # Said again after STARTTLS, on the same connection.
            self.connections += 1
        session.host_name = hostname
        return responses

    def __call__(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: LoginPassword
    ) -> AuthResult:
        """Whether this login is right, for aiosmtpd."""
        self.logins.append((given.login, given.password))
        return AuthResult(success=given.password == self.password)

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.to_sender == OK:
            envelope.mail_from = address
        return self.to_sender

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.to_recipient == OK:
            envelope.rcpt_tos.append(address)
        return self.to_recipient

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:
        if self.stall:
            await asyncio.sleep(self.stall)
        if self.answer == OK:
            parsed = message_from_bytes(envelope.original_content or b"", policy=policy.default)
            assert isinstance(parsed, EmailMessage)
            self.taken.append(parsed)
        if self.die_after_dot:
            server.transport.abort()
        if self.hang_up_after and len(self.taken) % self.hang_up_after == 0:
            # The answer still goes out; then the line is dead.
            server.loop.call_soon(server.transport.close)
        return self.answer


class _Server(SMTP):
    async def smtp_DATA(self, arg: str) -> None:
        refusal = self.event_handler.to_data
        await (self.push(refusal) if refusal else super().smtp_DATA(arg))


class _Controller(Controller):
    def factory(self) -> SMTP:
        return _Server(self.handler, **self.SMTP_kwargs)


@contextmanager
def listening(sink: Sink, **how: Any) -> Iterator[None]:
    """The sink answers at its port within the block, and nobody does before and after."""
    controller = _Controller(sink, hostname="127.0.0.1", port=sink.port, ready_timeout=20, **how)
    controller.start()
    try:
        yield
    finally:
        controller.stop()


@contextmanager
def running(certificate: tuple[str, str] | None = None, *, starttls: bool = False) -> Iterator[Sink]:
    """A sink at a port of its own; with a certificate and its key, over TLS from the start or after STARTTLS, and it
    asks for a login there."""
    sink = Sink()
    sink.port = free_port()
    how: dict[str, Any] = {}
    if certificate:
        trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trusted.load_cert_chain(*certificate)
        how = {"tls_context": trusted, "require_starttls": True} if starttls else {"ssl_context": trusted}
        how |= {"authenticator": sink, "auth_require_tls": starttls}
    with listening(sink, **how):
        yield sink
