"""The two ways to a plan's pages, by the link of a prescription and by oneself, as far as they differ."""

from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import Any

from flask import url_for
from werkzeug.datastructures import MultiDict

from booking.errors import NotFound
from booking.models import BookableBy, Payment, PlanReminders, Reminders
from booking.scheduling.plans.course import Course
from booking.services.clinic import Clinic
from booking.services.plans.asking_again import wanted_by
from booking.services.plans.choosing import PlanWish
from booking.services.plans.reading import PlanView
from booking.services.plans.wanted import PlanWanted
from booking.web import course_words, visitor
from booking.web.pages import today
from booking.web.patient.forms import PlanDetailsForm
from booking.web.patient.plan_asking import Answers, Asking, asking_for
from booking.web.patient.plan_choice import Choice

_ENDPOINTS = {
    "ask": ("plan", "begin_plan"),
    "proposals": ("plan_proposals", "own_proposals"),
    "choose": ("choose_plan", "choose_own"),
    "details": ("plan_details", "own_details"),
    "book": ("book_plan", "book_own"),
}


@dataclass(frozen=True)
class Way:
    """What is being booked. `plan`: the one that was prescribed; None for one that patients begin by themselves."""

    clinic: Clinic
    template: str
    name: str
    course: Course
    plan: PlanView | None

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

    @property
    def audience(self) -> BookableBy:
        return BookableBy.LINK if self.plan else BookableBy.PATIENTS

    @property
    def prescribed(self) -> str:
        """In plain words what the plan is."""
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
        return self.asking.read(typed)

    def url(self, page: str, **query: Any) -> str:
        of_link, own = _ENDPOINTS[page]
        if self.plan:
            way = {"reference": self.plan.reference, "token": self.plan.token}
            return url_for(f"patient.{of_link}", **way, **query)
        return url_for(f"patient.{own}", template=self.template, **query)

    def wanted(self, answers: Answers) -> PlanWanted:
        """What the finder is asked for."""
        if self.plan is not None:
            wanted = wanted_by(
                self.plan, self.audience, first_day=answers.first_day, presence=answers.presence,
                visitor=visitor.known_mark(),
            )  # fmt: skip
            return replace(wanted, wished=answers.wished)
        return PlanWanted(
            course=self.course,
            first_day=answers.first_day,
            presence=answers.presence,
            wished=answers.wished,
            returning=answers.returning,
            audience=self.audience,
            visitor=visitor.known_mark(),
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
            reminded_of=PlanReminders(form.reminded_of.data) if form.reminded_of.data else None,
            payment=Payment(form.payment.data) if form.payment.data else None,
            note=form.read.get("note", ""),
            policy_version=self.clinic.policy_version,
            presence=answers.presence,
            only=plan.only if plan else {},
            wished=answers.wished,
            returning=tuple(sorted(answers.returning)),
            plan=plan.reference if plan else None,
            token=plan.token if plan else None,
            audience=self.audience,
            visitor=visitor.known_mark(),
        )
