"""A deliberately naive oracle: what can begin when, minute by minute.

It shares no code with the core. It knows minutes, wall clocks and lists; it walks over every minute of a visit and asks
of each whether it may be. It is slow, and easy to believe.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)


@dataclass
class Phase:
    minutes: int
    practitioner: bool
    room: bool
    device: bool


@dataclass
class Type:
    """A visit type; at most one kind of device. Buffers in minutes."""

    phases: list[Phase]
    room_kinds: list[str]
    pause: tuple[int, int]
    turnover: tuple[int, int]
    within_hours: bool

    @property
    def minutes(self) -> int:
        return sum(phase.minutes for phase in self.phases)

    def uses(self, what: str) -> list[tuple[int, int]]:
        """The stretches (from minute, to minute) in which the practitioner, the room or the device is needed."""
        if what == "room" and not self.room_kinds:
            return []
        stretches: list[tuple[int, int]] = []
        at = 0
        for phase in self.phases:
            if getattr(phase, what):
                if stretches and stretches[-1][1] == at:
                    stretches[-1] = (stretches[-1][0], at + phase.minutes)
                else:
                    stretches.append((at, at + phase.minutes))
            at += phase.minutes
        if what != "practitioner" and stretches:
            stretches = [(stretches[0][0], stretches[-1][1])]
        return stretches


@dataclass
class Booked:
    """A visit that stands: who, where, and which type it was."""

    start: datetime
    type: Type
    practitioner: str
    room: str | None
    device: str | None

    def uses(self, resource: str) -> list[tuple[datetime, datetime, int, int]]:
        """(from, to, buffer before, buffer after) for one of its resources."""
        what = {self.practitioner: "practitioner", self.room: "room", self.device: "device"}.get(resource)
        if what is None:
            return []
        pads = {"practitioner": self.type.pause, "room": self.type.turnover, "device": (0, 0)}[what]
        found = []
        stretches = self.type.uses(what)
        for index, (first, last) in enumerate(stretches):
            before = pads[0] if index == 0 else 0
            after = pads[1] if index == len(stretches) - 1 else 0
            found.append((self.start + first * MINUTE, self.start + last * MINUTE, before, after))
        return found


@dataclass
class Person:
    name: str
    type: Type
    weekly: dict[int, list[tuple[time, time]]]
    dated: dict[date, list[tuple[time, time]]] = field(default_factory=dict)
    away: list[tuple[datetime, datetime]] = field(default_factory=list)
    at_once: int = 2
    rooms: list[str] = field(default_factory=list)


@dataclass
class World:
    zone: ZoneInfo
    people: list[Person]
    rooms: dict[str, str]
    devices: list[str]
    booked: list[Booked]
    closures: list[tuple[datetime, datetime]]
    now: datetime
    notice: int
    horizon_days: int
    step: int
    # (per day or week, how many of a practitioner's visits)
    limit: tuple[str, int] | None = None

    # Hours

    def works(self, person: Person, minute: datetime) -> bool:
        """Whether the clock on the wall stands within this person's hours."""
        wall = minute.astimezone(self.zone)
        stretches = person.dated.get(wall.date(), person.weekly.get(wall.weekday(), []))
        return any(
            opens <= wall.time() and (closes == time(0) or wall.time() < closes)
            for opens, closes in stretches
        )

    def on_grid(self, person: Person, start: datetime) -> bool:
        """So many steps after the beginning of the stretch of hours in which it lies."""
        first = start
        while self.works(person, first - MINUTE):
            first -= MINUTE
        return ((start - first) // MINUTE) % self.step == 0

    # One start

    def possible(self, person: Person, start: datetime) -> bool:
        return (
            start >= self.now + self.notice * MINUTE
            and (start.astimezone(self.zone).date() - self.now.astimezone(self.zone).date()).days
            <= self.horizon_days
            and self._within_limit(person, start)
            and self._there(person, start)
            and self.on_grid(person, start)
            and self._free(person.name, start, person.type.uses("practitioner"), person.type.pause)
            and self._with_room(person, start) is not None
            and self._with_device(person, start) is not None
        )

    def _there(self, person: Person, start: datetime) -> bool:
        """At work in every minute, rest included, nobody away, not too many patients."""
        early, late = 0, person.type.minutes
        if person.type.within_hours:
            hands = person.type.uses("practitioner")
            early = min(early, hands[0][0] - person.type.pause[0])
            late = max(late, hands[-1][1] + person.type.pause[1])
            for first, last in person.type.uses("room"):
                early = min(early, first - person.type.turnover[0])
                late = max(late, last + person.type.turnover[1])
        for offset in range(early, late):
            minute = start + offset * MINUTE
            if not self.works(person, minute):
                return False
            if any(first <= minute < last for first, last in person.away + self.closures):
                return False
        for offset in range(person.type.minutes):
            minute = start + offset * MINUTE
            present = [
                visit
                for visit in self.booked
                if visit.practitioner == person.name
                and visit.start <= minute < visit.start + visit.type.minutes * MINUTE
            ]
            if len(present) >= person.at_once:
                return False
        return True

    def _free(
        self, resource: str, start: datetime, uses: list[tuple[int, int]], pads: tuple[int, int]
    ) -> bool:
        """No visit stands nearer to any of the uses than the larger of the two buffers."""
        for index, (first, last) in enumerate(uses):
            begins, ends = start + first * MINUTE, start + last * MINUTE
            before = pads[0] if index == 0 else 0
            after = pads[1] if index == len(uses) - 1 else 0
            for visit in self.booked:
                for other_begins, other_ends, other_before, other_after in visit.uses(resource):
                    earlier = other_ends + max(other_after, before) * MINUTE <= begins
                    later = ends + max(after, other_before) * MINUTE <= other_begins
                    if not (earlier or later):
                        return False
        return True

    def _with_room(self, person: Person, start: datetime) -> str | None:
        """A free room, or "" where none is needed."""
        uses = person.type.uses("room")
        if not uses:
            return ""
        order = sorted(
            (room for room, kind in self.rooms.items() if kind in person.type.room_kinds),
            key=lambda room: (
                person.rooms.index(room) if room in person.rooms else len(person.rooms),
                person.type.room_kinds.index(self.rooms[room]),
                room,
            ),
        )
        return next((room for room in order if self._free(room, start, uses, person.type.turnover)), None)

    def _with_device(self, person: Person, start: datetime) -> str | None:
        uses = person.type.uses("device")
        if not uses:
            return ""
        return next((device for device in self.devices if self._free(device, start, uses, (0, 0))), None)

    def _within_limit(self, person: Person, start: datetime) -> bool:
        if self.limit is None:
            return True
        period, most = self.limit
        mine = [visit.start for visit in self.booked if visit.practitioner == person.name]
        return sum(self._period(period, other) == self._period(period, start) for other in mine) < most

    def _period(self, period: str, instant: datetime) -> date:
        """The local day; or the Sunday on which its week began."""
        on = instant.astimezone(self.zone).date()
        if period == "week":
            while on.strftime("%A") != "Sunday":
                on -= timedelta(days=1)
        return on

    # Everything

    def starts(self, first: datetime, last: datetime) -> dict[str, set[datetime]]:
        """For each person every possible start, on multiples of five minutes."""
        found: dict[str, set[datetime]] = {person.name: set() for person in self.people}
        minute = first.astimezone(UTC)
        while minute < last:
            for person in self.people:
                # Asked first only because it is quick to answer no.
                if self.works(person, minute) and self.possible(person, minute):
                    found[person.name].add(minute)
            minute += 5 * MINUTE
        return found

    def given_to(self, start: datetime, free: list[Person]) -> str:
        """Whom "anyone" means: the one with the fewest visits that day, then by name."""
        on = start.astimezone(self.zone).date()

        def visits(person: Person) -> int:
            return sum(
                visit.practitioner == person.name and visit.start.astimezone(self.zone).date() == on
                for visit in self.booked
            )

        return min(free, key=lambda person: (visits(person), person.name)).name
