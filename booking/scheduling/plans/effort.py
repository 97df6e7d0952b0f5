"""How long a search may go on."""


class Stopped(Exception):
    """The effort is spent. Nothing that was not looked at costs less than `bound`."""

    def __init__(self, bound: int) -> None:
        super().__init__()
        self.bound = bound


class Effort:
    """So many states may be looked at."""

    def __init__(self, states: int) -> None:
        self._left = states

    @property
    def is_spent(self) -> bool:
        return self._left < 0

    def spend(self, bound: int) -> None:
        """One more, while nothing that is left costs less than this. Raises Stopped."""
        self._left -= 1
        if self._left < 0:
            raise Stopped(bound)
