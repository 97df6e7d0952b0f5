"""Who of the staff is asking. Made once a request from their sign-in, and handed to every use case of theirs."""

from dataclasses import dataclass

from booking.models import Role

# Those who look after all patients. Practitioners look after their own.
_FOR_ALL = frozenset({Role.OWNER, Role.MANAGER, Role.DESK})


@dataclass(frozen=True)
class Who:
    """A signed-in person. `address`: where the request comes from, for the audit."""

    account_id: int
    name: str
    roles: frozenset[Role]
    practitioner_id: int | None = None
    sign_in_id: int = 0
    address: str = ""

    @property
    def sees_everybody(self) -> bool:
        return bool(self.roles & _FOR_ALL)

    @property
    def key(self) -> str:
        """Whose idempotency keys these are."""
        return f"staff {self.account_id}"
