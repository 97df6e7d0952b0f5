"""The clinic's file: its form, and what is wrong with it.

A file is read as a whole; every fault is named at once, with its line and the reason. `booking.services.clinic_rows`
writes a definition into rows, `clinic_reading` reads it back.
"""

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, time
from functools import cache
from itertools import pairwise
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, available_timezones

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    model_validator,
)

from booking.config import is_no_reply
from booking.models import BookableBy, PriceShown, VisitKind
from booking.scheduling.plans.course import MOST_REST_DAYS

Place = tuple[str | int, ...]

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
# Words that would tell everybody at home what a message is about.
TELLTALE = re.compile(
    r"acupunct|chiropract|massage|cupping|moxi|laser|needle|disc\b|pain|spine|l\.?\s?ac\b|d\.?c\.?\b",
    re.IGNORECASE,
)


class FileFault(Exception):
    """The file can't be used. `faults` are (line, reason), all of them."""

    def __init__(self, faults: list[tuple[int, str]]) -> None:
        self.faults = sorted(faults)
        super().__init__(
            "\n".join(f"line {line}: {reason}" if line else reason for line, reason in self.faults)
        )


def _stretch(words: Any) -> tuple[time, time]:
    """As in "9:00-13:00"; 24:00 is the end of the day."""
    if isinstance(words, tuple):
        return words
    found = re.fullmatch(r"\s*(\d{1,2}):(\d\d)\s*[-–]\s*(\d{1,2}):(\d\d)\s*", str(words))
    if not found:
        raise ValueError(f'"{words}" is no stretch of hours; write it as in "9:00-13:00"')
    first, second, third, fourth = map(int, found.groups())
    if second % 5 or fourth % 5:
        raise ValueError(f'"{words}": hours begin and end on multiples of five minutes')
    if first > 23 or second > 59 or fourth > 59 or third > 24 or (third == 24 and fourth):
        raise ValueError(f'"{words}" names a time that no clock shows')
    opens, closes = time(first, second), time(third % 24, fourth)
    if closes != time(0) and closes <= opens:
        raise ValueError(f'"{words}" ends before it begins; hours don\'t cross midnight')
    if closes == time(0) and third != 24:
        raise ValueError(f'"{words}": write 24:00 for the end of the day')
    return opens, closes


def _written(stretch: tuple[time, time]) -> str:
    opens, closes = stretch
    return f"{opens:%H:%M}-{'24:00' if closes == time(0) else f'{closes:%H:%M}'}"


def _weekly(words: Any) -> str:
    """As in "friday 10:00"."""
    day, _, at = str(words).strip().lower().partition(" ")
    found = re.fullmatch(r"(\d{1,2}):([0-5]\d)", at.strip())
    if day not in WEEKDAYS or not found or int(found[1]) > 23:
        raise ValueError(f'"{words}" is no time of the week; write it as in "friday 10:00"')
    return f"{day} {int(found[1]):02}:{found[2]}"


def _five(minutes: int) -> int:
    if minutes % 5:
        raise ValueError("minutes are multiples of five")
    return minutes


def _printable(words: str, allowed: str = "\n\t") -> str:
    if any(unicodedata.category(letter) in ("Cc", "Cs") and letter not in allowed for letter in words):
        raise ValueError("there is a character in it that can't be printed")
    return words


def _one_line(words: str) -> str:
    return _printable(words, allowed="")


def _each_once(days: list[int]) -> list[int]:
    if len(set(days)) < len(days):
        raise ValueError("the same day is there twice; each reminder goes once")
    return days


def _phone(words: Any) -> str:
    try:
        number = phonenumbers.parse(str(words), "US")
    except phonenumbers.NumberParseException:
        raise ValueError("that is no phone number") from None
    if not phonenumbers.is_possible_number(number):
        raise ValueError("that is no phone number")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _address(words: Any) -> str:
    try:
        found = validate_email(str(words), check_deliverability=False, allow_smtputf8=False)
    except EmailNotValidError as fault:
        raise ValueError(str(fault)) from None
    if is_no_reply(found.local_part):
        raise ValueError("patients answer mails; name a mailbox that people read")
    return found.normalized


# Looking them up goes through some six hundred files.
_zones = cache(available_timezones)


def _zone(words: Any) -> str:
    if not isinstance(words, str) or words not in _zones():
        raise ValueError(f'"{words}" is no time zone; write it as in "America/Los_Angeles"')
    return str(words)


Name = Annotated[str, Field(min_length=1, max_length=120), AfterValidator(_one_line)]
ShortName = Annotated[str, Field(min_length=1, max_length=80), AfterValidator(_one_line)]
Label = Annotated[str, Field(min_length=1, max_length=40), AfterValidator(_one_line)]
Reason = Annotated[str, Field(max_length=200), AfterValidator(_one_line)]
Credentials = Annotated[str, Field(max_length=120), AfterValidator(_one_line)]
Sentence = Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(_printable)]
Text = Annotated[str, Field(min_length=1, max_length=50_000), AfterValidator(_printable)]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
Words = Annotated[str, Field(max_length=20_000), AfterValidator(_printable)]
Day = Annotated[date, Field(ge=date(2000, 1, 1), lt=date(2100, 1, 1))]
Stretch = Annotated[tuple[time, time], BeforeValidator(_stretch), PlainSerializer(_written)]
Minutes = Annotated[int, Field(strict=True, ge=5, le=480), AfterValidator(_five)]
Buffer = Annotated[int, Field(strict=True, ge=0, le=120), AfterValidator(_five)]
Weekly = Annotated[str, BeforeValidator(_weekly)]
Phone = Annotated[str, BeforeValidator(_phone)]
Mailbox = Annotated[str, BeforeValidator(_address)]
Zone = Annotated[str, BeforeValidator(_zone)]
Days = Annotated[list[Annotated[int, Field(ge=1, le=30)]], Field(max_length=5), AfterValidator(_each_once)]


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Week(Part):
    """Stretches of hours for each day of the week."""

    monday: list[Stretch] = []
    tuesday: list[Stretch] = []
    wednesday: list[Stretch] = []
    thursday: list[Stretch] = []
    friday: list[Stretch] = []
    saturday: list[Stretch] = []
    sunday: list[Stretch] = []

    @model_validator(mode="after")
    def _apart(self) -> Self:
        for day in WEEKDAYS:
            _refuse_overlaps(getattr(self, day))
        return self


class DatedHours(Part):
    """What replaces the weekly hours on one date; no stretches for a day off."""

    on: Day
    hours: list[Stretch] = []

    @model_validator(mode="after")
    def _apart(self) -> Self:
        _refuse_overlaps(self.hours)
        return self


class Away(Part):
    """Days off, both included, or with `hours` one stretch of each of them."""

    first: Day
    last: Day
    hours: Stretch | None = None
    reason: Reason = ""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.last < self.first:
            raise ValueError("last lies before first")
        return self


class About(Part):
    name: Name
    message_name: Label
    zone: Zone
    address: Annotated[list[Name], Field(min_length=1, max_length=4)]
    arrival: Words = ""
    phone: Phone
    phone_hours: Name
    mailbox: Mailbox
    welcome: Words = ""


class Policies(Part):
    version: Label
    cancellation: Sentence
    policies: Text
    privacy: Text
    text_consent: Sentence
    text_consent_version: Label


class Limit(Part):
    scope: Literal["practitioner", "patient"]
    per: Literal["day", "week"]
    visits: Annotated[int, Field(ge=1, le=500)]
    visit_type: Slug | None = None
    practitioner: Slug | None = None


class Rules(Part):
    step_minutes: Minutes = 15
    notice_minutes: Annotated[int, Field(ge=0, le=60 * 24 * 30)] = 120
    first_visit_notice_minutes: Annotated[int, Field(ge=0, le=60 * 24 * 30)] | None = None
    horizon_days: Annotated[int, Field(ge=1, le=365)] = 90
    cut_off_minutes: Annotated[int, Field(ge=0, le=60 * 24 * 14)] = 24 * 60
    at_once: Annotated[int, Field(ge=1, le=10)] = 2
    visits_without_staff: Annotated[int, Field(ge=1, le=100)] = 6
    colleagues: Literal["busy", "nothing"] = "busy"
    penciled_gives_way_to: Literal["first_visits", "desk", "nobody"] = "first_visits"
    plans_patients_begin: Literal["penciled", "firm"] = "penciled"
    make_up_sent_by: Literal["desk", "worker"] = "desk"
    limits: list[Limit] = []
    reminder_days: Days = [3, 1]
    texts: Stretch = (time(9), time(19))
    texts_a_day: Annotated[int, Field(ge=1, le=20)] = 1
    texts_a_week: Annotated[int, Field(ge=1, le=50)] = 3
    digest: Weekly = "friday 10:00"


class Modality(Part):
    id: Slug
    name: ShortName
    summary: Words = ""
    symbol: Label = "care"


class Phase(Part):
    """`needs`: "practitioner", "room", or kinds of device."""

    name: Label
    minutes: Minutes
    needs: list[Label] = ["practitioner", "room"]


class VisitType(Part):
    id: Slug
    name: Name
    modality: Slug
    kind: VisitKind = VisitKind.EITHER
    summary: Words = ""
    on_request: bool = False
    price_cents: Annotated[int, Field(ge=0, le=10_000_00)] | None = None
    price_shown: PriceShown = PriceShown.HIDDEN
    bring: Words = ""
    arrive_early_minutes: Annotated[int, Field(ge=0, le=120)] = 0
    tell_us: Words = ""
    room_kinds: list[Label] = []
    pause_before_minutes: Buffer = 0
    pause_after_minutes: Buffer = 0
    turnover_before_minutes: Buffer = 0
    turnover_after_minutes: Buffer = 0
    buffers_within_hours: bool = False
    notice_minutes: Annotated[int, Field(ge=0, le=60 * 24 * 30)] | None = None
    cut_off_minutes: Annotated[int, Field(ge=0, le=60 * 24 * 14)] | None = None
    reminder_days: Days | None = None
    phases: Annotated[list[Phase], Field(min_length=1, max_length=10)]


class Room(Part):
    id: Slug
    name: ShortName
    kind: Label


class Offer(Part):
    """A visit type that a practitioner offers: the visit type's id alone, or with how."""

    visit_type: Slug
    bookable_by: BookableBy = BookableBy.PATIENTS
    takes_new: bool = True
    phase_minutes: list[Minutes] | None = None

    @model_validator(mode="before")
    @classmethod
    def _by_name_alone(cls, given: Any) -> Any:
        return {"visit_type": given} if isinstance(given, str) else given


class Practitioner(Part):
    id: Slug
    name: Name
    credentials: Credentials = ""
    profile: Words = ""
    rooms: list[Slug] = []
    at_once: Annotated[int, Field(ge=1, le=10)] | None = None
    hours: Week
    dated_hours: list[DatedHours] = []
    away: list[Away] = []
    offers: list[Offer] = []


def _dose(words: Any) -> tuple[int, int]:
    """As in 3, or in "2-3"."""
    if isinstance(words, (tuple, list)):
        words = f"{words[0]}-{words[-1]}"
    found = re.fullmatch(r"\s*(\d)\s*(?:[-–]\s*(\d)\s*)?", str(words))
    if not found:
        raise ValueError(f'"{words}" is no number of visits a week; write 3, or "2-3"')
    fewest, most = int(found[1]), int(found[2] or found[1])
    if not 0 <= fewest <= most <= 7 or most == 0:
        raise ValueError(f'"{words}": one to seven visits a week, the fewest first')
    return fewest, most


def _dose_written(dose: tuple[int, int]) -> int | str:
    fewest, most = dose
    return most if fewest == most else f"{fewest}-{most}"


Dose = Annotated[tuple[int, int], BeforeValidator(_dose), PlainSerializer(_dose_written, when_used="json")]
RestDays = Annotated[int, Field(ge=0, le=MOST_REST_DAYS)]


class PlanPhase(Part):
    """So many weeks with the same doses by visit type; `every` second week, or third, has them where it is more than 1.
    `reassessed`: after it somebody looks again, where the template has reassessments.
    """

    weeks: Annotated[int, Field(ge=1, le=52)]
    every: Annotated[int, Field(ge=1, le=8)] = 1
    reassessed: bool = True
    doses: Annotated[dict[Slug, Dose], Field(min_length=1, max_length=4)]


class PlanPairing(Part):
    gap_minutes: Annotated[int, Field(ge=0, le=120), AfterValidator(_five)] = 15
    in_order: bool = False


class PlanTemplate(Part):
    """`rest_days`: by modality. `reassessment`: visit types of which one decides, after each phase, how it goes on."""

    id: Slug
    name: Name
    summary: Words = ""
    self_service: bool = False
    rest_days: dict[Slug, RestDays] = {}
    pairing: PlanPairing | None = None
    most_trips: Annotated[int, Field(ge=1, le=14)] | None = None
    reassessment: list[Slug] = []
    phases: Annotated[list[PlanPhase], Field(min_length=1, max_length=8)]

    @model_validator(mode="after")
    def _not_too_long(self) -> Self:
        if sum(phase.weeks for phase in self.phases) > 52:
            raise ValueError("a plan lasts a year at the most")
        return self

    def as_course(self) -> dict[str, Any]:
        """The plain values of which the plan's course is made."""
        return self.model_dump(include={"phases", "rest_days", "pairing", "most_trips", "reassessment"})


class ClinicFile(Part):
    clinic: About
    policies: Policies
    rules: Rules = Rules()
    hours: Week
    dated_hours: list[DatedHours] = []
    closures: list[Away] = []
    modalities: Annotated[list[Modality], Field(min_length=1)]
    visit_types: Annotated[list[VisitType], Field(min_length=1)]
    rooms: list[Room] = []
    devices: list[Room] = []
    practitioners: Annotated[list[Practitioner], Field(min_length=1)]
    plan_templates: list[PlanTemplate] = []

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.clinic.zone)


def parse(text: str) -> ClinicFile:
    """The definition that a file contains. Raises FileFault with everything that is wrong."""
    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        found = re.search(r"line (\d+)", str(fault))
        line = int(found[1]) if found else len(text.splitlines())
        raise FileFault([(line, f"this is not TOML: {fault}")]) from None
    lines = _Lines(text)
    try:
        definition = ClinicFile.model_validate(given)
    except ValidationError as fault:
        raise FileFault(
            [
                (lines.of(error["loc"]), f"{_path(error['loc'])}: {_plain(error['msg'])}")
                for error in fault.errors()
            ]
        ) from None
    faults = [(lines.of(place), f"{_path(place)}: {reason}") for place, reason in _contradictions(definition)]
    if faults:
        raise FileFault(faults)
    return definition


def _contradictions(definition: ClinicFile) -> Iterator[tuple[Place, str]]:
    """What each part alone can't know: names that nothing bears, and people and hours that don't fit together."""
    for kind in ("modalities", "visit_types", "rooms", "devices", "practitioners", "plan_templates"):
        seen: set[str] = set()
        for index, one in enumerate(getattr(definition, kind)):
            if one.id in seen:
                yield (kind, index, "id"), f'"{one.id}" is there twice'
            seen.add(one.id)
    modalities = {one.id for one in definition.modalities}
    visit_types = {one.id: one for one in definition.visit_types}
    rooms, room_kinds = {one.id for one in definition.rooms}, {one.kind for one in definition.rooms}
    device_kinds = {one.kind for one in definition.devices}
    people = {one.id for one in definition.practitioners}

    for index, visit_type in enumerate(definition.visit_types):
        at: Place = ("visit_types", index)
        if visit_type.modality not in modalities:
            yield (*at, "modality"), f'no modality is called "{visit_type.modality}"'
        for kind in set(visit_type.room_kinds) - room_kinds:
            yield (*at, "room_kinds"), f'no room is of the kind "{kind}"'
        if not any("practitioner" in phase.needs for phase in visit_type.phases):
            yield (*at, "phases"), "no phase needs the practitioner"
        if any("room" in phase.needs for phase in visit_type.phases) and not visit_type.room_kinds:
            yield (*at, "room_kinds"), "a phase needs a room, but no kind of room is named"
        for number, phase in enumerate(visit_type.phases):
            for kind in set(phase.needs) - {"practitioner", "room"} - device_kinds:
                yield (*at, "phases", number, "needs"), f'no device is of the kind "{kind}"'
        if visit_type.price_shown is not PriceShown.HIDDEN and visit_type.price_cents is None:
            yield (*at, "price_shown"), "a price is to be shown, but none is given"
    for index, person in enumerate(definition.practitioners):
        at = ("practitioners", index)
        for room in set(person.rooms) - rooms:
            yield (*at, "rooms"), f'no room is called "{room}"'
        offered: set[str] = set()
        for number, offer in enumerate(person.offers):
            found = visit_types.get(offer.visit_type)
            if found is None:
                yield (*at, "offers"), f'no visit type is called "{offer.visit_type}"'
            elif offer.phase_minutes is not None and len(offer.phase_minutes) != len(found.phases):
                yield (
                    (*at, "offers"),
                    f'"{offer.visit_type}" has {len(found.phases)} phases, with minutes for each',
                )
            if offer.visit_type in offered:
                yield (*at, "offers", number), f'"{offer.visit_type}" is there twice'
            offered.add(offer.visit_type)
        for day in WEEKDAYS:
            for stretch in getattr(person.hours, day):
                if not any(_inside(stretch, open_) for open_ in getattr(definition.hours, day)):
                    yield (*at, "hours", day), f"{_written(stretch)} lies outside the clinic's own hours"
    for index, template in enumerate(definition.plan_templates):
        yield from _of_template(template, ("plan_templates", index), visit_types, modalities)
    yield from _doubles(("closures",), [(one.first, one.last, one.hours) for one in definition.closures])
    yield from _doubles(("dated_hours",), [one.on for one in definition.dated_hours])
    for index, person in enumerate(definition.practitioners):
        at = ("practitioners", index)
        yield from _doubles((*at, "away"), [(one.first, one.last, one.hours) for one in person.away])
        yield from _doubles((*at, "dated_hours"), [one.on for one in person.dated_hours])
    for index, limit in enumerate(definition.rules.limits):
        if limit.visit_type and limit.visit_type not in visit_types:
            yield ("rules", "limits", index), f'no visit type is called "{limit.visit_type}"'
        if limit.practitioner and limit.practitioner not in people:
            yield ("rules", "limits", index), f'no practitioner is called "{limit.practitioner}"'


def _of_template(
    template: PlanTemplate, at: Place, visit_types: Mapping[str, VisitType], modalities: set[str]
) -> Iterator[tuple[Place, str]]:
    for modality in set(template.rest_days) - modalities:
        yield (*at, "rest_days"), f'no modality is called "{modality}"'
    for name in template.reassessment:
        if name not in visit_types:
            yield (*at, "reassessment"), f'no visit type is called "{name}"'
    by_modality: dict[str, str] = {}
    for number, phase in enumerate(template.phases):
        for name, (fewest, _) in phase.doses.items():
            found = visit_types.get(name)
            if found is None:
                yield (*at, "phases", number, "doses"), f'no visit type is called "{name}"'
                continue
            if by_modality.setdefault(found.modality, name) != name:
                yield (*at, "phases", number, "doses"), f'"{found.modality}" has two visit types in one plan'
            if (fewest - 1) * (template.rest_days.get(found.modality, 0) + 1) >= 7:
                yield (
                    (*at, "phases", number, "doses"),
                    f'"{name}": with days of rest, a week has no room for {fewest}',
                )


def _doubles(place: Place, days: Sequence[object]) -> Iterator[tuple[Place, str]]:
    for index, day in enumerate(days):
        if day in days[:index]:
            yield (*place, index), "these days are there twice"


def _refuse_overlaps(stretches: Iterable[tuple[time, time]]) -> None:
    ordered = sorted(stretches)
    for (_, closes), (opens, _) in pairwise(ordered):
        if closes == time(0) or opens < closes:
            raise ValueError("two stretches of hours overlap")


def _inside(inner: tuple[time, time], outer: tuple[time, time]) -> bool:
    if inner[0] < outer[0]:
        return False
    return outer[1] == time(0) or (inner[1] != time(0) and inner[1] <= outer[1])


def _path(place: Place) -> str:
    return ".".join(f"{part + 1}" if isinstance(part, int) else part for part in place)


def _plain(words: str) -> str:
    if words == "Extra inputs are not permitted":
        return "nothing here has this name"
    if words == "Field required":
        return "is missing"
    return words.removeprefix("Value error, ").removeprefix("Input should be ")


class _Lines:
    """In which line of a TOML text something stands; where it stands nowhere, the line of what it belongs to."""

    _TABLE = re.compile(r"\s*(\[\[?)\s*([\w.\-]+)\s*\]\]?")
    _KEY = re.compile(r"\s*([\w\-]+(?:\.[\w\-]+)*)\s*=")

    def __init__(self, text: str) -> None:
        self._lines: dict[Place, int] = {}
        counts: dict[Place, int] = {}
        table: Place = ()
        for number, line in enumerate(text.splitlines(), 1):
            if found := self._TABLE.match(line):
                table = self._resolved(tuple(found[2].split(".")), counts, new=found[1] == "[[")
                self._lines.setdefault(table, number)
            elif found := self._KEY.match(line):
                self._lines.setdefault((*table, *found[1].split(".")), number)

    @staticmethod
    def _resolved(names: tuple[str, ...], counts: dict[Place, int], *, new: bool) -> Place:
        """A table's whole place, with the index of each array of tables on the way."""
        place: Place = ()
        for depth, name in enumerate(names):
            place = (*place, name)
            if depth == len(names) - 1 and new:
                counts[place] = counts.get(place, -1) + 1
            if place in counts:
                place = (*place, counts[place])
        return place

    def of(self, place: Place) -> int:
        while place and place not in self._lines:
            place = place[:-1]
        return self._lines.get(place, 0)
