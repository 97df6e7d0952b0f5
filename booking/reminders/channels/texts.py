"""Texts: a port of three methods, simulated into files or sent by Twilio.

`send` hands a text over, `status_of` asks what became of it, `close` ends a batch.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from flask import current_app

from booking import clock
from booking.config import TEXT_TIMEOUT, Config
from booking.reminders.channels import Composed, Delivered, Outcome


class Texter(Protocol):
    def send(self, composed: Composed) -> Delivered:
        """Hands a text over."""

    def status_of(self, provider_id: str) -> Outcome:
        """What became of a text that was handed over."""

    def close(self) -> None:
        """Ends the batch."""


@contextmanager
def texter() -> Iterator[Texter | None]:
    """The way that texts go here, or None where none is configured."""
    config: Config = current_app.config["BOOKING"]
    if config.texts == "none":
        yield None
        return
    chosen: Texter = (
        Twilio(config) if config.texts == "twilio" else FileTexter(Path(current_app.instance_path) / "mail")
    )
    try:
        yield chosen
    finally:
        chosen.close()


class FileTexter:
    """Writes each text to a file, and never claims that it was sent."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def send(self, composed: Composed) -> Delivered:
        self._folder.mkdir(parents=True, exist_ok=True)
        name = f"{clock.now():%Y%m%d-%H%M%S-%f}-{secrets.token_hex(4)}.txt"
        written = self._folder / f".{name}"
        words = f"To: {composed.to}\nSubject: {composed.subject}\nContent-Type: text/plain; charset=utf-8\n\n{composed.text}\n"
        written.write_text(words, encoding="utf-8")
        written.rename(self._folder / name)
        return Delivered(Outcome.SIMULATED, "written to a file")

    def status_of(self, provider_id: str) -> Outcome:
        return Outcome.SIMULATED

    def close(self) -> None:
        return


class Twilio:
    """Twilio's REST API, through its own client."""

    def __init__(self, config: Config) -> None:
        from twilio.http.http_client import TwilioHttpClient
        from twilio.rest import Client

        self._from = config.twilio_from
        self._client: Any = Client(
            config.twilio_account, config.twilio_token, http_client=TwilioHttpClient(timeout=TEXT_TIMEOUT)
        )
        if config.twilio_api:
            # Another address of the same API: a server of our own, in tests.
            self._client.api.base_url = config.twilio_api

    def send(self, composed: Composed) -> Delivered:
        import requests
        from twilio.base.exceptions import TwilioRestException

        sender = (
            {"messaging_service_sid": self._from} if self._from.startswith("MG") else {"from_": self._from}
        )
        try:
            sent = self._client.messages.create(to=composed.to, body=composed.text, **sender)
        except TwilioRestException as fault:
            if fault.status == 429 or fault.status >= 500:
                return Delivered(Outcome.NOT_SENT, f"{fault.status} {fault.code or ''}".strip())
            return Delivered(Outcome.REFUSED, f"{fault.status} {fault.code or ''}".strip())
        except requests.exceptions.ConnectTimeout as trouble:
            return Delivered(Outcome.NOT_SENT, type(trouble).__name__)
        except requests.exceptions.ReadTimeout as trouble:
            return Delivered(Outcome.UNSURE, type(trouble).__name__)
        except requests.exceptions.ConnectionError as trouble:
            # Refused before anything was said, or cut off in the middle: only the first is known not to have arrived.
            refused = "NewConnectionError" in repr(trouble)
            return Delivered(Outcome.NOT_SENT if refused else Outcome.UNSURE, type(trouble).__name__)
        return Delivered(Outcome.SENT, provider_id=sent.sid)

    def status_of(self, provider_id: str) -> Outcome:
        status = self._client.messages(provider_id).fetch().status
        if status in ("delivered", "sent", "queued", "sending", "accepted"):
            return Outcome.SENT
        return Outcome.REFUSED if status in ("failed", "undelivered") else Outcome.UNSURE

    def close(self) -> None:
        return
