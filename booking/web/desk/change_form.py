"""What the form of a change of a visit says: as it was typed, and the place that it means; its fields, shown again."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from flask import abort
from werkzeug.datastructures import MultiDict

from booking.scheduling.timeline import CELL_MINUTES, instant_of
from booking.services.clinic import VisitType
from booking.services.desk import asking
from booking.services.desk.moving import Place, Preview
from booking.services.desk.panel import Head
from booking.web import asked


@dataclass(frozen=True)
class Wish:
    """What the form of a change says: as it was typed, and the place that it means. `unclear`: what isn't understood."""

    typed: dict[str, Any]
    place: Place
    unclear: tuple[str, ...] = ()

    @property
    def says_something(self) -> bool:
        return self.place != Place()

    @property
    def fields(self) -> dict[str, Any]:
        """What is to be other than now, but for time and person, as fields of both forms."""
        place = self.place
        fields: dict[str, Any] = {"visit_type": place.visit_type} if place.visit_type else {}
        if place.room:
            fields |= {"room": place.room, "stood_room": ""}
        if place.devices:
            fields |= {"device": place.devices, "stood_device": ""}
        if place.phase_minutes:
            fields |= {
                "minutes": place.phase_minutes,
                "stood_minutes": "",
                "minutes_of": self.typed["visit_type"],
            }
        return fields


def wish_of(found: Head, given: Any) -> Wish:
    """What the fields of a change say. What is as it was isn't asked for; what isn't understood is said, not guessed."""
    clinic, unclear = found.clinic, []
    typed, now = _typed(found, given), _typed(found, MultiDict())
    starts_at = None
    if given.get("cell"):
        starts_at = instant_of(asked.cell(given["cell"]) or abort(422))
    elif (typed["day"], typed["time"]) != (now["day"], now["time"]):
        # The time that stands in the form isn't a wish: in the hour that comes twice it would be the other one.
        starts_at = asked.moment(typed["day"], typed["time"], clinic.zone)
        if starts_at is None:
            unclear.append("far" if asked.is_far(typed["day"]) else "time")
    practitioner = given.get("practitioner") or None
    room, visit_type = given.get("room") or None, given.get("visit_type") or None
    devices = tuple(slug for slug in given.getlist("device") if slug)
    if room and room not in {one.slug for one in clinic.rooms}:
        abort(404)
    if set(devices) - {one.slug for one in clinic.devices} or (
        visit_type and visit_type not in {found.visit_type.slug, *clinic.visit_types}
    ):
        abort(404)
    other_type = visit_type is not None and visit_type != found.visit_type.slug
    stood_room = given.get("stood_room", found.room.slug if found.room else "")
    stood_devices = _words(given, "stood_device", [one.slug for one in found.devices])
    place = Place(
        starts_at=starts_at if starts_at != found.starts_at else None,
        practitioner=practitioner if practitioner != found.practitioner.slug else None,
        room=room if room != stood_room else None,
        devices=devices if devices and set(devices) != set(stood_devices) else None,
        visit_type=visit_type if other_type else None,
        phase_minutes=minutes_wished(found, given, unclear),
    )
    return Wish(typed, place, tuple(unclear))


def _typed(found: Head, given: Any) -> dict[str, Any]:
    """The form's fields as they are to be shown again: what was typed, else what is so."""
    local = found.clinic.times.local
    starts_at = local(found.starts_at)
    cell = asked.cell(given.get("cell", ""))
    if cell is not None:
        starts_at = local(instant_of(cell))
    return {
        "day": given.get("day") or starts_at.date().isoformat(),
        "time": given.get("time") or f"{starts_at:%H:%M}",
        "practitioner": given.get("practitioner") or found.practitioner.slug,
        "room": given.get("room") or (found.room.slug if found.room else ""),
        "device": given.getlist("device") or [one.slug for one in found.devices],
        "visit_type": given.get("visit_type") or found.visit_type.slug,
        "minutes": given.getlist("minutes") or [str(minutes) for _name, minutes in found.phases],
        "length": given.get("length", ""),
        "reason": given.get("reason", "")[: asked.LONGEST_REASON],
    }


def minutes_wished(found: Head, given: Any, unclear: list[str]) -> tuple[int, ...] | None:
    """Minutes of each phase, or of them all together, where they are other than what stood there, which is how it is now."""
    own, now = found.visit_type.slug, tuple(minutes for _name, minutes in found.phases)
    wanted_type = given.get("visit_type") or own
    if given.get("length"):
        if wanted_type != own:
            return None
        spread = asking.spread(now, asked.number(given["length"]) or 0)
        if spread is None or sum(spread) > 24 * 60:
            unclear.append("length")
        return spread if spread != now else None
    said = [words for words in given.getlist("minutes") if words]
    # Whose phases they are: those of another visit say nothing of this one.
    if not said or given.get("minutes_of", own) != wanted_type:
        return None
    stood = _words(given, "stood_minutes", [str(minutes) for minutes in now])
    phases = now if wanted_type == own else found.clinic.visit_type(wanted_type).phases
    wanted = tuple(asked.number(words) or 0 for words in said)
    if len(wanted) != len(phases) or any(one % CELL_MINUTES or not 0 < one <= 480 for one in wanted):
        unclear.append("minutes")
        return None
    return wanted if said != stood else None


def _words(given: Any, name: str, otherwise: list[str]) -> list[str]:
    """What stood in fields of one name, as the form says; for a form that doesn't say, how the visit is now."""
    return given[name].split() if name in given else otherwise


@dataclass(frozen=True)
class Fields:
    """The fields of a wish as a form shows them. `stood`: what stands there and nobody has wished for; sent as it stood,
    it is no wish either.
    """

    visit_type: VisitType
    room: str
    devices: tuple[tuple[str, str], ...]
    phases: tuple[tuple[str, str], ...]
    stood: dict[str, str]

    @classmethod
    def of_the_wish(cls, found: Head, wish: Wish) -> "Fields":
        """Only what is wished for: all else is as it is, or as is usual with whoever it may be."""
        visit_type, place = type_wished(found, wish), wish.place
        minutes = wish.typed["minutes"] if place.phase_minutes or wish.unclear else ()
        return cls(
            visit_type,
            place.room or "",
            _by_kind(found, visit_type, place.devices or ()),
            _by_phase(visit_type, minutes),
            {"stood_room": "", "stood_device": "", "stood_minutes": "", "minutes_of": visit_type.slug},
        )

    @classmethod
    def as_it_would_be(cls, found: Head, wish: Wish, preview: Preview | None) -> "Fields":
        """The visit as it would be, as far as that is known; else as it was typed."""
        visit_type, place, typed = type_wished(found, wish), wish.place, wish.typed
        room, devices, minutes = typed["room"], typed["device"], typed["minutes"]
        if preview:
            room, devices = preview.room or room, preview.devices or devices
            if len(preview.phase_minutes) == len(visit_type.phases):
                minutes = [str(one) for one in preview.phase_minutes]
        stood = {
            "stood_room": "" if place.room else room,
            "stood_device": "" if place.devices else " ".join(devices),
            "stood_minutes": "" if place.phase_minutes or wish.unclear else " ".join(minutes),
            "minutes_of": visit_type.slug,
        }
        return cls(
            visit_type, room, _by_kind(found, visit_type, devices), _by_phase(visit_type, minutes), stood
        )


def type_wished(found: Head, wish: Wish) -> VisitType:
    return found.clinic.visit_types.get(wish.place.visit_type or "", found.visit_type)


def _by_kind(found: Head, visit_type: VisitType, chosen: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Each kind of device that the visit needs, with the one that is chosen, or ""."""
    kinds = [one.kind for one in found.devices]
    if visit_type.id != found.visit_type.id:
        kinds = sorted(visit_type.shape().devices)
    slugs = {one.kind: one.slug for one in found.clinic.devices if one.slug in chosen}
    return tuple((kind, slugs.get(kind, "")) for kind in kinds)


def _by_phase(visit_type: VisitType, minutes: Iterable[str]) -> tuple[tuple[str, str], ...]:
    names = (phase.name for phase in visit_type.phases)
    return tuple((name, said or "") for name, said in zip_longest(names, minutes) if name is not None)
