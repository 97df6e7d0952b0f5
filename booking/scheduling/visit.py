"""The shape of a visit: its phases, what each needs, and the buffers around them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple


class Pad(NamedTuple):
    """A buffer, in cells, before the first and after the last use of a resource in a visit."""

    before: int = 0
    after: int = 0


class Part(NamedTuple):
    """A stretch of a visit in which a resource is used, in cells from the visit's start, with the buffers around it."""

    from_offset: int
    to_offset: int
    before: int = 0
    after: int = 0

    @property
    def length(self) -> int:
        return self.to_offset - self.from_offset


@dataclass(frozen=True)
class Phase:
    """A stretch of a visit and what it needs."""

    cells: int
    practitioner: bool = True
    room: bool = True
    devices: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.cells < 1:
            raise ValueError("A phase takes at least five minutes.")


@dataclass(frozen=True)
class Shape:
    """What a visit takes of whom.

    A visit has one room, of the first of `room_kinds` that has one, from the first to the last phase that needs it,
    and one device of each kind likewise. `pause` belongs to the practitioner, `turnover` to the room; they stand
    before the first and after the last use, never between phases. They may reach past closing, unless
    `buffers_within_hours`.
    """

    phases: tuple[Phase, ...]
    room_kinds: tuple[str, ...] = ()
    pause: Pad = Pad()
    turnover: Pad = Pad()
    buffers_within_hours: bool = False

    def __post_init__(self) -> None:
        if not self.phases:
            raise ValueError("A visit has at least one phase.")
        if not any(phase.practitioner for phase in self.phases):
            raise ValueError("A visit needs its practitioner in at least one phase.")
        # Shapes are looked up by every search; their fields never change, so neither does their hash.
        object.__setattr__(
            self,
            "_hash",
            hash((self.phases, self.room_kinds, self.pause, self.turnover, self.buffers_within_hours)),
        )

    def __hash__(self) -> int:
        return self._hash  # type: ignore[attr-defined, no-any-return]

    @cached_property
    def length(self) -> int:
        """Cells from the first phase's start to the last one's end."""
        return sum(phase.cells for phase in self.phases)

    @cached_property
    def practitioner(self) -> tuple[Part, ...]:
        """When the practitioner's hands are needed. Phases that touch are one part."""
        parts: list[Part] = []
        for start, phase in self._placed():
            if not phase.practitioner:
                continue
            if parts and parts[-1].to_offset == start:
                parts[-1] = parts[-1]._replace(to_offset=start + phase.cells)
            else:
                parts.append(Part(start, start + phase.cells))
        parts[0] = parts[0]._replace(before=self.pause.before)
        parts[-1] = parts[-1]._replace(after=self.pause.after)
        return tuple(parts)

    @cached_property
    def room(self) -> Part | None:
        """When the room is taken, or None for a visit without one."""
        if not self.room_kinds:
            return None
        hull = self._hull(lambda phase: phase.room)
        return hull and Part(*hull, *self.turnover)

    @cached_property
    def devices(self) -> Mapping[str, Part]:
        """When a device of each kind is taken."""
        kinds = sorted(frozenset().union(*(phase.devices for phase in self.phases)))
        hulls = {kind: self._hull(lambda phase, kind=kind: kind in phase.devices) for kind in kinds}  # type: ignore[misc]
        return {kind: Part(*hull) for kind, hull in hulls.items() if hull}

    @cached_property
    def reach(self) -> Pad:
        """How far the buffers reach out of the visit itself, before its start and after its end."""
        parts = [*self.practitioner, *([self.room] if self.room else [])]
        return Pad(
            before=max(0, *(part.before - part.from_offset for part in parts)),
            after=max(0, *(part.to_offset + part.after - self.length for part in parts)),
        )

    def _placed(self) -> list[tuple[int, Phase]]:
        starts, at = [], 0
        for phase in self.phases:
            starts.append(at)
            at += phase.cells
        return list(zip(starts, self.phases, strict=True))

    def _hull(self, needs: Callable[[Phase], bool]) -> tuple[int, int] | None:
        needed = [(start, start + phase.cells) for start, phase in self._placed() if needs(phase)]
        return (needed[0][0], needed[-1][1]) if needed else None
