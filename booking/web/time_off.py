"""Time off, as practitioners enter it for themselves and the desk for anybody: one form, one page."""

import secrets
from dataclasses import dataclass
from datetime import date, time, timedelta
from typing import Any

from flask import request, session
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _, lazy_gettext as lazy
from flask_wtf import FlaskForm
from wtforms import HiddenField, StringField
from wtforms.validators import InputRequired, Regexp

from booking import clock
from booking.scheduling.timeline import cell_at
from booking.services.clinic import Clinic, Practitioner
from booking.services.own_day import time_off
from booking.services.own_day.time_off import Inside, TimeOff, Wanted
from booking.services.staff import audit
from booking.web import access, asked, contacts
from booking.web.pages import the_clinic_of_this_request, today
from booking.web.staff import staff_page

LONGEST_DAYS = 366
LONGEST_DAYS_WITH_HOURS = 62
LONGEST_REASON = 200


class TimeOffForm(FlaskForm):
    """From one day to another; with hours, these of each day. `wanted` has what was understood."""

    key = HiddenField(validators=[InputRequired(), Regexp(r"[!-~]{8,80}\Z")])
    practitioner = StringField(lazy("Who"))
    first = StringField(lazy("First day"))
    last = StringField(lazy("Last day"))
    opens = StringField(lazy("From"))
    closes = StringField(lazy("Until"))
    reason = StringField(lazy("Why (only the clinic sees it)"))

    def understood(self, clinic: Clinic) -> Wanted | None:
        """What is wanted, or None with all that is wrong beside the fields."""
        if not self.validate():
            return None
        first = self._date(self.first, _("Please write the first day."))
        last = self._date(self.last, "") if self.last.data and self.last.data.strip() else first
        opens, closes = self._time(self.opens), self._time(self.closes)
        reason = self._reason()
        with_hours = opens is not None or closes is not None
        if first and last:
            self._check_days(clinic, first, last, LONGEST_DAYS_WITH_HOURS if with_hours else LONGEST_DAYS)
        if closes is not None and time(0) != closes <= (opens or time(0)):
            self._say(self.closes, _("It ends before it begins."))
        if any(field.errors for field in self) or first is None or last is None:
            return None
        return Wanted(first, last, opens, closes, reason)

    def _check_days(self, clinic: Clinic, first: date, last: date, longest: int) -> None:
        days = (last - first).days + 1
        if days < 1:
            self._say(self.last, _("The last day lies before the first."))
        elif last < today(clinic):
            self._say(self.last, _("These days are over."))
        elif days > longest:
            self._say(self.last, _("That is too long. Please enter it in parts."))

    def _date(self, field: Any, missing: str) -> date | None:
        words = (field.data or "").strip()
        if not words:
            self._say(field, missing)
            return None
        try:
            found = date.fromisoformat(words)
        except ValueError:
            found = None
        latest = clock.now().date() + timedelta(days=3 * 366)
        if found is None or not date(2001, 1, 1) <= found <= latest:
            self._say(field, _("Please write a date like 2026-12-03."))
            return None
        return found

    def _time(self, field: Any) -> time | None:
        words = (field.data or "").strip()
        if not words:
            return None
        try:
            found = time.fromisoformat(words)
        except ValueError:
            found = None
        if found is None or found.tzinfo or found.second or found.microsecond or len(words) > 8:
            self._say(field, _("Please write a time like 13:00."))
            return None
        if found.minute % 5:
            self._say(field, _("Times are in steps of five minutes."))
            return None
        return found

    def _reason(self) -> str:
        words = " ".join((self.reason.data or "").split())
        if len(words) > LONGEST_REASON:
            self._say(
                self.reason,
                _(
                    "Please shorten it to %(number)d letters: these are %(now)d.",
                    number=LONGEST_REASON,
                    now=len(words),
                ),
            )
            return ""
        return contacts.note(words)

    @staticmethod
    def _say(field: Any, words: str) -> None:
        field.errors = [*field.errors, words]


@dataclass(frozen=True)
class Done:
    """What the form before this page did. `number`: how much was entered, None for what was taken back; `entered`: that
    of it which is still to come; `idle`: a sentence about what of it changes nothing.
    """

    number: int | None
    entered: tuple[TimeOff, ...] = ()
    idle: str = ""

    @property
    def inside(self) -> list[Inside]:
        return [visit for entry in self.entered for visit in entry.inside]


def shown(
    form: TimeOffForm,
    status: int = 200,
    *,
    clinic: Clinic,
    entries: tuple[TimeOff, ...],
    page: int,
    people: tuple[Practitioner, ...] = (),
    desk: bool,
) -> ResponseReturnValue:
    """What was just done, the form, and time off that isn't over, with free times for the visits of this page. `people`: for
    whom the desk may enter it.
    """
    audit.saw_this_hour(access.who(), "saw time off", "time-off")
    return staff_page(
        "staff/time_off.html",
        status,
        clinic=clinic,
        form=form,
        entries=entries,
        page=page,
        done=_just_done(clinic, entries, desk=desk),
        people=people,
        desk=desk,
        longest_reason=LONGEST_REASON,
        cell_at=cell_at,
        key=secrets.token_urlsafe(12),
    )


def page_asked() -> int:
    """On which page of the visits inside free times are asked for."""
    return asked.number(request.args.get("page")) or 1


def blank(**given: str) -> TimeOffForm:
    return TimeOffForm(formdata=None, key=secrets.token_urlsafe(16), **given)


def entered(form: TimeOffForm, practitioner: str | None) -> bool:
    """Enters what the form wants; False with the errors beside its fields. Raises NotFound, KeyReused."""
    wanted = form.understood(the_clinic_of_this_request())
    if wanted is None:
        return False
    ids = time_off.enter(access.who(), practitioner, wanted, key=form.key.data)
    session["time_off"] = {"entered": ids}
    return True


def taken_back(number: int, *, key: str, practitioner: str | None = None) -> None:
    """Ends time off. Raises NotFound, KeyReused."""
    time_off.take_back(access.who(), number, key=key, practitioner=practitioner)
    session["time_off"] = {"entered": None}


def _just_done(clinic: Clinic, entries: tuple[TimeOff, ...], *, desk: bool) -> Done | None:
    """Told once."""
    done = session.pop("time_off", None)
    if done is None:
        return None
    if done["entered"] is None:
        return Done(None)
    entered = tuple(entry for entry in entries if entry.id in done["entered"])
    idle = [entry for entry in entered if time_off.changes_nothing(clinic, entry)]
    return Done(len(done["entered"]), entered, _without_work(clinic, idle, desk=desk) if idle else "")


def _without_work(clinic: Clinic, idle: list[TimeOff], *, desk: bool) -> str:
    """Says that somebody doesn't work then anyway."""
    name = idle[0].practitioner.name
    if len(idle) > 1:
        days = "; ".join(clinic.times.short_date(entry.starts_at) for entry in idle)
        if desk:
            return _("%(name)s doesn't work then: %(days)s. Nothing changes there.", name=name, days=days)
        return _("You don't work then: %(days)s. Nothing changes there.", days=days)
    if idle[0].whole_days and not idle[0].many_days:
        day = clinic.times.weekday(clinic.times.local_date(idle[0].starts_at))
        if desk:
            return _("%(name)s doesn't work on that %(day)s: nothing changes.", name=name, day=day)
        return _("You don't work on that %(day)s: nothing changes.", day=day)
    if desk:
        return _("%(name)s doesn't work then: nothing changes.", name=name)
    return _("You don't work then: nothing changes.")
