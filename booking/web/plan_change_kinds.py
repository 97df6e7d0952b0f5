"""The changes of a plan that are shown before they are done."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from functools import cached_property
from typing import Any

from flask_babel import gettext as _, lazy_gettext as lazy, ngettext

from booking import clock
from booking.models import BookableBy
from booking.scheduling.plans.course import Course
from booking.scheduling.timeline import instant_of
from booking.services.allowances import Planned
from booking.services.plans import changing, extending, frequency
from booking.services.plans.allowed import allowed
from booking.services.plans.changing import Decision
from booking.services.plans.lacking import lacking
from booking.services.plans.reading import PlanView, weeks_with
from booking.services.plans.said import cut_off, pause_on
from booking.services.plans.visits import PlanVisit
from booking.services.plans.wanted import bookable_from
from booking.services.plans.weeks import Week
from booking.services.staff.who import Who
from booking.web import (
    allowance_words,
    asked,
    course_words,
    plan_next,
    plan_pattern,
    prescriptions,
    staff_plans,
)
from booking.web.numerals import whole
from booking.web.plan_change import Change, Preview, line
from booking.web.plan_shift import Shift

MOST_WEEKS = 26


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
        if last < _today(self.plan):
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
    told = ""

    def __getitem__(self, name: str) -> str:
        """A form begins with the first day that the plan would rest."""
        if name == "first" and name not in self.values:
            return max(
                [_today(self.plan), *(one.first for one in plan_next.rests(self.plan)[:1])]
            ).isoformat()
        return super().__getitem__(name)

    @property
    def is_asked(self) -> bool:
        return not self.trouble

    @property
    def trouble(self) -> str:
        if self._first is None:
            return _("Please choose the day from which it goes on.")
        return _("That day is over.") if self._first < _today(self.plan) else ""

    @property
    def done(self) -> str:
        return _("The pause is over before that day. What the plan lacks can be made up from then on.")

    def preview(self, who: Who) -> Preview:
        first, times = self._first or _today(self.plan), self.plan.clinic.times
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


class Decide(Change):
    name = "decide"
    title = lazy("Decide how it goes on")
    button = lazy("Decide so")
    asks = ("decision", "weeks")
    told = "told"

    @property
    def options(self) -> list[tuple[Decision, str]]:
        further = (Decision.CONTINUE, _("Continue as before"))
        fewer = (Decision.TAPER, _("Come less often from now on"))
        going_on = [further, fewer]
        if self.has_next:
            plan, stage = self.plan, self.plan.decided_phases + 1
            prescribed = self._in_words(plan.course)
            as_prescribed = _("Go on as prescribed: %(what)s", what=prescribed)
            if changing.tapers(plan):
                before = self._in_words(plan.course.as_before(stage))
                going_on = [
                    (Decision.TAPER, as_prescribed),
                    (Decision.CONTINUE, _("Come as often as before instead: %(what)s", what=before)),
                ]
            else:
                going_on = [
                    (Decision.CONTINUE, as_prescribed),
                    (Decision.TAPER, _("Come less often than prescribed")),
                ]
        return [
            *going_on,
            (Decision.STOP, _("End the plan here")),
            (Decision.REFER, _("End the plan, and refer the patient")),
        ]

    @property
    def has_next(self) -> bool:
        """Whether the plan has weeks after this decision already."""
        return self.plan.decided_phases + 1 < len(self.plan.course.stages)

    def _stage(self, course: Course, further: int) -> Course:
        """What a course has for the stage upon which is decided, or for a later one."""
        weeks = course.stages[self.plan.decided_phases + further]
        return _from(course.until(weeks.stop), weeks.start)

    def _in_words(self, course: Course) -> str:
        """What a course has for the next stage, within a sentence."""
        return course_words.within(course_words.prescribed(self.plan.clinic, self._stage(course, 1)))

    @property
    def _otherwise(self) -> bool:
        """Whether how often they come next is chosen on the page that follows, though something was prescribed."""
        return self.has_next and self.decision is Decision.TAPER and not changing.tapers(self.plan)

    @property
    def decision(self) -> Decision | None:
        return next((one for one, _words in self.options if one.value == self["decision"]), None)

    @property
    def weeks(self) -> int | None:
        number = whole(self["weeks"] or str(self.plan.course.last_prescribed.weeks)) or 0
        return number if 1 <= number <= MOST_WEEKS else None

    @property
    def tell(self) -> bool:
        """Nobody is written to before somebody has told them."""
        return self.told in self.values

    @cached_property
    def fields(self) -> tuple[prescriptions.DoseField, ...]:
        last = replace(self.plan.course, phases=(self.plan.course.last_prescribed,))
        return () if self.has_next else prescriptions.course_fields(self.plan.clinic, last, self.values)

    @property
    def trouble(self) -> str:
        if self.decision is None:
            return _("Please choose what was decided.")
        if self._goes_beyond and self.weeks is None:
            return _("Please say for how many weeks, up to %(most)d.", most=MOST_WEEKS)
        if self._goes_beyond and self._until < _today(self.plan):
            return _("These weeks would be over already. Please choose more weeks.")
        tapers = self._goes_beyond and self.decision is Decision.TAPER
        if tapers and not any(most for _fewest, most in self._next_doses.values()):
            return _("Please leave at least one visit a week, or end the plan.")
        if tapers and not self.doses:
            return _("Please say how often they come from now on.")
        return ""

    @property
    def done(self) -> str:
        if self._goes_beyond:
            return _("The decision is kept. Below are the visits of the further weeks. None is booked yet.")
        if self._otherwise:
            return _("The decision is kept. Please choose how often they come from then on.")
        return _("Kept.")

    def preview(self, who: Who) -> Preview:
        if self.decision is None:
            return Preview((), possible=False)
        gone, firm = changing.preview(self.plan, self.decision, clock.now())
        following = changing.into_next(self.plan, self.decision)
        if following is not None:
            return self._into_next(following, firm)
        lists = ((_("Firm from now on"), self.visits(firm)), (_("Cancelled"), self.visits(gone)))
        notes = []
        if self._goes_beyond:
            more = ngettext(
                "%(num)d further week, up to %(day)s.", "%(num)d further weeks, up to %(day)s.", self.weeks or 0,
                day=self.plan.clinic.times.day(self._until),
            )  # fmt: skip
            notes += [more, _("Their visits are chosen on the next page.")]
        elif not firm and not gone:
            notes.append(_("No visit is changed by it."))
        return Preview(lists, tuple(notes))

    def do(self, who: Who, version: int | None, key: str) -> dict[str, Any] | None:
        if self.decision is None:
            return None
        doses = self._next_doses if self._goes_beyond and self.decision is Decision.TAPER else None
        changing.decide(
            who, self.plan.reference, self.decision, note=self.reason, beyond=self.beyond, told=self.tell,
            weeks=self.weeks if self._goes_beyond else None, doses=doses, version=version, key=key,
        )  # fmt: skip
        if self._otherwise:
            weeks = self.plan.course.stages[self.plan.decided_phases + 1]
            return {"change": "doses", "from_week": weeks.start}
        if not self._goes_beyond:
            return None
        this_week = (_today(self.plan) - self.plan.first_day).days // 7
        return {"change": "doses", "from_week": max(self.plan.course.weeks, this_week), "further": 1}

    def _into_next(self, following: frequency.Fitted, firm: Sequence[PlanVisit]) -> Preview:
        """What going on into the next stage confirms, books and cancels, and what of it is missing."""
        fitting = _fitting(self.plan, following)
        stands = self.visits(
            one for one in firm if one.reference not in {gone.reference for gone in following.goes}
        )
        weeks = self.plan.course.stages[self.plan.decided_phases + 1]
        missing = tuple(
            _("Week %(week)d: %(care)s", week=week.number + 1, care=dose.care.modality.name)
            for week in weeks_with(self.plan, following.course, self.plan.visits)[weeks.start : weeks.stop]
            for dose in week.doses
            for _one in range(min(dose.left, dose.missed - dose.made_up))
        )
        lists = (
            (_("Firm from now on"), stands),
            *fitting.lists,
            (_("Missing, to be made up from the plan’s page"), missing),
        )
        notes = fitting.notes
        if firm and not (following.goes or following.comes):
            notes = notes[1:]
        if self._otherwise:
            notes = (*notes, _("How often they come from then on is chosen on the next page."))
        return replace(
            fitting,
            lists=lists,
            notes=notes,
            possible=True,
            pattern=() if self._otherwise else self._pattern(following),
        )

    def _pattern(self, following: frequency.Fitted) -> tuple[tuple[str, str], ...]:
        """The stage upon which is decided, and the one that is prescribed next."""
        plan, visits = self.plan, plan_pattern.after(self.plan, following)
        stages = plan.course.stages[plan.decided_phases : plan.decided_phases + 2]
        return tuple(
            (head, plan_pattern.in_words(plan.clinic, self._stage(following.course, number), weeks, visits))
            for number, (head, weeks) in enumerate(zip((_("Before"), _("After")), stages, strict=True))
        )

    @property
    def _goes_beyond(self) -> bool:
        return not self.has_next and self.decision in (Decision.CONTINUE, Decision.TAPER)

    @property
    def _until(self) -> date:
        """The last day of the plan with its further weeks."""
        return self.plan.last_day + timedelta(days=7 * (self.weeks or 0))

    @property
    def _next_doses(self) -> dict[str, tuple[int, int]]:
        last = {one.visit_type: (one.fewest, one.most) for one in self.plan.course.last_prescribed.doses}
        return last | self.doses


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
        return [week for week in self.plan.weeks if week.last >= _today(self.plan)]

    @property
    def from_week(self) -> int | None:
        if not self["from_week"]:
            return next((week.number for week in self.weeks), None)
        return next((week.number for week in self.weeks if str(week.number) == self["from_week"]), None)

    @cached_property
    def fields(self) -> tuple[prescriptions.DoseField, ...]:
        """Of all kinds of care that the plan has, or once had."""
        clinic, course = self.plan.clinic, _from(self.plan.course, self.from_week or 0)
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
        found = frequency.with_other_doses(self.plan, self.from_week or 0, self.doses, BookableBy.STAFF)
        preview = _fitting(self.plan, found)
        pattern = () if self.goes_on else self._pattern(found)
        return replace(preview, possible=bool(preview.possible or self.doses), pattern=pattern)

    def _pattern(self, found: frequency.Fitted) -> tuple[tuple[str, str], ...]:
        plan, week = self.plan, self.from_week or 0
        weeks = range(week, plan.course.weeks)
        prescribed = frequency.from_week_on(plan.course, week, {}), found.course
        visits = plan_pattern.standing(plan), plan_pattern.after(plan, found)
        before, after = (
            plan_pattern.in_words(plan.clinic, _from(course, week), weeks, these)
            for course, these in zip(prescribed, visits, strict=True)
        )
        return ((_("Before"), before), (_("After"), after)) if before != after else ()

    def do(self, who: Who, version: int | None, key: str) -> None:
        frequency.change_doses(
            who, self.plan.reference, self.from_week or 0, self.doses, self.reason,
            beyond=self.beyond, tell=self.tell, version=version, key=key,
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
        fitting = _fitting(self.plan, found.fitted)
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
        return _fitting(self.plan, frequency.looked_at_again(self.plan))

    def do(self, who: Who, version: int | None, key: str) -> None:
        frequency.book_looks(
            who, self.plan.reference, self.reason,
            beyond=self.beyond, tell=self.tell, version=version, key=key,
        )  # fmt: skip


def _fitting(plan: PlanView, found: frequency.Fitted) -> Preview:
    """What goes and what comes, and what of it may not be covered."""

    def shown(visits: Iterable[PlanVisit]) -> tuple[str, ...]:
        return tuple(line(plan, one.starts_at, one.visit_type, one.practitioner) for one in visits)

    comes = tuple(
        line(plan, instant_of(one.wanted.cell), one.visit_type, one.practitioner)
        for one in sorted(found.comes, key=lambda one: one.wanted.cell)
    )
    planned = [
        Planned(instant_of(one.wanted.cell), one.visit_type.modality.slug)
        for one in sorted(found.comes, key=lambda one: one.wanted.cell)
    ]
    covered = allowed(plan, planned, [one.reference for one in found.goes])
    pushed = [one for one in plan.standing if one.reference in covered.pushed]
    lacks = tuple(
        _("Week %(week)d: %(care)s", week=one.week + 1, care=one.care.modality.name) for one in found.lacks
    )
    lists = (
        (_("Cancelled"), shown(found.goes)),
        (_("Booked"), comes),
        (_("No time was found for"), lacks),
        (_("Booked already, and may not be covered then"), shown(pushed)),
    )
    changes = bool(found.goes or comes)
    notes = [] if found.goes or comes else [_("No visit is changed by it.")]
    if lacks:
        notes.append(_("These stay left on the plan, to be chosen later."))
    notes += [
        _("No time was found for the reassessment after week %(week)d.", week=found.course.stages[stage].stop)
        for stage in found.unseen
    ]
    if found.too_far:
        notes.append(_too_far(plan, found.too_far))
    if covered.beyond:
        notes.append(
            ngettext(
                "%(num)d of these visits may not be covered. Tell the patient before it is booked.",
                "%(num)d of these visits may not be covered. Tell the patient before they are booked.",
                len(covered.beyond),
            )
        )
        left = allowed(plan, (), until=planned[-1].starts_at).left
        notes += allowance_words.of_pools(plan.clinic, left)
    beyond = tuple(comes[number] for number in covered.beyond)
    return Preview(lists, tuple(notes), possible=changes, beyond=beyond, stops=covered.stops)


def _too_far(plan: PlanView, weeks: range) -> str:
    return ngettext(
        "Week %(first)d lies too far ahead. It can be booked from %(day)s on, by “More or less often”.",
        "Weeks %(first)d to %(last)d lie too far ahead. Week %(first)d can be booked from %(day)s on, by “More or less often”, "
        "and each of the others a week after the one before it.",
        len(weeks), first=weeks.start + 1, last=weeks.stop,
        day=plan.clinic.times.day(bookable_from(plan.clinic, plan.first_day, weeks.start)),
    )  # fmt: skip


def _from(course: Course, week: int) -> Course:
    """What a course prescribes from a week on, by phases, without what was moved."""
    begins, phases = 0, []
    for phase in course.phases:
        begins += phase.weeks
        if begins > week:
            phases.append(phase)
    return replace(course, phases=tuple(phases) or course.phases, moved=())


def _today(plan: PlanView) -> date:
    return plan.clinic.times.local_date(clock.now())


CHANGES: dict[str, type[Change]] = {
    one.name: one for one in (Decide, Doses, Extend, GoOn, Look, Pause, Stop, Shift)
}
