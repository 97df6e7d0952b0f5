"""Several visits at once at the desk: fixed weekdays and times for some weeks, or two kinds of care on one day.

Each date is shown before anything is booked; one that can't be has its reason and other times to choose from. What is asked for
travels in the form; what was chosen of it as one field a date.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _, lazy_gettext as lazy
from werkzeug.datastructures import MultiDict

from booking.errors import (
    BeyondCoverage,
    ContactCannotBeReached,
    KeyReused,
    NotOffered,
    PlanRulesBroken,
    RecordMerged,
    VisitsTaken,
)
from booking.models import BookableBy, PlanReminders, VisitKind
from booking.services.clinic import Clinic, Modality, Practitioner, VisitType
from booking.services.desk import panel
from booking.services.plans import arranging, same_day, series_booking
from booking.services.plans.arranging import Whose
from booking.services.plans.same_day import SameDay
from booking.services.plans.series import MOST_VISITS, MOST_WEEKS, Preview, Series, Slot
from booking.services.plans.wanted import first_visit_of
from booking.web import access, asked, payer, series_words, staff_plans, windows
from booking.web.desk import blueprint, reminding
from booking.web.numerals import whole
from booking.web.pages import the_clinic_of_this_request, today
from booking.web.plan_words import list_of, within
from booking.web.staff import staff_page

ROWS = 4
EVERY = {1: lazy("Every week"), 2: lazy("Every second week"), 4: lazy("Every fourth week")}
DAYS_SHOWN = 5
_OF_A_ROW = ("visit_type", "weekday", "time", "with")
_CARRIED = ("patient", "first_day", "weeks", "every", "reminders", "reminded_of")


class Row(NamedTuple):
    """A line of the form: one kind of care on one weekday at one time. As it was typed."""

    number: int
    visit_type: str
    weekday: str
    time: str
    whom: str

    @property
    def is_empty(self) -> bool:
        return not (self.visit_type or self.weekday or self.time)


@dataclass(frozen=True)
class Form:
    """What was sent, or what a form begins with."""

    clinic: Clinic
    values: "MultiDict[str, str]"
    whose: Whose

    def __getitem__(self, name: str) -> str:
        return self.values.get(name, "")

    @property
    def rows(self) -> list[Row]:
        return [
            Row(number, *(self[f"{name}-{number}"] for name in _OF_A_ROW)) for number in range(1, ROWS + 1)
        ]

    @property
    def kinds(self) -> list[tuple[Modality, list[VisitType]]]:
        """What may be booked so, by kind of care: first visits come by themselves, where somebody is new."""
        clinic = self.clinic
        offered = [
            one
            for one in clinic.visit_types.values()
            if one.kind is not VisitKind.FIRST and clinic.who_offers(one, BookableBy.STAFF)
        ]
        found = [(care, [one for one in offered if one.modality == care]) for care in clinic.modalities]
        return [(care, visit_types) for care, visit_types in found if visit_types]

    @property
    def people(self) -> tuple[Practitioner, ...]:
        return tuple(self.clinic.practitioners.values())

    @property
    def returning(self) -> frozenset[str]:
        return frozenset(self.values.getlist("returning")) & {one.slug for one in self.clinic.modalities}

    @property
    def carried(self) -> list[tuple[str, str]]:
        """Everything that was asked for, as hidden fields of the next page."""
        names = [name for name in self.values if name in _CARRIED or name.split("-")[0] in _OF_A_ROW]
        return [
            *((name, self.values[name]) for name in names),
            *(("returning", one) for one in self.values.getlist("returning")),
        ]


@blueprint.get("/series/new")
def new_series() -> ResponseReturnValue:
    """The form. `?visit=`: the same as this visit, week after week."""
    try:
        return _form_page(_begun())
    except RecordMerged as refusal:
        return redirect(url_for("desk.new_series", patient=refusal.facts["into"]), 303)


@blueprint.post("/series/new")
def look_at_series() -> ResponseReturnValue:
    """All dates, to be booked; or the form again; or days on which two kinds of care can be had."""
    form = _sent()
    if "change" in request.form:
        return _form_page(form)
    try:
        if request.form.get("do") == "day":
            return _days_page(form)
        series = _series(form)
        found = series_booking.preview_for(access.who(), form.whose.reference, series, form.returning)
    except Unclear as fault:
        return _form_page(form, 422, str(fault))
    except NotOffered:
        return _form_page(form, 422, _("Nobody gives one of these kinds of care."))
    return _preview_page(form, found)


@blueprint.post("/series/book")
def book_series() -> ResponseReturnValue:
    """Books what was chosen, all of it or nothing."""
    form = _sent()
    try:
        series = _series(form)
    except Unclear as fault:
        return _form_page(form, 422, str(fault))
    chosen = series_words.chosen(request.form)
    who, patient = access.who(), form.whose.reference
    trouble, status, asks = "", 422, "payer" in request.form
    reminders, reminded_of = reminding.read(form["reminders"], form["reminded_of"])
    if chosen.open:
        trouble = _("Please choose for each date that can't be: another time, or to leave it out.")
    elif not chosen.visits:
        trouble = _("No date is left. Please choose at least one.")
    elif reminders is None:
        trouble = _("Please choose how they are reminded.")
    else:
        try:
            made = series_booking.book_for(
                who,
                patient,
                series,
                chosen.visits,
                name=series_words.name(form.clinic, chosen.visits),
                returning=form.returning,
                reminders=reminders,
                text_consent="text_consent" in request.form,
                reminded_of=reminded_of or PlanReminders.EACH,
                beyond=payer.was_asked(request.form),
                key=asked.key(),
            )
        except VisitsTaken as refusal:
            trouble, status = series_words.lost(form.clinic, refusal), 409
        except BeyondCoverage:
            trouble, asks = payer.ask_first(), True
        except PlanRulesBroken:
            trouble = series_words.on_one_day(form.clinic, chosen.visits)
        except ContactCannotBeReached as refusal:
            trouble = reminding.unreachable(refusal.facts["field"])
        except KeyReused:
            trouble, status = (
                _("This form was booked before with other dates. Please look, and book again."),
                409,
            )
        else:
            staff_plans.say_booked(made.reference, _("Booked: all of these visits."))
            return redirect(url_for("desk.plan", reference=made.reference), 303)
    found = series_booking.preview_for(who, patient, series, form.returning)
    return _preview_page(form, found, status, trouble, asks=asks)


# What was sent


class Unclear(Exception):
    """What was typed isn't a series; in words for whoever typed it."""


def _begun() -> Form:
    """Raises NotFound, RecordMerged."""
    clinic, who = the_clinic_of_this_request(), access.who()
    values, first_day = MultiDict[str, str](), today(clinic)
    if request.args.get("visit"):
        visit = panel.head(who, request.args["visit"])
        local = visit.starts_at.astimezone(clinic.zone)
        values["weekday-1"], values["time-1"] = str(local.weekday()), local.strftime("%H:%M")
        care = series_booking.ordinary_visit(clinic, visit.visit_type)
        values["visit_type-1"], values["with-1"] = care.slug if care else "", visit.practitioner.slug
        first_day = max(first_day, local.date() + timedelta(days=7))
    whose = arranging.whose(who, request.args.get("patient", ""))
    values["patient"], values["first_day"] = whose.reference, first_day.isoformat()
    values["weeks"], values["every"] = "4", "1"
    values["reminders"], values["reminded_of"] = whose.reminders.value, PlanReminders.EACH.value
    values.setlist("returning", list(whose.returning))
    return Form(clinic, values, whose)


def _sent() -> Form:
    """Raises NotFound, RecordMerged."""
    values = MultiDict(request.form.items(multi=True))
    whose = arranging.whose(access.who(), values.get("patient", ""))
    values.setdefault("reminders", whose.reminders.value)
    return Form(the_clinic_of_this_request(), values, whose)


def _series(form: Form) -> Series:
    """Raises Unclear."""
    rows = [row for row in form.rows if not row.is_empty]
    if not rows:
        raise Unclear(_("Please choose a kind of care, a weekday and a time."))
    slots = tuple(_slot(form.clinic, row) for row in rows)
    _refuse_what_no_series_has(form.clinic, slots)
    weeks, every = whole(form["weeks"]) or 0, whole(form["every"] or "1") or 0
    if not 1 <= weeks <= MOST_WEEKS or every not in EVERY:
        raise Unclear(_("Please choose from 1 to %(most)d weeks.", most=MOST_WEEKS))
    series = Series(slots, _first_day(form), weeks, every)
    if len(list(series.dates())) > MOST_VISITS:
        raise Unclear(_("That is more than %(most)d visits. Please choose fewer weeks.", most=MOST_VISITS))
    return series


def _slot(clinic: Clinic, row: Row) -> Slot:
    """Raises Unclear."""
    wall = asked.wall_time(row.time)
    if (
        row.visit_type not in clinic.visit_types
        or row.weekday not in {str(one) for one in range(7)}
        or wall is None
    ):
        raise Unclear(
            _(
                "Line %(number)d: please choose a kind of care, a weekday and a time by five minutes.",
                number=row.number,
            )
        )
    person = clinic.practitioners.get(row.whom)
    if row.whom and (person is None or row.visit_type not in person.offerings):
        raise Unclear(
            _("Line %(number)d: this person doesn't give that. Please choose another.", number=row.number)
        )
    return Slot(row.visit_type, int(row.weekday), wall.hour * 60 + wall.minute, row.whom or None)


def _refuse_what_no_series_has(clinic: Clinic, slots: tuple[Slot, ...]) -> None:
    """Raises Unclear."""
    if len({(one.visit_type, one.weekday) for one in slots}) < len(slots):
        raise Unclear(_("Each kind of care is at most once a day."))
    kinds = {one.visit_type for one in slots}
    if len({clinic.visit_type(one).modality for one in kinds}) < len(kinds):
        raise Unclear(_("Please choose the same visit in all lines of one kind of care."))


def _first_day(form: Form) -> date:
    """Raises Unclear."""
    first_day = asked.day_or_none(form["first_day"])
    if first_day is None or first_day < today(form.clinic):
        raise Unclear(_("Please choose a first day from today on."))
    return first_day


# Pages


def _form_page(form: Form, status: int = 200, trouble: str = "") -> ResponseReturnValue:
    return staff_page(
        "desk/series_form.html",
        status,
        form=form,
        trouble=trouble,
        weekdays=windows.weekdays(form.clinic),
        every=EVERY,
        most_weeks=MOST_WEEKS,
        this_day=today(form.clinic),
        key=asked.fresh_key(),
    )


def _preview_page(
    form: Form, found: Preview, status: int = 200, trouble: str = "", *, asks: bool = False
) -> ResponseReturnValue:
    """`asks`: the payer is to be asked before these are booked."""
    return staff_page(
        "desk/series_preview.html",
        status,
        form=form,
        dates=series_words.shown(found, request.form if "shown" in request.form else None),
        trouble=trouble,
        asks=asks,
        reminders=reminding.reminders_for(form.whose),
        reminded_of=reminding.REMINDED_OF,
        text_consent_needed=not form.whose.texts and bool(form.whose.phone),
        key=asked.fresh_key(),
    )


def _days_page(form: Form) -> ResponseReturnValue:
    """Days on which the first two kinds of care can be had one after the other. Raises Unclear, NotOffered."""
    names = list(dict.fromkeys(row.visit_type for row in form.rows if row.visit_type))
    cares = [form.clinic.visit_types.get(name) for name in names]
    if len(cares) != 2 or None in cares or cares[0].modality == cares[1].modality:
        raise Unclear(_("Please choose two kinds of care, in two lines."))
    kinds = [care for care in cares if care is not None]
    begun = [
        care if care.modality.slug in form.returning else first_visit_of(form.clinic, care) or care
        for care in kinds
    ]
    days = same_day.days_with_both(
        tuple(one.slug for one in begun),
        _first_day(form),
        audience=BookableBy.STAFF,
        visitor=None,
        most=DAYS_SHOWN,
    )
    return staff_page(
        "desk/series_days.html",
        form=form,
        visits=list_of([kinds[0].name, within(kinds[1].name)]),
        days=[(day.on, list(_as_rows(form, kinds, day))) for day in days],
        key=asked.fresh_key(),
    )


class DayWay(NamedTuple):
    """A way to have both on one day: in words, and what a form of it sends."""

    words: tuple[str, ...]
    fields: list[tuple[str, str]]


def _as_rows(form: Form, kinds: list[VisitType], day: SameDay) -> Iterator[DayWay]:
    clinic = form.clinic
    care_of = {one.modality: one for one in kinds}
    kept = [
        pair
        for pair in form.carried
        if pair[0].split("-")[0] not in (*_OF_A_ROW, "first_day", "weeks", "every")
    ]
    for way in day.ways:
        fields = [*kept, ("first_day", day.on.isoformat()), ("weeks", "1"), ("every", "1")]
        for number, visit in enumerate(way, 1):
            local = visit.starts_at.astimezone(clinic.zone)
            care = care_of[clinic.visit_type(visit.visit_type).modality]
            values = (care.slug, str(local.weekday()), local.strftime("%H:%M"), visit.practitioner)
            fields += [(f"{name}-{number}", value) for name, value in zip(_OF_A_ROW, values, strict=True)]
        yield DayWay(tuple(series_words.way(clinic, way)), fields)
