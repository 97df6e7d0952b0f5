"""What staff type about a patient's coverage, read into its terms. What is refused here reaches no use case."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from flask import request
from flask_babel import gettext as _, lazy_gettext as lazy

from booking import clock
from booking.scheduling.allowances.terms import (
    Asked,
    Authorisation,
    Beyond,
    Cap,
    Kind,
    SameDay,
    Span,
    Terms,
    Window,
    usual_beyond,
)
from booking.services.clinic import Clinic
from booking.services.desk.directory import date_in
from booking.web import contacts
from booking.web.desk.patient_forms import Typed
from booking.web.numerals import whole

# More visits than anybody is ever allowed, and more days than anybody counts them in.
MOST = 400
LONGEST = 3660
_OF_AUTHORISATION = ("number", "state", "begins", "ends", "count")
_CAPS = (Span.CALENDAR_YEAR, Span.CONTRACT_YEAR, Span.ELEVEN_MONTHS, Span.ROLLING, Span.LIFETIME)

WORDS: Mapping[str, Any] = {
    "name": lazy("Name"),
    "kind": lazy("What it is"),
    "modalities": lazy("Kinds of care"),
    "limit": lazy("Visits allowed"),
    "span": lazy("In which time"),
    "days": lazy("Days"),
    "month_day": lazy("Begins on"),
    "more": lazy("More once improving"),
    "cap": lazy("At most"),
    "cap_span": lazy("In which time, at most"),
    "cap_days": lazy("Days, at most"),
    "cap_month_day": lazy("Begins on, at most"),
    "free": lazy("First visits that need no authorization"),
    "begins": lazy("Valid from"),
    "ends": lazy("Valid until"),
    "used": lazy("Used already"),
    "used_on": lazy("Used before"),
    "same_day": lazy("Two visits on one day"),
    "beyond": lazy("Visits beyond"),
}
FIELDS = tuple(name for name in WORDS if name != "modalities")
CAP_SPANS = _CAPS


def typed_now() -> Typed:
    """The form as it was sent."""
    values: dict[str, Any] = {name: request.form.get(name, "") for name in FIELDS}
    values |= {name: name in request.form for name in ("counts_missed", "counts_late")}
    values["modalities"] = request.form.getlist("modalities")
    columns = [request.form.getlist(f"auth_{name}") for name in _OF_AUTHORISATION]
    values["authorisations"] = [
        dict(zip(_OF_AUTHORISATION, row, strict=True)) for row in zip(*columns, strict=False)
    ][:20]
    return Typed(values)


def as_typed(name: str, terms: Terms) -> Typed:
    """Terms as the form shows them."""
    window, cap = terms.window, terms.cap
    return Typed(
        {
            "name": name,
            "kind": terms.kind.value,
            "modalities": list(terms.modalities),
            "limit": _number_words(terms.limit),
            **_window_words("", window),
            "more": str(terms.more or ""),
            "cap": _number_words(cap.limit if cap else None),
            **_window_words("cap_", cap.window if cap else Window(Span.CALENDAR_YEAR)),
            "free": _number_words(terms.free),
            "authorisations": [_row_words(one) for one in terms.authorisations],
            "begins": _day_words(terms.begins),
            "ends": _day_words(terms.ends),
            "used": str(terms.used or ""),
            "used_on": _day_words(terms.used_on),
            "same_day": terms.same_day.value,
            "beyond": terms.beyond.value,
            "counts_missed": terms.counts_missed,
            "counts_late": terms.counts_late,
        }
    )


def terms_typed(form: Typed, clinic: Clinic, kept: Terms | None) -> tuple[str, Terms] | None:
    """Name and terms as they were typed, or None with the errors beside the fields. `kept`: as they are now, of which care that
    the clinic has no more may stay.
    """
    form.understand("name", contacts.name, needed=_("Please write what it is called, as on the card."))
    kind = _one_of(form, "kind", Kind) or Kind.INSURANCE
    modalities = _modalities(form, clinic, kept)
    form.understand("limit", _count)
    window = _window(form, "")
    form.understand("more", _count)
    form.understand("cap", _count)
    cap = Cap(form.read["cap"], _window(form, "cap_")) if form.read["cap"] is not None else None
    form.understand("free", _count)
    free = form.read["free"]
    authorisations = _authorisations(form)
    if free is None and (authorisations or kind is Kind.AUTHORISATION):
        free = 0
    if form.read["limit"] is None and free is None:
        form.refuse("limit", _("Please write how many visits are allowed."))
    for name in ("begins", "ends", "used_on"):
        form.understand(name, a_day)
    form.understand("used", _count)
    begins, ends, used = form.read["begins"], form.read["ends"], form.read["used"] or 0
    if begins and ends and ends < begins:
        form.refuse("ends", _("The last day lies before the first."))
    used_on = form.read["used_on"]
    if used and used_on is None and "used_on" not in form.errors:
        form.refuse("used_on", _("Please write the day as of which that is so."))
    if cap and form.read["limit"] is not None and cap.limit < form.read["limit"]:
        form.refuse("cap", _("That is less than the visits allowed."))
    same_day = _one_of(form, "same_day", SameDay) or SameDay.EACH
    beyond = usual_beyond(kind)
    if form.values["beyond"]:
        beyond = _one_of(form, "beyond", Beyond) or beyond
    if form.errors:
        return None
    return form.read["name"], Terms(
        kind=kind,
        modalities=modalities,
        limit=form.read["limit"],
        window=window,
        more=form.read["more"] or 0,
        cap=cap,
        free=free,
        authorisations=authorisations,
        same_day=same_day,
        counts_missed=form.values["counts_missed"],
        counts_late=form.values["counts_late"],
        beyond=beyond,
        begins=begins,
        ends=ends,
        used=used,
        used_on=used_on if used else None,
    )


def a_day(words: str) -> date:
    """A day as browsers write it, or as people here do. Raises Unreadable."""
    try:
        # Of two figures for the year, those ahead are meant as well.
        found = date.fromisoformat(date_in(words.strip(), clock.now().year + 10))
    except ValueError:
        raise contacts.Unreadable(_("Please write a date like 12/31/2026.")) from None
    if not date(2000, 1, 1) <= found <= date(2100, 12, 31):
        raise contacts.Unreadable(_("Please look at the year."))
    return found


def _count(words: str) -> int:
    return _whole(words, 0, MOST)


def _whole(words: str, least: int, most: int) -> int:
    number = whole(words.strip())
    if number is None or not least <= number <= most:
        raise contacts.Unreadable(
            _("Please write a number from %(least)d to %(most)d.", least=least, most=most)
        )
    return number


def _one_of(form: Typed, name: str, choices: Callable[[str], Any]) -> Any:
    try:
        return choices(form.values[name])
    except ValueError:
        form.refuse(name, _("Please choose from the list."))
        return None


def _modalities(form: Typed, clinic: Clinic, kept: Terms | None) -> tuple[str, ...]:
    known = [one.slug for one in clinic.modalities]
    known += [slug for slug in (kept.modalities if kept else ()) if slug not in known]
    chosen = form.values["modalities"]
    if not chosen:
        form.refuse("modalities", _("Please choose at least one kind of care."))
    elif any(slug not in known for slug in chosen):
        form.refuse("modalities", _("Please choose from the list."))
    return tuple(slug for slug in known if slug in chosen)


def _window(form: Typed, prefix: str) -> Window:
    span = _one_of(form, f"{prefix}span", Span) or Span.LIFETIME
    days, month, day = 0, 1, 1
    if span is Span.ROLLING:
        form.understand(
            f"{prefix}days", lambda words: _whole(words, 1, LONGEST), needed=_("Please write how many days.")
        )
        days = form.read[f"{prefix}days"] or 1
    elif span in (Span.CONTRACT_YEAR, Span.MONTH):
        needed = _("Please write on which day it begins.") if span is Span.CONTRACT_YEAR else ""
        reader = _month_and_day if span is Span.CONTRACT_YEAR else _day_of_month
        form.understand(f"{prefix}month_day", reader, needed=needed)
        month, day = form.read[f"{prefix}month_day"] or (1, 1)
    return Window(span, days, month, day)


def _month_and_day(words: str) -> tuple[int, int]:
    # In a leap year, which has every day.
    month, _slash, day = words.strip().partition("/")
    try:
        found = date(2024, int(month), int(day))
    except (ValueError, OverflowError):
        raise contacts.Unreadable(_("Please write month and day, like 7/1.")) from None
    return found.month, found.day


def _day_of_month(words: str) -> tuple[int, int]:
    """A day of the month; of a month and day, the day."""
    return 1, _whole(words.rpartition("/")[2], 1, 31)


def _authorisations(form: Typed) -> tuple[Authorisation, ...]:
    """Those of which anything is said; one that is only to be chosen from says nothing."""
    found = []
    for number, row in enumerate(form.values["authorisations"]):
        if (
            not any(row[name].strip() for name in ("number", "begins", "ends", "count"))
            and row["state"] != "asked"
        ):
            continue
        one = Typed(dict(row))
        one.understand("number", contacts.note)
        one.understand("begins", a_day)
        one.understand("ends", a_day)
        one.understand("count", _count)
        state = _one_of(one, "state", Asked) or Asked.ASKED
        begins, ends = one.read["begins"], one.read["ends"]
        if begins and ends and ends < begins:
            one.refuse("ends", _("The last day lies before the first."))
        if len(one.read["number"] or "") > 60:
            one.refuse("number", _("Please shorten it to %(number)d letters.", number=60))
        for words in one.errors.values():
            form.refuse(f"authorisation-{number}", words)
        found.append(
            Authorisation(
                (one.read["number"] or "").replace("\n", " "), state, begins, ends, one.read["count"]
            )
        )
    return tuple(found)


def _number_words(number: int | None) -> str:
    return "" if number is None else str(number)


def _day_words(day: date | None) -> str:
    return day.isoformat() if day else ""


def _window_words(prefix: str, window: Window) -> dict[str, str]:
    begins = {Span.CONTRACT_YEAR: f"{window.month}/{window.day}", Span.MONTH: str(window.day)}
    return {
        f"{prefix}span": window.span.value,
        f"{prefix}days": str(window.days or ""),
        f"{prefix}month_day": begins.get(window.span, ""),
    }


def _row_words(one: Authorisation) -> dict[str, str]:
    return {
        "number": one.number,
        "state": one.state.value,
        "begins": _day_words(one.begins),
        "ends": _day_words(one.ends),
        "count": _number_words(one.count),
    }
