"""What a file changes, in words: one line for each difference."""

from collections.abc import Iterator
from typing import Any

from booking.services.clinic_file import ClinicFile


def differences(before: ClinicFile | None, after: ClinicFile) -> Iterator[str]:
    if before is None:
        yield f"a new clinic: {after.clinic.name}"
        return
    yield from _compared("", _in_order(before), _in_order(after))


def _in_order(definition: ClinicFile) -> dict[str, Any]:
    """The definition with those lists sorted whose order means nothing."""
    plain = definition.model_dump(mode="json")
    for visit_type in plain["visit_types"]:
        for phase in visit_type["phases"]:
            phase["needs"] = sorted(set(phase["needs"]))
    for one in (plain, *plain["practitioners"]):
        for name, key in (
            ("dated_hours", "on"),
            ("closures", "first"),
            ("away", "first"),
            ("rooms", "id"),
            ("devices", "id"),
        ):
            if isinstance(one.get(name), list) and one.get(name) and isinstance(one[name][0], dict):
                one[name].sort(key=lambda entry, key=key: (entry[key], str(entry)))
    return plain


def _compared(place: str, before: Any, after: Any) -> Iterator[str]:
    """Each difference as a line: what it was and what it becomes."""
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys((*before, *after)):
            yield from _compared(f"{place}.{name}".lstrip("."), before.get(name), after.get(name))
    elif _named(before) and _named(after):
        old, new = ({one["id"]: one for one in some} for some in (before, after))
        for name in dict.fromkeys((*old, *new)):
            if name not in new:
                yield f"{place} {name}: goes"
            elif name not in old:
                yield f"{place} {name}: is new"
            else:
                yield from _compared(f"{place} {name}", old[name], new[name])
        if list(old) != list(new) and set(old) == set(new):
            yield f"{place}: another order"
    else:
        yield f"{place}: {_short(before)} becomes {_short(after)}"


def _named(some: Any) -> bool:
    return (
        isinstance(some, list) and bool(some) and all(isinstance(one, dict) and "id" in one for one in some)
    )


def _short(value: Any) -> str:
    words = str(value)
    return words if len(words) <= 60 else words[:57] + "…"
