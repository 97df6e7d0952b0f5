"""What the API takes and gives, as the OpenAPI document describes it."""

from datetime import UTC, date, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from booking.models import Payment, Reminders
from booking.web import contacts
from booking.web.numerals import whole


class Taken(BaseModel):
    """Input: strict, and nothing in it that we don't know."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Given(BaseModel):
    model_config = ConfigDict(frozen=True)


def _instant(words: object) -> datetime:
    if not isinstance(words, str):
        raise ValueError("write an instant in UTC, as in 2026-12-03T17:15:00Z")
    try:
        found = datetime.fromisoformat(words)
    except ValueError:
        raise ValueError("write an instant in UTC, as in 2026-12-03T17:15:00Z") from None
    if found.tzinfo is None:
        raise ValueError("an instant needs a zone: end it with Z, or with an offset")
    if not 2000 <= found.year < 2100:
        raise ValueError("that is too far away")
    found = found.astimezone(UTC)
    if found.timestamp() % 300:
        raise ValueError("visits begin on a multiple of five minutes")
    return found


def day(words: object) -> date:
    try:
        found = date.fromisoformat(str(words))
    except ValueError:
        raise ValueError("write a date that exists, as in 2026-12-03") from None
    if len(str(words)) != 10 or not 2000 <= found.year < 2100:
        raise ValueError("write a date of this century, as in 2026-12-03")
    return found


def _whole(words: object) -> int:
    found = whole(words, 5) if isinstance(words, str) else None
    if found is None:
        raise ValueError("write a whole number")
    return found


def _unless_blank(reader: object) -> object:
    def read(words: str | None) -> str | None:
        return reader(words) if words else None  # type: ignore[operator, no-any-return]

    return read


Slug = Annotated[str, Field(min_length=1, max_length=60)]
Instant = Annotated[
    datetime,
    BeforeValidator(_instant),
    Field(json_schema_extra={"type": "string", "format": "date-time", "example": "2026-12-03T17:15:00Z"}),
]
Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(contacts.name)]
Email = Annotated[str | None, Field(max_length=254), AfterValidator(_unless_blank(contacts.email))]
Phone = Annotated[str | None, Field(max_length=40), AfterValidator(_unless_blank(contacts.phone))]


class PractitionersQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")
    visit_type: Slug | None = None


class OffersQuery(BaseModel):
    """`days` local days from `from` on; today, if it is left out."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)
    visit_type: Slug
    practitioner: Slug = "anyone"
    first: Annotated[date | None, BeforeValidator(day)] = Field(default=None, alias="from")
    days: Annotated[int, BeforeValidator(_whole), Field(ge=1, le=90)] = 30


class Patient(Taken):
    first_name: Name
    last_name: Name
    email: Email = None
    phone: Phone = None


class Visitor(Taken):
    """Who books, and how they want to be reminded."""

    patient: Patient
    reminders: Annotated[Reminders, Field(strict=False)]
    text_consent: bool = False
    payment: Annotated[Payment | None, Field(strict=False)] = None
    note: Annotated[str, AfterValidator(contacts.note)] = ""

    def misfits(self, *, texts_offered: bool) -> list[dict[str, str]]:
        """Fields that are well-formed each, but don't fit together."""
        patient, wanted = self.patient, self.reminders
        by_text, by_phone = wanted in ("text", "both"), wanted in ("text", "both", "call")
        faults = {
            "patient": not patient.email and not patient.phone and "give an email or a phone; one is enough",
            "patient.email": wanted in ("email", "both")
            and not patient.email
            and "reminders by email need it",
            "patient.phone": by_phone and not patient.phone and "reminders by text or call need it",
            "reminders": by_text and not texts_offered and "texts are not offered here",
            "text_consent": by_text and not self.text_consent and "reminders by text need it",
        }
        return [{"field": field, "message": message} for field, message in faults.items() if message]


class AppointmentWanted(Visitor):
    visit_type: Slug
    practitioner: Slug = "anyone"
    starts_at: Instant


class NewTime(Taken):
    starts_at: Instant
    practitioner: Slug = "anyone"
    version: int | None = None


class Cancellation(Taken):
    reason: Annotated[str, Field(max_length=500), AfterValidator(contacts.note)] = ""
    version: int | None = None


class Nothing(Taken):
    """An empty object."""


class VisitType(Given):
    id: str
    name: str
    modality: str
    minutes: int
    kind: str
    on_request: bool
    summary: str
    price_cents: int | None
    bring: str
    arrive_early_minutes: int
    tell_us: str


class VisitTypes(Given):
    visit_types: list[VisitType]


class Practitioner(Given):
    id: str
    name: str
    credentials: str
    profile: str
    visit_types: list[str]


class Practitioners(Given):
    practitioners: list[Practitioner]


class Offer(Given):
    starts_at: str
    local: str
    practitioner: str


class Reason(Given):
    code: str
    message: str
    first_free: Offer | None = None


class Offers(Given):
    time_zone: str
    offers: list[Offer]
    reasons: list[Reason]


class Booked(Given):
    reference: str
    status: str
    starts_at: str
    local: str
    practitioner: str
    manage_url: str
    manage_token: str


class Appointment(Given):
    """`provisional`: it holds its time until a practitioner has decided."""

    reference: str
    status: Literal[
        "proposed",
        "pending",
        "booked",
        "arrived",
        "checked-in",
        "fulfilled",
        "cancelled",
        "noshow",
        "waitlist",
    ]
    provisional: bool
    starts_at: str
    ends_at: str
    local: str
    time_zone: str
    visit_type: str
    practitioner: str
    confirmed_at: str | None
    change_until: str
    version: int


class BrokenRule(Given):
    """What visits don't keep of a plan. `week`: from 1 on; `care`: the visit type that suffers, or ""."""

    rule: str
    week: int
    care: str


class LostVisit(Offer):
    """A visit of a plan that can't be had any more, with what can take its place."""

    visit_type: str
    replacements: list[Offer]


class Problem(Given):
    """RFC 9457, with a stable `code`."""

    type: str
    status: int
    code: str
    title: str
    detail: str = ""
    errors: list[dict[str, str]] = []
    alternatives: list[Offer] = []
    faults: list[BrokenRule] = []
    lost: list[LostVisit] = []
