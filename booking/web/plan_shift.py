"""Moving a visit of a plan with all later ones like it, shown before it is done."""

from dataclasses import replace
from datetime import datetime
from functools import cached_property

from flask import abort
from flask_babel import gettext as _, lazy_gettext as lazy

from booking import clock
from booking.models import BookableBy
from booking.scheduling.reasons import Why
from booking.services.allowances import Planned
from booking.services.clinic import Practitioner
from booking.services.plans import shifting
from booking.services.plans.allowed import allowed, asked_before_moved
from booking.services.plans.ground import question_of
from booking.services.plans.visits import PlanVisit
from booking.services.staff.who import Who
from booking.web import asked, reasons
from booking.web.plan_change import Change, Preview
from booking.web.plan_words import broken


class Shift(Change):
    name = "shift"
    title = lazy("Move this and all later ones")
    button = lazy("Move all of these")
    asks = ("visit", "day", "time", "who", "partly")

    def __getitem__(self, name: str) -> str:
        """A time that was offered and pressed stands for what was typed."""
        day, _space, wall = self.values.get("instead", "").partition(" ")
        return {"day": day, "time": wall}.get(name) or super().__getitem__(name)

    @property
    def is_asked(self) -> bool:
        return False

    @cached_property
    def visit(self) -> PlanVisit:
        return self.plan.that_stands(self["visit"]) or abort(404)

    @property
    def gone(self) -> str:
        stood = any(one.reference == self["visit"] for one in self.plan.visits)
        if not stood or self.plan.that_stands(self["visit"]):
            return ""
        return _("This visit was cancelled or missed meanwhile. This is how the plan stands now.")

    @property
    def day(self) -> str:
        return self["day"] or self.plan.clinic.times.local_date(self.visit.starts_at).isoformat()

    @property
    def time(self) -> str:
        return self["time"] or self.visit.starts_at.astimezone(self.plan.clinic.zone).strftime("%H:%M")

    @property
    def people(self) -> list[Practitioner]:
        everybody = self.plan.clinic.practitioners.values()
        return [one for one in everybody if self.visit.visit_type.slug in one.offerings]

    @property
    def person(self) -> str | None:
        return self["who"] or None

    @property
    def starts_at(self) -> datetime | None:
        return asked.moment(self.day, self.time, self.plan.clinic.zone)

    @property
    def trouble(self) -> str:
        if self.person and self.person not in [one.slug for one in self.people]:
            return _("Please choose somebody who gives this visit.")
        if asked.is_far(self.day):
            over = self.day < self.plan.clinic.times.local_date(clock.now()).isoformat()
            return (
                _("That time is over.") if over else _("That day is too far ahead. Please choose one sooner.")
            )
        if self.starts_at is None:
            return _("Please choose a day and a time, by five minutes.")
        if self.starts_at <= clock.now():
            return _("That time is over.")
        if self.starts_at == self.visit.starts_at and self.person in (None, self.visit.practitioner.slug):
            return _("That is its time already. Please choose another one.")
        return ""

    @property
    def done(self) -> str:
        if self["partly"]:
            return _("Moved: those of these visits that could be. The others stay as they were.")
        return _("Moved: this visit and all later ones like it.")

    def preview(self, who: Who) -> Preview:
        found = shifting.preview(
            self.plan, self.visit.reference, self.starts_at or clock.now(), self.person, BookableBy.STAFF,
            partly=bool(self["partly"]),
        )  # fmt: skip
        stays = [one for one in found.shifts if not one.free]
        lists = (
            (_("Stays as it is") if found.partly else _("Not free there"), tuple(map(self._stays, stays))),
            (_("Moved"), tuple(self._moves(one) for one in found.shifts if one.free)),
            (_("What the plan wouldn't keep any more"), self._broken(found)),
        )
        notes = []
        if stays and not found.partly:
            notes.append(_("All are moved, or none; or only those that can be."))
            if not found.better:
                notes.append(_("In this week there is no time at which all of them could be moved."))
        modality = self.visit.visit_type.modality.slug
        moved = {one.visit.reference: (one.visit.starts_at, one.starts_at) for one in found.going}
        planned = [Planned(one.starts_at, modality) for one in found.going]
        covered = allowed(self.plan, planned, [*moved])
        if covered.beyond or covered.pushed:
            notes.append(_("Some visits may not be covered then. Tell the patient before they are moved."))
        pushed = self.visits(one for one in self.plan.standing if one.reference in covered.pushed)
        return Preview(
            (*lists, (_("Booked already, and may not be covered then"), pushed)),
            tuple(notes),
            possible=found.possible,
            beyond=tuple(self._moves(found.going[number]) for number in covered.beyond),
            stops=asked_before_moved(self.plan, moved, modality),
            instead=tuple((self._sent(at), self.plan.clinic.times.short_moment(at)) for at in found.better),
            partly=len(stays) < len(found.shifts) if stays else False,
        )

    def do(self, who: Who, version: int | None, key: str) -> None:
        shifting.shift(
            who, self.plan.reference, self.visit.reference, self.starts_at or clock.now(), self.person,
            self.reason, beyond=self.beyond, partly=bool(self["partly"]), tell=self.tell, version=version,
            key=key,
        )  # fmt: skip

    def _moves(self, one: shifting.Shift) -> str:
        moment = self.plan.clinic.times.short_moment
        return _(
            "%(was)s → %(now)s, %(who)s",
            was=moment(one.visit.starts_at),
            now=moment(one.starts_at),
            who=one.practitioner.name,
        )

    def _stays(self, one: shifting.Shift) -> str:
        return f"{self._moves(one)}: {self._why(one)}"

    def _why(self, one: shifting.Shift) -> str:
        """Why a visit can't be there; of the patient's own visits, which one is in the way."""
        other = shifting.own_visit_there(self.plan, one)
        if other is not None:
            when = self.plan.clinic.times.time(other.starts_at)
            return _("the patient has %(visit)s at %(time)s.", visit=other.visit_type.name, time=when)
        if one.why is None and one.starts_at == one.visit.starts_at:
            return _("no clock shows this time.")
        if one.why is None:
            return _("that is outside the weeks of the plan.")
        if one.why.why is Why.PATIENT_BUSY:
            return _("the patient has another visit then.")
        question = question_of(
            self.plan.clinic, one.visit.visit_type.slug, [one.practitioner.slug], BookableBy.STAFF
        )
        return reasons.sentence(one.why, replace(question, wanted=one.practitioner))

    def _sent(self, at: datetime) -> str:
        """As the form sends a time that is offered."""
        return f"{at.astimezone(self.plan.clinic.zone):%Y-%m-%d %H:%M}"

    def _broken(self, found: shifting.Shifts) -> tuple[str, ...]:
        plan = self.plan
        return tuple(dict.fromkeys(broken(plan.clinic, one.facts, plan.course.weeks) for one in found.broken))
