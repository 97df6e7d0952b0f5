"""What somebody prefers: things that change how pages behave for them, and nothing else."""

from sqlalchemy.orm import Session

from booking.models import StaffAccount
from booking.services.staff.who import Who
from booking.services.transaction import run


def prefer(who: Who, *, shortcuts: bool) -> None:
    def action(session: Session) -> None:
        session.get_one(StaffAccount, who.account_id).shortcuts = shortcuts

    run(action)
