"""The commands of `flask` (in a checkout) and `booking` (installed): thin words around use cases."""

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any, BinaryIO

import click
import tomli_w
from flask import Flask, current_app
from flask.cli import AppGroup, FlaskGroup, with_appcontext
from sqlalchemy.exc import SQLAlchemyError

from booking import doctor, serving, staff_commands
from booking.demo import making
from booking.errors import Busy
from booking.models import Message, MessageState
from booking.reminders import bounces
from booking.reminders.worker import Worker
from booking.services import clinic_file, clinic_reading, clinic_rows, health, outbox
from booking.services.transaction import reading

# Far more than a report with one of our mails in it.
_LONGEST_REPORT = 4_000_000
# EX_TEMPFAIL of sysexits.h, which systems without that file lack.
_TRY_LATER = 75

clinic = AppGroup("clinic", help="The clinic's definition: apply a file, or show what is there.")


def init_app(app: Flask) -> None:
    """Registers our commands."""
    for command in _COMMANDS:
        app.cli.add_command(command)


@clinic.command("apply")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
def clinic_apply(file: Path, dry_run: bool) -> None:
    """Make the clinic what FILE says. May run again and again."""
    try:
        definition = clinic_file.parse(file.read_text(encoding="utf-8"))
    except clinic_file.FileFault as fault:
        click.echo(f"{file} can't be used; nothing was changed:", err=True)
        for line, reason in fault.faults:
            click.echo(f"  {file}:{line}: {reason}" if line else f"  {reason}", err=True)
        sys.exit(1)
    except UnicodeDecodeError:
        raise click.ClickException(f"{file} is not UTF-8 text.") from None
    try:
        applied = clinic_rows.apply(definition, dry_run=dry_run)
    except clinic_rows.StillNeeded as refusal:
        click.echo("Nothing was changed:", err=True)
        for sentence in refusal.facts["needed"]:
            click.echo(f"  {sentence}", err=True)
        sys.exit(1)
    for change in applied.changes:
        click.echo(f"  {change}")
    if not applied.changes:
        click.echo("Nothing to change.")
    elif dry_run:
        click.echo(f"{len(applied.changes)} changes; nothing was changed yet.")
    else:
        click.echo(f"Applied {len(applied.changes)} changes.")
    if applied.outside_hours:
        click.echo("These upcoming visits lie outside working hours then; they stand until you move them:")
        for visit in applied.outside_hours:
            click.echo(f"  {visit}")


@clinic.command("show")
def clinic_show() -> None:
    """Write the clinic as a file, to standard output."""
    with reading() as session:
        found = clinic_reading.read_back(session)
    if found is None:
        raise click.ClickException("No clinic has been set up yet. Apply a file: flask clinic apply FILE")
    click.echo(
        tomli_w.dumps(
            json.loads(found.model_dump_json(exclude_none=True, exclude_defaults=True)),
            multiline_strings=True,
        ),
        nl=False,
    )


@click.command("demo")
@with_appcontext
def demo() -> None:
    """Load a fictional clinic, with visits around today, into an empty database."""
    if current_app.config["BOOKING"].production:
        raise click.ClickException("This is production (BOOKING_ENV); the demo never goes there.")
    if making.finish_interrupted():
        click.echo("The demo was interrupted while it loaded; it has fewer visits than it should.")
        return
    if making.clinic_is_there():
        click.echo("There is a clinic in this database already, so no demo is loaded; nothing was changed.")
        return
    made = making.make()
    click.echo(f"The demo clinic is there: {made.past} past and {made.future} future visits.")


@click.command("worker")
@with_appcontext
def worker() -> None:
    """Send what is due, until stopped."""
    Worker(current_app._get_current_object()).run()  # type: ignore[attr-defined]


@click.command("doctor")
@with_appcontext
def doctor_command() -> None:
    """Say what is wrong with this installation, and what to do."""
    findings = doctor.examine()
    for finding in findings:
        click.echo(f"{'ok     ' if finding.fine else 'WRONG  '} {finding.what}")
        if finding.to_do:
            click.echo(f"        {finding.to_do}")
    if not all(finding.fine for finding in findings):
        sys.exit(1)


@click.group("messages", cls=AppGroup, invoke_without_command=True)
@click.option(
    "--state", type=click.Choice([state.value for state in MessageState]), help="Only those in this state."
)
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@click.pass_context
@with_appcontext
def messages(context: click.Context, state: str | None, limit: int) -> None:
    """List messages: what failed or waits for a call, then what is due next; and how many there are in each state. Failures
    and calls that the desk has seen to are left out.
    """
    if context.invoked_subcommand is not None:
        return
    listed = outbox.look(MessageState(state) if state else None, limit)
    for message in listed.messages:
        _show(message)
    click.echo(", ".join(f"{number} {state}" for state, number in listed.counts.items()) or "No messages.")


@messages.command("resume")
def resume() -> None:
    """Let the workers send again after they stopped to ask, or after this database was copied on purpose."""
    outbox.resume()
    click.echo("The workers send again.")


@messages.command("drop")
@click.option("--due-before", required=True, help="An instant, as in 2026-12-03T17:00:00Z.")
def drop(due_before: str) -> None:
    """Drop queued messages that were due before an instant: after a restore, what was sent already."""
    try:
        instant = datetime.fromisoformat(due_before)
    except ValueError:
        raise click.ClickException("Write the instant as in 2026-12-03T17:00:00Z.") from None
    if instant.tzinfo is None:
        raise click.ClickException("The instant needs a zone: end it with Z.")
    click.echo(f"Dropped {outbox.drop_due_before(instant.astimezone(UTC))} messages.")


@messages.command("bounced")
@click.argument("file", type=click.File("rb"), default="-")
def bounced(file: BinaryIO) -> None:
    """Read a mail that came back, from FILE or standard input, and mark what it reports as failed.

    For the mail server or whatever fetches the sender's mailbox to call with each mail that comes in.
    """
    report = bounces.read(file.read(_LONGEST_REPORT))
    if report is None:
        click.echo("This is no report of a mail that failed; nothing was changed.")
        return
    try:
        marked = bounces.receive(report)
    except (Busy, SQLAlchemyError) as fault:
        click.echo(f"The database can't be used now; try again later. {type(fault).__name__}", err=True)
        # What mail servers take for "later": any other failure would send the report back to its sender.
        sys.exit(_TRY_LATER)
    click.echo("Marked as failed." if marked else "No mail of ours that is still thought to have arrived.")


def _in_words(command: click.Command) -> None:
    """Lets a command, or those of a group, say it in words where the database can't be used."""
    for one in getattr(command, "commands", {}).values():
        _in_words(one)
    if command.callback is not None:
        command.callback = _saying(command.callback)


def _saying(callback: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(callback)
    def said(*given: Any, **how: Any) -> Any:
        try:
            return callback(*given, **how)
        except (Busy, SQLAlchemyError) as fault:
            trouble = _trouble()
            # Anything else is a mistake of ours, which wants its traceback.
            if trouble is None and not isinstance(fault, Busy):
                raise
            trouble = trouble or "The database can't be used now. Try again later; flask doctor says more."
            raise click.ClickException(trouble) from fault

    return said


def _trouble() -> str | None:
    try:
        present, needed = health.migrations()
    except Busy:
        return "The database can't be reached. flask doctor says more."
    return None if present == needed else "The database is not migrated. Run: flask db upgrade"


def _show(message: Message) -> None:
    """A line without the person's address: it may be read over somebody's shoulder."""
    parts: list[Any] = [
        f"{message.due_at:%Y-%m-%d %H:%M}Z",
        f"{message.state.value:<9}",
        f"{message.channel.value:<5}",
        f"{message.kind:<13}",
        message.subject,
    ]
    if message.attempts > 1:
        parts.append(f"{message.attempts} tries")
    if message.last_error:
        parts.append(f"({message.last_error})")
    click.echo("  ".join(str(part) for part in parts))


_COMMANDS = (clinic, messages, demo, worker, doctor_command, serving.serve, staff_commands.staff)
for _one in _COMMANDS:
    _in_words(_one)


def _create() -> Flask:
    from booking.app import create_app

    return create_app()


@click.group(cls=FlaskGroup, create_app=_create)
def main() -> None:
    """Appointment booking for a clinic: serve it, set it up, look after it."""
