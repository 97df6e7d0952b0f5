"""When a reminder is due, and how long it is of use.

"A day before" is the same time on the wall, on the calendar day before: also across a clock change.
"""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

USELESS_BEFORE_START = timedelta(minutes=30)
# What the clinic changes of a visit that begins before the text hours do is told from here on.
URGENT_FROM = time(6)
_MIDNIGHT = time(0)


def not_after(starts_at: datetime) -> datetime:
    """The last instant at which a message about a visit is still of use: half an hour before it."""
    return starts_at - USELESS_BEFORE_START


def days_before(starts_at: datetime, days: int, zone: ZoneInfo) -> datetime:
    """The same wall time so many calendar days earlier, in UTC.

    Where the clock jumped over that wall time, the instant an hour of the jump later; where it came twice, the first.
    """
    local = starts_at.astimezone(zone)
    return (local.replace(tzinfo=None) - timedelta(days=days)).replace(tzinfo=zone).astimezone(UTC)


def on_the_wall(day: date, wall: time, zone: ZoneInfo) -> datetime:
    """The instant at which the clock on the wall shows this time on that day, in UTC."""
    return datetime.combine(day, wall, zone).astimezone(UTC)


def within_text_hours(instant: datetime, zone: ZoneInfo, starts: time, ends: time) -> bool:
    """Whether the clinic may begin a text now: from `starts`, inclusive, to `ends`, exclusive. Midnight ends the day."""
    wall = instant.astimezone(zone).time()
    return starts <= wall and (ends == _MIDNIGHT or wall < ends)


def text_due(due: datetime, last_use: datetime, zone: ZoneInfo, starts: time, ends: time) -> datetime | None:
    """When a text that is due at `due` goes, in UTC.

    Within text hours: at once. Outside them it waits for the next morning, if it is of use then (`last_use`); else it
    goes earlier, in the last minute of the text hours before. None when neither can be.
    """
    if within_text_hours(due, zone, starts, ends):
        return due
    day = due.astimezone(zone).date()
    morning = datetime.combine(day, starts, zone).astimezone(UTC)
    if morning < due:
        morning = datetime.combine(day + timedelta(days=1), starts, zone).astimezone(UTC)
    if morning <= last_use:
        return morning
    evening = _last_minute(day, ends, zone)
    if evening > due:
        evening = _last_minute(day - timedelta(days=1), ends, zone)
    return evening if within_text_hours(evening, zone, starts, ends) else None


def before_texts(due: datetime, begins_at: datetime, zone: ZoneInfo, starts: time, ends: time) -> bool:
    """Whether a visit begins before a text that is due at `due` may go: texts rest now, and until then."""
    if within_text_hours(due, zone, starts, ends):
        return False
    return begins_at <= _next(due, starts, zone)


def clinic_text_due(
    due: datetime, begins_at: datetime, zone: ZoneInfo, starts: time, ends: time
) -> datetime | None:
    """When a text goes by which the clinic tells of a change to a visit that begins at `begins_at`, in UTC.

    Within text hours at once, else the next morning. A visit that begins before that is told of at once, but from six
    on. None where even that is too late.
    """
    if within_text_hours(due, zone, starts, ends):
        return due
    if not before_texts(due, begins_at, zone, starts, ends):
        return _next(due, starts, zone)
    if URGENT_FROM <= due.astimezone(zone).time() < starts:
        return due
    urgent = _next(due, URGENT_FROM, zone)
    return urgent if urgent < begins_at else None


def _next(after: datetime, wall: time, zone: ZoneInfo) -> datetime:
    """The next time the clock on the wall shows this, or now, in UTC."""
    day = after.astimezone(zone).date()
    found = datetime.combine(day, wall, zone).astimezone(UTC)
    if found < after:
        found = datetime.combine(day + timedelta(days=1), wall, zone).astimezone(UTC)
    return found


def _last_minute(day: date, ends: time, zone: ZoneInfo) -> datetime:
    """The last minute of a day's text hours, in UTC."""
    last = day + timedelta(days=1) if ends == _MIDNIGHT else day
    return datetime.combine(last, ends, zone).astimezone(UTC) - timedelta(minutes=1)
