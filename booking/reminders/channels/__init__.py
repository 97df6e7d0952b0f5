"""The ways out. Each takes a composed message and says what became of it."""

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    SENT = "sent"
    # Written to a file: no provider is configured.
    SIMULATED = "simulated"
    # Not handed over; another try may succeed.
    NOT_SENT = "not_sent"
    # The server didn't want this message; the rule or the quota behind it may change.
    DECLINED = "declined"
    # This recipient will never take it.
    REFUSED = "refused"
    # Cut off after it was handed over: it may have arrived.
    UNSURE = "unsure"


@dataclass(frozen=True)
class Delivered:
    """What became of a message. `detail` is for operators and holds no person's data."""

    outcome: Outcome
    detail: str = ""
    provider_id: str | None = None


@dataclass(frozen=True)
class Composed:
    """A message as it goes out. `kept` is its text without the link's token, for the staff. `named`: the visits of which a
    message about several tells, by their ids.
    """

    to: str
    subject: str
    text: str
    kept: str
    mail_id: str
    html: str = ""
    calendar: bytes = b""
    calendar_method: str = ""
    reply_to: str = ""
    sender_name: str = ""
    named: tuple[int, ...] = ()
