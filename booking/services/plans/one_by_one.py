"""What the worker does with many plans: each by itself."""

from collections.abc import Callable, Iterable

import structlog

from booking.errors import Busy, ClinicNotReady

log = structlog.get_logger()


class LeftAside(Exception):
    """So many plans couldn't be looked at; with all others it was done."""

    def __init__(self, number: int) -> None:
        super().__init__(f"{number} {'plan' if number == 1 else 'plans'} couldn't be looked at")


def one_by_one(does: Callable[[int], int], plan_ids: Iterable[int]) -> int:
    """Does this with each plan, and says what that makes together. Trouble with one of them is logged, and keeps no other from
    it. Raises LeftAside after the last one, Busy, ClinicNotReady.
    """
    done = left = 0
    for plan_id in plan_ids:
        try:
            done += does(plan_id)
        except (Busy, ClinicNotReady):
            raise
        except Exception:
            log.exception("a plan is left aside", plan=plan_id, what=does.__name__)
            left += 1
    if left:
        raise LeftAside(left)
    return done
