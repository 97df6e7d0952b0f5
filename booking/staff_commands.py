"""`flask staff …`: the first owner, and what an operator may have to do at a terminal."""

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import click
from flask.cli import AppGroup
from sqlalchemy import select

from booking.errors import AddressTaken, LastOwner, NotFound
from booking.formatting import Times, phone
from booking.models import AuditEntry, Patient, Role
from booking.services.clinic import the_clinic
from booking.services.desk import people
from booking.services.staff import accounts, audit, who_saw as seeing
from booking.services.staff.accounts import OPERATOR
from booking.services.transaction import reading, run
from booking.web import audit_words

staff = AppGroup("staff", help="Accounts of the staff, and who saw which patient's record.")


@staff.command("invite")
@click.argument("address")
@click.option(
    "--role",
    "roles",
    required=True,
    multiple=True,
    type=click.Choice([role.value for role in Role]),
    help="What they are; may be given more than once.",
)
@click.option("--name", default="", help="Their name; they can correct it.")
@click.option(
    "--practitioner", default="", help="Which practitioner they are, by the id in the clinic's file."
)
def invite(address: str, roles: tuple[str, ...], name: str, practitioner: str) -> None:
    """Make an account for ADDRESS, and write to it. Prints the link as well."""
    if "@" not in address:
        raise click.ClickException(f"{address} is no e-mail address.")
    if "practitioner" in roles and not practitioner:
        raise click.ClickException("Say which one: --practitioner ID, as in the clinic's file.")
    try:
        invited = accounts.invite(
            OPERATOR, address, [Role(role) for role in roles], name=name, practitioner=practitioner or None
        )
    except AddressTaken:
        raise click.ClickException(f"There is an account of {address} already.") from None
    except NotFound:
        raise click.ClickException(f"There is no practitioner {practitioner!r} in this clinic.") from None
    click.echo(f"Invited {address}. The link works once, for seven days:")
    click.echo(f"  {invited.link}")


@staff.command("list")
def list_accounts() -> None:
    """Show all accounts."""
    for one in accounts.listed(OPERATOR):
        state = "ended" if not one.active else "invited" if one.invited else "open"
        roles = ", ".join(role.value for role in one.roles)
        codes = ", with codes" if one.second_factor else ""
        click.echo(f"{state:<8}{one.email}  {one.name}  ({roles}{codes})")


@staff.command("deactivate")
@click.argument("address")
def deactivate(address: str) -> None:
    """End the account of ADDRESS, and all its sign-ins."""
    try:
        accounts.deactivate(OPERATOR, _number(address))
    except LastOwner:
        raise click.ClickException("This is the last owner; invite another one first.") from None
    click.echo(f"The account of {address} is ended, and so are its sign-ins.")


@staff.command("end-sign-ins")
@click.argument("address")
def end_sign_ins(address: str) -> None:
    """Sign ADDRESS out everywhere."""
    accounts.end_sign_ins(OPERATOR, _number(address))
    click.echo(f"{address} is signed out everywhere.")


@staff.command("drop-codes")
@click.argument("address")
def drop_codes(address: str) -> None:
    """Switch off the one-time codes of ADDRESS, for somebody who lost phone and recovery codes."""
    accounts.drop_second_factor(OPERATOR, _number(address))
    click.echo(f"The codes of {address} are off, and it is signed out everywhere.")


@staff.command("who-saw")
@click.argument("patient", nargs=-1, required=True)
@click.option(
    "--since",
    required=True,
    help="A day or a time of the clinic's, as in 2026-12-01 or 2026-12-01T09:00; or an instant, 2026-12-01T17:00:00Z.",
)
@click.option("--until", required=True, help="The same; both are included.")
def who_saw(patient: tuple[str, ...], since: str, until: str) -> None:
    """Say who saw or changed the record of PATIENT between two instants, under whichever record of theirs; and who looked at a
    board or a list of a day on which a visit of theirs stood. Times are the clinic's.

    PATIENT is the record's reference; or whatever the search of the desk would find them by, and nobody else: any part of a name
    with the date of birth or the phone number, as in: lima 3/4/1950.
    """
    with reading() as session:
        times = the_clinic(session).times
    first, last = _instant(since, times.zone), _instant(until, times.zone, end_of_day=True)
    patient_id = _patient(" ".join(patient))
    found = seeing.who_saw(patient_id, first, last)
    run(lambda session: audit.did(session, OPERATOR, "asked who saw", "audit", patient_id))
    for entry in found.entries:
        _print_entry(entry, times)
    if not found.entries:
        click.echo("Nobody opened or changed it in that time.", err=True)
    click.echo("Lists of days and weeks on which a visit of this patient stood:", err=True)
    for entry in found.lists:
        _print_entry(entry, times)
    if not found.lists:
        click.echo("Nobody looked at one in that time.", err=True)
    click.echo(
        "Not here: who looked at the lists of calls, tasks, messages, plans and time off, or of failed messages and replies"
        ' in "At a glance", which belong to no day, or read the name where a visit was in the way of another.',
        err=True,
    )


def _number(address: str) -> int:
    try:
        return accounts.by_address(address)
    except NotFound:
        raise click.ClickException(f"There is no account of {address}.") from None


def _patient(words: str) -> int:
    """Whom these words mean: by their reference, or as the only one whom the desk's search finds, who is named then."""
    with reading() as session:
        known = session.scalar(select(Patient.id).where(Patient.reference == words))
    if known is not None:
        return known
    search = people.search(OPERATOR, words)
    if not search.found:
        raise click.ClickException(f"There is no patient {words}.")
    for one in search.found:
        contact = phone(one.phone) if one.phone else one.email or ""
        born = f"born {one.born_on:%-m/%-d/%Y}" if one.born_on else ""
        click.echo("  ".join(said for said in (one.reference, one.name, contact, born) if said), err=True)
    if len(search.found) > 1:
        more = ", and by more than are shown" if search.more else ""
        raise click.ClickException(
            f"{words} is answered by {len(search.found)} patients{more}. Ask again with one of their references."
        )
    return search.found[0].id


def _print_entry(entry: AuditEntry, times: Times) -> None:
    where = ", ".join(words for words in (audit_words.of_what(entry.subject), entry.address) if words)
    at = times.local(entry.at).isoformat(timespec="seconds")
    click.echo(f"{at}  {entry.kind:<5}  {entry.name}: {audit_words.what(entry.what)}  ({where})")


def _instant(words: str, zone: ZoneInfo, *, end_of_day: bool = False) -> datetime:
    """What was typed, in UTC; where it names no zone it is the clinic's."""
    try:
        instant = datetime.fromisoformat(words)
        if end_of_day and len(words) == len("2026-12-01"):
            instant = datetime.combine(instant, time.max)
        return (instant.replace(tzinfo=zone) if instant.tzinfo is None else instant).astimezone(UTC)
    except (ValueError, OverflowError):
        raise click.ClickException(
            f"{words} is no day and no instant; write 2026-12-01 or 2026-12-01T17:00:00Z."
        ) from None
