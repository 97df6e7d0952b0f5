"""The changes of a plan that are shown before they are done."""

from dataclasses import replace
from datetime import date, timedelta
from functools import cached_property
from typing import Any

from flask_babel import gettext as _, lazy_gettext as lazy, ngettext

from booking import clock
from booking.models import BookableBy
from booking.services.plans import changing, extending, frequency
from booking.services.plans.lacking import lacking
from booking.services.plans.said import cut_off, pause_on
from booking.services.plans.weeks import Week
from booking.services.staff.who import Who
from booking.web import asked, plan_next, plan_pattern, prescriptions, staff_plans
from booking.web.plan_change import Change, Preview
from booking.web.plan_decide import Decide
from booking.web.plan_fitting import fitting_of, from_week, today_of
from booking.web.plan_shift import Shift


class Stop(Change):
    name = "stop"

    @property
    def title(self) -> Any:
        return _("Cancel all that lie ahead") if self.plan.is_series else _("Stop the plan")

    @property
    def button(self) -> Any:
        return self.title

    @property
    def done(self) -> str:
        return _("Stopped. The visits ahead are cancelled.")

    def preview(self, who: Who) -> Preview:
        gone = self.visits(self.plan.ahead(clock.now()))
        return Preview(((_("Cancelled"), gone),), () if gone else (_("No visit is ahead."),))

    def do(self, who: Who, version: int | None, key: str) -> None:
        changing.stop(who, self.plan.reference, self.reason, tell=self.tell, version=version, key=key)


class Pause(Change):
    name = "pause"
    title = lazy("Holiday or illness")
    button = lazy("Give these visits up")
    asks = ("first", "last")

    @property
    def trouble(self) -> str:
        first, last = self._days
        if first is None or last is None:
            return _("Please choose both days.")
        if last < first:
            return _("The last day lies before the first.")
        if last < today_of(self.plan):
            return _("These days are over.")
        return ""

    @property
    def done(self) -> str:
        return _("The visits of these days are given up. What the plan lacks then is shown below.")

    def preview(self, who: Who) -> Preview:
        first, last = self._days
        local = self.plan.clinic.times.local_date
        gone = [
            one
            for one in self.plan.ahead(clock.now())
            if first and last and first <= local(one.starts_at) <= last
        ]
        notes = [_("Nothing is offered for this plan on these days from now on.")]
        if not gone:
            notes.insert(0, _("No visit lies on these days."))
        return Preview(((_("Cancelled"), self.visits(gone)),), tuple(notes))

    def do(self, who: Who, version: int | None, key: str) -> None:
        first, last = self._days
        if first and last:
            changing.pause(
                who, self.plan.reference, first, last, self.reason, tell=self.tell, version=version, key=key
            )

    @property
    def _days(self) -> tuple[date | None, date | None]:
        return asked.day_or_none(self["first"]), asked.day_or_none(self["last"])


class GoOn(Change):
    name = "go-on"
    title = lazy("It goes on sooner")
    button = lazy("It goes on from that day")
    asks = ("first",)
    tell_field = ""

    def __getitem__(self, name: str) -> str:
        """A form begins with the first day that the plan would rest."""
        if name == "first" and name not in self.values:
            return max(
                [today_of(self.plan), *(one.first for one in plan_next.rests(self.plan)[:1])]
            ).isoformat()
        return super().__getitem__(name)

    @property
    def is_asked(self) -> bool:
        return not self.trouble

    @property
    def trouble(self) -> str:
        if self._first is None:
            return _("Please choose the day from which it goes on.")
        return _("That day is over.") if self._first < today_of(self.plan) else ""

    @property
    def done(self) -> str:
        return _("The pause is over before that day. What the plan lacks can be made up from then on.")

    def preview(self, who: Who) -> Preview:
        first, times = self._first or today_of(self.plan), self.plan.clinic.times
        over = cut_off(self.plan.pauses, first)
        if not over:
            return Preview(
                (), (_("The plan doesn’t rest on that day. Please choose one of its pause."),), possible=False
            )
        missing = [
            one.visit
            for one in lacking(self.plan, clock.now())
            if one.visit and pause_on(times.local_date(one.visit.starts_at), over)
        ]
        days = tuple(f"{times.short_day(one.first)} – {times.short_day(one.last)}" for one in over)
        lists = (
            (_("No pause any more"), days),
            (_("Missing, to be made up from the plan’s page"), self.visits(missing)),
        )
        words = _("No visit comes back by itself, and nobody is written to.")
        if missing and self.plan.clinic.make_up_sent_by == "worker":
            words = (
                _("No visit comes back by itself. Please call the patient about what is missing.")
                if staff_plans.is_called(self.plan)
                else _(
                    "No visit comes back by itself. The patient is sent the link to times for what is missing."
                )
            )
        return Preview(lists, (words,))

    def do(self, who: Who, version: int | None, key: str) -> None:
        if self._first:
            changing.go_on(who, self.plan.reference, self._first, self.reason, version=version, key=key)

    @property
    def _first(self) -> date | None:
        return asked.day_or_none(self["first"])


class Doses(Change):
    name = "doses"
    asks = ("from_week",)

    @property
    def goes_on(self) -> bool:
        """Whether it is the second step of a decision: the visits of further weeks."""
        return "further" in self.values

    @property
    def title(self) -> Any:
        return _("Visits of the further weeks") if self.goes_on else _("More or less often")

    @property
    def button(self) -> Any:
        return _("Book these visits") if self.goes_on else _("Change it so")

    @property
    def is_asked(self) -> bool:
        return "from_week" in self.values and not self.trouble

    @property
    def weeks(self) -> list[Week]:
        """From which week on it may change: those that aren't over."""
        return [week for week in self.plan.weeks if week.last >= today_of(self.plan)]

    @property
    def from_week(self) -> int | None:
        if not self["from_week"]:
            return next((week.number for week in self.weeks), None)
        return next((week.number for week in self.weeks if str(week.number) == self["from_week"]), None)

    @cached_property
    def fields(self) -> tuple[prescriptions.DoseField, ...]:
        """Of all kinds of care that the plan has, or once had."""
        clinic = self.plan.clinic
        course = prescriptions.in_rhythm(from_week(self.plan.course, self.from_week or 0), self.every)
        template = clinic.plan_templates.get(self.plan.template)
        had = {one.visit_type.modality for one in self.plan.visits}
        kinds = (*self.plan.course.kinds, *(template.course.kinds if template else ()))
        once = (
            name for name in kinds if name in clinic.visit_types and clinic.visit_type(name).modality in had
        )
        return prescriptions.course_fields(clinic, course, self.values, once)

    @property
    def trouble(self) -> str:
        return "" if self.from_week is not None else _("Please choose a week that isn't over.")

    @property
    def done(self) -> str:
        if self.goes_on:
            return _("Booked. The visits are shown below week by week.")
        return _("Changed. It is shown below week by week.")

    def preview(self, who: Who) -> Preview:
        found = frequency.with_other_doses(
            self.plan, self.from_week or 0, self.doses, BookableBy.STAFF, every=self.every
        )
        preview = fitting_of(self.plan, found)
        pattern = () if self.goes_on else self._pattern(found)
        return replace(preview, possible=bool(preview.possible or self.doses or pattern), pattern=pattern)

    def _pattern(self, found: frequency.Fitted) -> tuple[tuple[str, str], ...]:
        plan, week = self.plan, self.from_week or 0
        weeks = range(week, plan.course.weeks)
        prescribed = frequency.from_week_on(plan.course, week, {}), found.course
        visits = plan_pattern.standing(plan), plan_pattern.after(plan, found)
        before, after = (
            plan_pattern.in_words(plan.clinic, from_week(course, week), weeks, these)
            for course, these in zip(prescribed, visits, strict=True)
        )
        return ((_("Before"), before), (_("After"), after)) if before != after else ()

    def do(self, who: Who, version: int | None, key: str) -> None:
        frequency.change_doses(
            who, self.plan.reference, self.from_week or 0, self.doses, self.reason,
            every=self.every, beyond=self.beyond, tell=self.tell, version=version, key=key,
        )  # fmt: skip


class Extend(Change):
    name = "extend"
    title = lazy("Extend the plan")
    button = lazy("Extend it and book these visits")

    @property
    def done(self) -> str:
        return _("Extended. The visits are shown below week by week.")

    def preview(self, who: Who) -> Preview:
        found = extending.extended(self.plan)
        last = self.plan.first_day + timedelta(days=7 * found.weeks.stop - 1)
        until = ngettext(
            "%(num)d further week, up to %(day)s.", "%(num)d further weeks, up to %(day)s.", len(found.weeks),
            day=self.plan.clinic.times.day(last),
        )  # fmt: skip
        moved = tuple(
            _("Week %(week)d: %(care)s", week=one.week + 1, care=one.care.modality.name)
            for one in found.moved
        )
        fitting = fitting_of(self.plan, found.fitted)
        lists = ((_("Moved to the end of the plan"), moved), *fitting.lists)
        return replace(fitting, lists=lists, notes=(until, *fitting.notes), possible=bool(found.moved))

    def do(self, who: Who, version: int | None, key: str) -> None:
        extending.extend(
            who,
            self.plan.reference,
            self.reason,
            beyond=self.beyond,
            tell=self.tell,
            version=version,
            key=key,
        )


class Look(Change):
    name = "look"
    title = lazy("Book the reassessment")
    button = lazy("Book it")

    @property
    def done(self) -> str:
        return _("Booked. The reassessment is shown below.")

    def preview(self, who: Who) -> Preview:
        return fitting_of(self.plan, frequency.looked_at_again(self.plan))

    def do(self, who: Who, version: int | None, key: str) -> None:
        frequency.book_looks(
            who, self.plan.reference, self.reason,
            beyond=self.beyond, tell=self.tell, version=version, key=key,
        )  # fmt: skip


CHANGES: dict[str, type[Change]] = {
    one.name: one for one in (Decide, Doses, Extend, GoOn, Look, Pause, Stop, Shift)
}
