"""Deciding how a plan goes on after a reassessment, shown before it is done."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from functools import cached_property
from typing import Any

from flask_babel import gettext as _, lazy_gettext as lazy, ngettext

from booking import clock
from booking.scheduling.plans.course import Course
from booking.services.plans import changing, frequency
from booking.services.plans.changing import Decision
from booking.services.plans.reading import weeks_with
from booking.services.plans.visits import PlanVisit
from booking.services.staff.who import Who
from booking.web import course_words, plan_pattern, prescriptions
from booking.web.numerals import whole
from booking.web.plan_change import Change, Preview
from booking.web.plan_fitting import fitting_of, from_week, today_of

MOST_WEEKS = 26


class Decide(Change):
    name = "decide"
    title = lazy("Decide how it goes on")
    button = lazy("Decide so")
    asks = ("decision", "weeks")
    tell_field = "told"

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
        return from_week(course.until(weeks.stop), weeks.start)

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
        return self.tell_field in self.values

    @cached_property
    def fields(self) -> tuple[prescriptions.DoseField, ...]:
        last = replace(self.plan.course, phases=(self.plan.course.last_prescribed,))
        last = prescriptions.in_rhythm(last, self.every)
        return () if self.has_next else prescriptions.course_fields(self.plan.clinic, last, self.values)

    @property
    def trouble(self) -> str:
        if self.decision is None:
            return _("Please choose what was decided.")
        if self._goes_beyond and self.weeks is None:
            return _("Please say for how many weeks, up to %(most)d.", most=MOST_WEEKS)
        if self._goes_beyond and self._until < today_of(self.plan):
            return _("These weeks would be over already. Please choose more weeks.")
        tapers = self._goes_beyond and self.decision is Decision.TAPER
        if tapers and not any(most for _fewest, most in self._next_doses.values()):
            return _("Please leave at least one visit a week, or end the plan.")
        if tapers and not self.doses and self.every in (None, self.plan.course.last_prescribed.every):
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
        tapers = self._goes_beyond and self.decision is Decision.TAPER
        changing.decide(
            who, self.plan.reference, self.decision, note=self.reason, beyond=self.beyond, told=self.tell,
            weeks=self.weeks if self._goes_beyond else None, doses=self._next_doses if tapers else None,
            every=self.every if tapers else None, version=version, key=key,
        )  # fmt: skip
        if self._otherwise:
            weeks = self.plan.course.stages[self.plan.decided_phases + 1]
            return {"change": "doses", "from_week": weeks.start}
        if not self._goes_beyond:
            return None
        this_week = (today_of(self.plan) - self.plan.first_day).days // 7
        return {"change": "doses", "from_week": max(self.plan.course.weeks, this_week), "further": 1}

    def _into_next(self, following: frequency.Fitted, firm: Sequence[PlanVisit]) -> Preview:
        """What going on into the next stage confirms, books and cancels, and what of it is missing."""
        fitting = fitting_of(self.plan, following)
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
