"""Taking back what was just done to a visit."""

from datetime import timedelta

from booking.services.desk.moving import Changed
from booking.services.staff.who import Who

UNDO_WITHIN = timedelta(minutes=10)


def undo(who: Who, entry_id: int, *, key: str) -> Changed:
    """Takes back the change of this history entry, once. Twice is a quiet success.

    Raises OldPlaceTaken, StaleEdit if the visit was changed since, TooLateToUndo, NotFound, KeyReused.
    """
    raise NotImplementedError
