"""Who saw or did what: a list for owners and managers, and the same as a file."""

import csv
import io
import json
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from flask import Response, request, url_for
from flask.typing import ResponseReturnValue

from booking.formatting import iso_utc
from booking.services.staff import accounts, audit
from booking.services.staff.audit import Asked, Entry
from booking.web import access, audit_words
from booking.web.numerals import whole
from booking.web.pages import the_clinic_of_this_request as present_clinic
from booking.web.sign_in import blueprint
from booking.web.staff import staff_page

_COLUMNS = ("at", "name", "kind", "what", "patient", "subject", "address", "facts")


@blueprint.get("/audit")
def audit_list() -> ResponseReturnValue:
    asked, faults = _asked()
    entries = audit.look(access.who(), asked) if not faults else []
    more = (
        url_for("sign_in.audit_list", **_as_typed() | {"before": entries[-1].number})
        if len(entries) == audit.A_PAGE
        else ""
    )
    return staff_page(
        "sign_in/audit.html",
        422 if faults else 200,
        entries=entries,
        words=audit_words,
        faults=faults,
        typed=_as_typed(),
        people=accounts.listed(access.who()),
        more=more,
    )


@blueprint.get("/audit.csv")
def audit_file() -> ResponseReturnValue:
    """What the list shows, for a spreadsheet. That it was taken along is in the audit itself."""
    asked, faults = _asked()
    if faults:
        return audit_list()
    written = _as_csv(audit.export(access.who(), asked))
    response = Response(written, mimetype="text/csv")
    response.headers["Content-Disposition"] = "attachment; filename=audit.csv"
    return response


def _asked() -> tuple[Asked, dict[str, str]]:
    """What the address asks for, and what of it can't be read."""
    typed, faults = _as_typed(), {}
    since = until = None
    try:
        since = _midnight(typed["since"]) if typed["since"] else None
    except (ValueError, OverflowError):
        faults["since"] = "since"
    try:
        until = _midnight(typed["until"], after=1) if typed["until"] else None
    except (ValueError, OverflowError):
        faults["until"] = "until"
    before, account_id = whole(request.args.get("before")), whole(typed["person"])
    if typed["person"] and account_id is None:
        faults["person"] = "person"
    return Asked(typed["patient"], account_id, since, until, before), faults


def _as_typed() -> dict[str, Any]:
    names = ("patient", "person", "since", "until")
    return {name: request.args.get(name, "").replace("\x00", "").strip()[:40] for name in names}


def _midnight(words: str, after: int = 0) -> datetime:
    """The beginning of a day of the clinic's, or of the one after it."""
    day = date.fromisoformat(words) + timedelta(days=after)
    if not 2000 <= day.year <= 2200:
        raise ValueError
    return datetime.combine(day, time(), present_clinic().zone).astimezone(UTC)


def _as_csv(entries: Iterable[Entry]) -> str:
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(_COLUMNS)
    for entry in entries:
        facts = json.dumps(entry.facts, ensure_ascii=False, default=str) if entry.facts else ""
        writer.writerow(
            harmless(words)
            for words in (
                iso_utc(entry.at),
                entry.name,
                entry.kind,
                audit_words.what(entry.what),
                entry.patient,
                audit_words.of_what(entry.subject),
                entry.address,
                facts,
            )
        )
    return file.getvalue()


def harmless(words: str) -> str:
    """Words that a spreadsheet would take for a formula, made plain words."""
    return f"'{words}" if words.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else words
