"""Time off, as practitioners enter it for themselves and the desk for anybody: one form, one page."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
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
from booking.services.own_day.time_off import Inside, Listed, TimeOff, Wanted
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
    of it which is still to come; `idle`: a sentence about what of it changes nothing; `where`: what the address of the page
    says that shows the first visit inside, nothing if it is this one.
    """

    number: int | None
    entered: tuple[TimeOff, ...] = ()
    idle: str = ""
    where: Mapping[str, Any] = field(default_factory=dict)

    @property
    def inside(self) -> list[Inside]:
        return [visit for entry in self.entered for visit in entry.inside]


def shown(
    form: TimeOffForm,
    status: int = 200,
    *,
    practitioner: str | None = None,
    people: tuple[Practitioner, ...] = (),
    desk: bool,
) -> ResponseReturnValue:
    """What was just done, the form, and time off that isn't over, from a day on if the address names one, with free times for
    the visits of its page. `practitioner`: whose it is, where it isn't everybody's; `people`: for whom the desk may enter it.
    """
    since = asked.day_or_none(request.args.get("since", ""))
    page = asked.number(request.args.get("page")) or 1
    did = session.pop("time_off", None)
    ids = did["entered"] or () if did else ()
    listed = time_off.listed(access.who(), practitioner, since=since, besides=ids, page=page)
    audit.saw_this_hour(access.who(), "saw time off", "time-off")
    return staff_page(
        "staff/time_off.html",
        status,
        clinic=listed.clinic,
        form=form,
        entries=listed.entries,
        later=listed.later,
        since=since,
        page=page,
        done=_just_done(did["entered"], listed, since, page, desk=desk) if did else None,
        people=people,
        desk=desk,
        longest_reason=LONGEST_REASON,
        cell_at=cell_at,
        key=secrets.token_urlsafe(12),
    )


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


def _just_done(ids: list[int] | None, listed: Listed, since: date | None, page: int, *, desk: bool) -> Done:
    """Told once."""
    if ids is None:
        return Done(None)
    clinic = listed.clinic
    entered = tuple(one for one in (*listed.entries, *listed.beyond) if one.id in ids)
    idle = [entry for entry in entered if time_off.changes_nothing(clinic, entry)]
    where: dict[str, Any] = {}
    first = next((entry for entry in entered if entry.inside), None)
    if first in listed.beyond:
        where = {"since": clinic.times.local_date(first.starts_at)}
    elif first and first.inside[0].page != page:
        where = {"since": since, "page": first.inside[0].page}
    return Done(len(ids), entered, _without_work(clinic, idle, desk=desk) if idle else "", where)


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
