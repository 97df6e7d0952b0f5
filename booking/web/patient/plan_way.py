"""The two ways to a plan's pages, by the link of a prescription and by oneself, as far as they differ."""

from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import Any

from flask import url_for
from flask_babel import gettext as _
from werkzeug.datastructures import MultiDict

from booking.errors import NotFound
from booking.models import BookableBy, Payment, PlanReminders, Reminders
from booking.scheduling.plans.course import Course
from booking.services import holds
from booking.services.clinic import Clinic, VisitType
from booking.services.plans import same_day
from booking.services.plans.asking_again import wanted_by
from booking.services.plans.choosing import PlanWish
from booking.services.plans.reading import PlanView
from booking.services.plans.wanted import PlanWanted
from booking.web import course_words, series_words, visitor
from booking.web.pages import today
from booking.web.patient.forms import PlanDetailsForm
from booking.web.patient.plan_asking import Answers, Asking, asking_for, one_day
from booking.web.patient.plan_choice import Choice
from booking.web.plan_words import list_of

_ENDPOINTS = {
    "ask": ("plan", "begin_plan"),
    "proposals": ("plan_proposals", "own_proposals"),
    "choose": ("choose_plan", "choose_own"),
    "details": ("plan_details", "own_details"),
    "book": ("book_plan", "book_own"),
}
# The same for two kinds of care on one day, which are asked for and shown on one page.
_ON_ONE_DAY = {
    "ask": "together",
    "proposals": "together",
    "choose": "choose_together",
    "details": "together_details",
    "book": "book_together",
}


@dataclass(frozen=True)
class Way:
    """What is being booked. `plan`: the one that was prescribed; None for one that patients begin by themselves. `kinds`: the visit
    types that are to be had on one day, where that is all.
    """

    clinic: Clinic
    template: str
    name: str
    course: Course
    plan: PlanView | None
    kinds: tuple[str, ...] = ()

    @classmethod
    def of_link(cls, plan: PlanView) -> "Way":
        return cls(plan.clinic, plan.template, plan.name, plan.course, plan)

    @classmethod
    def of_template(cls, clinic: Clinic, slug: str) -> "Way":
        """Raises NotFound, also for plans that a practitioner begins."""
        template = clinic.plan_template(slug)
        if not template.self_service:
            raise NotFound
        return cls(clinic, template.slug, template.name, template.course, None)

    @classmethod
    def of_one_day(cls, clinic: Clinic, kinds: tuple[str, ...]) -> "Way":
        """Raises NotFound for anything but visits of two kinds of care that patients may book."""
        types = [clinic.visit_type(slug) for slug in kinds]
        open_to = all(not one.on_request and clinic.who_offers(one, BookableBy.PATIENTS) for one in types)
        if len(types) != 2 or types[0].modality == types[1].modality or not open_to:
            raise NotFound
        name = list_of([types[0].name, course_words.within(types[1].name)])
        return cls(clinic, "", name, same_day.course_of(kinds), None, kinds)

    @property
    def audience(self) -> BookableBy:
        return BookableBy.LINK if self.plan else BookableBy.PATIENTS

    @property
    def holder(self) -> str:
        """Who holds what is chosen: the plan, else this browser."""
        return holds.of_plan(self.plan.reference) if self.plan else visitor.mark()

    @property
    def types(self) -> list[VisitType]:
        """The visit types that are to be had on one day."""
        return [self.clinic.visit_type(slug) for slug in self.kinds]

    @property
    def prescribed(self) -> str:
        """In plain words what the plan is."""
        if self.kinds:
            return _("%(visits)s on one day", visits=self.name)
        return course_words.prescribed(self.clinic, self.course)

    @property
    def reassessed(self) -> bool:
        return bool(self.course.reassessment)

    @cached_property
    def asking(self) -> Asking:
        cares = [self.clinic.visit_type(name) for name in self.course.kinds]
        modalities = [(care.modality, care.slug) for care in cares]
        return asking_for(self.clinic, modalities, self.audience, self.today, self.plan)

    @property
    def today(self) -> date:
        return today(self.clinic)

    def answers(self, typed: "MultiDict[str, str]") -> Answers:
        if self.kinds:
            modalities = (self.clinic.visit_type(slug).modality.slug for slug in self.kinds)
            return one_day(typed, self.today, frozenset(modalities))
        return self.asking.read(typed)

    def url(self, page: str, **query: Any) -> str:
        of_link, own = _ENDPOINTS[page]
        if self.plan:
            way = {"reference": self.plan.reference, "token": self.plan.token}
            return url_for(f"patient.{of_link}", **way, **query)
        if self.kinds:
            on_one_day = _ON_ONE_DAY[page]
            if on_one_day == "together":
                return url_for("patient.together", kind=self.kinds, first=query.get("first", ""))
            return url_for(f"patient.{on_one_day}", kinds="+".join(self.kinds), **query)
        return url_for(f"patient.{own}", template=self.template, **query)

    def wanted(self, answers: Answers) -> PlanWanted:
        """What the finder is asked for."""
        if self.plan is not None:
            wanted = wanted_by(
                self.plan, self.audience, first_day=answers.first_day, presence=answers.presence
            )
            return replace(wanted, wished=answers.wished)
        return PlanWanted(
            course=self.course,
            first_day=answers.first_day,
            presence=answers.presence,
            wished=answers.wished,
            returning=answers.returning,
            audience=self.audience,
            visitor=visitor.known_mark(),
            prescribed=bool(self.kinds),
        )

    def wish(self, answers: Answers, choice: Choice, form: PlanDetailsForm) -> PlanWish:
        """What is to be booked. The form is valid."""
        plan = self.plan
        return PlanWish(
            template=self.template,
            first_day=answers.first_day,
            visits=choice.visits,
            first_name=plan.first_name if plan else form.read["first_name"],
            last_name=plan.last_name if plan else form.read["last_name"],
            email=form.read.get("email"),
            phone=form.read.get("phone"),
            reminders=Reminders(form.reminders.data),
            text_consent=bool(form.texts_offered and form.text_consent.data),
            reminded_of=self._reminded_of(form),
            payment=Payment(form.payment.data) if form.payment.data else None,
            note=form.read.get("note", ""),
            policy_version=self.clinic.policy_version,
            presence=answers.presence,
            windows_bind=False,
            only=plan.only if plan else {},
            wished=answers.wished,
            returning=tuple(sorted(answers.returning)),
            plan=plan.reference if plan else None,
            token=plan.token if plan else None,
            audience=self.audience,
            visitor=self.holder,
            course=self.course if self.kinds else None,
            name=series_words.name(self.clinic, choice.visits) if self.kinds else "",
        )

    def _reminded_of(self, form: PlanDetailsForm) -> PlanReminders | None:
        if self.kinds:
            return PlanReminders.EACH
        return PlanReminders(form.reminded_of.data) if form.reminded_of.data else None
