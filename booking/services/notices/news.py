"""What is news to a patient: what they know of a visit so far, held against how it is now."""

from typing import NamedTuple

from booking.services.notices.writing import ANSWERS
from booking.services.rows import Row


def heard(waiting: list[Row]) -> Row:
    """How a patient knows a visit, as `known_of` has it, where what is `waiting` was to tell that it is otherwise by now."""
    facts: Row = {}
    for one in waiting:
        if one["kind"] in ANSWERS:
            facts |= {name: said for name, said in one["facts"].items() if name.startswith("old_")}
    return facts


def is_change_by_clinic(kind: str, facts: Row) -> bool:
    """Whether a message about a visit tells its patient how the clinic has changed what they know: no first confirmation does."""
    return bool(facts.get("by_clinic")) and (kind != "confirmation" or bool(facts.get("after_all")))


class ToTell(NamedTuple):
    """What a change by the clinic has to tell: `facts` are what the patient knows so far. `owed`: whatever staff choose. `unheard`:
    not by itself, but with what was decided of its plan.
    """

    kind: str
    facts: Row
    owed: bool
    unheard: bool = False


def to_tell(known: Row, waiting: list[Row], now_known: Row) -> ToTell | None:
    """What is to be told of a visit that was `known` so and is `now_known` otherwise, when what is `waiting` goes no more.
    None where the patient knows it as it is.
    """
    kind, facts, owed = "change", dict(known), False
    for one in waiting:
        if one["kind"] not in ANSWERS:
            continue
        # It was to be told; dropped for a change that is told to nobody, they would hear of neither.
        owed = True
        if one["kind"] == "confirmation":
            # Never heard of, or taken back from a cancellation.
            kind = "confirmation"
        facts |= {name: one["facts"][name] for name in (*known, "after_all") if name in one["facts"]}
    return ToTell(kind, facts, owed) if kind == "confirmation" or facts != now_known else None
