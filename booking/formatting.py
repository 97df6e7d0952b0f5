"""Every time, and every phone number, that a person or a program reads, on its way out.

Pages, mails, texts and calendar files share this formatter, so that they can't disagree. It speaks in the
clinic's zone and names it; the visitor's zone is never used, because the patient comes to the clinic.
"""

import datetime as dt
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

import phonenumbers
from babel import Locale
from babel.dates import format_date, format_time, get_timezone_name

_ENGLISH_TIME = "h:mm a"


@dataclass(frozen=True)
class Times:
    """Formats instants and dates for one zone and one language."""

    zone: ZoneInfo
    locale: Locale

    def local(self, instant: datetime) -> datetime:
        """The wall time at the clinic, aware."""
        return instant.astimezone(self.zone)

    def local_date(self, instant: datetime) -> dt.date:
        return instant.astimezone(self.zone).date()

    def date(self, day: dt.date) -> str:
        """As in "Thursday, December 3, 2026"."""
        return _date(day, "full", self.locale)

    def day(self, day: dt.date) -> str:
        """As in "Thursday, December 3": for headings in which the year goes without saying."""
        return _date(day, "EEEE, MMMM d" if self.locale.language == "en" else "full", self.locale)

    def short_day(self, day: dt.date) -> str:
        """As in "Thu, Dec 3"."""
        return _date(day, "EEE, MMM d" if self.locale.language == "en" else "medium", self.locale)

    def dated(self, day: dt.date) -> str:
        """As in "Dec 3, 2026"."""
        return _date(day, "medium", self.locale)

    def short_date(self, instant: datetime) -> str:
        """As in "Thu, Dec 3": the day at the clinic on which an instant lies."""
        return self.short_day(self.local_date(instant))

    def month(self, day: dt.date) -> str:
        """As in "December 2026"."""
        return _date(day, "LLLL y", self.locale)

    def short_weekday(self, day: dt.date) -> str:
        """As in "Thu"."""
        return _date(day, "EEE", self.locale)

    def weekday(self, day: dt.date) -> str:
        """As in "Thursday"."""
        return _date(day, "EEEE", self.locale)

    def time(self, instant: datetime) -> str:
        """As in "9:15 am", at the clinic; in an hour that occurs twice, as in "1:15 am PDT"."""
        local = instant.astimezone(self.zone)
        words = _time(local.time(), self.locale)
        twice = local.utcoffset() != local.replace(fold=1 - local.fold).utcoffset()
        return f"{words} {local.tzname()}" if twice else words

    def wall_time(self, wall: dt.time) -> str:
        """As in "9:15 am", for a time on the wall such as an opening hour."""
        return _time(wall, self.locale)

    def moment(self, instant: datetime) -> str:
        """As in "Thursday, December 3, 2026, 9:15 am"; the page or mail names the zone once, by `zone_name`."""
        return f"{self.date(self.local_date(instant))}, {self.time(instant)}"

    def short_moment(self, instant: datetime) -> str:
        """As in "Thu, Dec 3, 9:15 am"."""
        return f"{self.short_day(self.local_date(instant))}, {self.time(instant)}"

    @property
    def zone_name(self) -> str:
        """As in "Pacific Time"."""
        return _zone_name(self.zone, self.locale)

    def iso_local(self, instant: datetime) -> str:
        """As in "2026-12-03T09:15-08:00": local wall time with its offset, so that an hour that occurs twice stays clear."""
        return instant.astimezone(self.zone).isoformat(timespec="minutes")


def iso_utc(instant: datetime) -> str:
    """As in "2026-12-03T17:15:00Z"."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@lru_cache(maxsize=256)
def phone(number: str) -> str:
    """As in "(818) 555-0100" for an E.164 number of this country; others with their country code."""
    parsed = phonenumbers.parse(number, "US")
    form = phonenumbers.PhoneNumberFormat
    national = parsed.country_code == 1
    return phonenumbers.format_number(parsed, form.NATIONAL if national else form.INTERNATIONAL)


# Babel parses its patterns at every call; a page shows the same few dates and times again and again.


@lru_cache(maxsize=4096)
def _date(day: dt.date, pattern: str, locale: Locale) -> str:
    return format_date(day, pattern, locale)


@lru_cache(maxsize=2048)
def _time(wall: dt.time, locale: Locale) -> str:
    if locale.language == "en":
        return format_time(wall, _ENGLISH_TIME, locale=locale).replace("AM", "am").replace("PM", "pm")
    return format_time(wall, "short", locale=locale)


@lru_cache(maxsize=64)
def _zone_name(zone: ZoneInfo, locale: Locale) -> str:
    return get_timezone_name(zone, width="long", zone_variant="generic", locale=locale)
