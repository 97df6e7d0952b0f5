"""The form of a plan that is arranged at the desk: what of it was sent, and what that asks for.

It travels from page to page; nothing of it is kept until it is booked or its link is sent.
"""

from dataclasses import dataclass, replace

from flask import request, url_for
from flask_babel import gettext as _
from werkzeug.datastructures import MultiDict

from booking.errors import PlanRulesBroken
from booking.scheduling.plans.windows import Presence
from booking.services.clinic import Clinic, Modality, PlanTemplate, Practitioner
from booking.services.plans import arranging
from booking.services.plans.arranging import Arranged, Whose
from booking.services.plans.choosing import VisitWish
from booking.services.plans.impossible import Relaxation
from booking.services.plans.prescribing import Prescription
from booking.web import access, asked, plan_words, prescriptions, windows, wishes
from booking.web.contacts import Unreadable
from booking.web.free import instant
from booking.web.pages import the_clinic_of_this_request, today

_CARRIED = (
    "patient", "plan", "template", "prescribed_by", "first_day", "agreed", "agreed_by", "reason", "reminders",
    "reminded_of",
)  # fmt: skip


@dataclass(frozen=True)
class Form:
    """What was sent, or what a form begins with. `values` go on to the next page as they are."""

    clinic: Clinic
    values: "MultiDict[str, str]"
    whose: Whose
    template: PlanTemplate | None

    def __getitem__(self, name: str) -> str:
        return self.values.get(name, "")

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """The kinds of care of the plan."""
        if self.template is None:
            return ()
        cares = (self.clinic.visit_type(name).modality for name in self.template.course.kinds)
        return tuple(dict.fromkeys(cares))

    def people(self, modality: Modality) -> tuple[Practitioner, ...]:
        """Who gives this kind of care of the plan."""
        names = [] if self.template is None else self.template.course.kinds
        cares = [one for one in map(self.clinic.visit_type, names) if one.modality == modality]
        return tuple(
            person
            for person in self.clinic.practitioners.values()
            if any(one.slug in person.offerings for one in cares)
        )

    @property
    def prescribers(self) -> tuple[Practitioner, ...]:
        everybody = (person for modality in self.modalities for person in self.people(modality))
        return tuple({person.id: person for person in everybody}.values())

    @property
    def page(self) -> str:
        """Where this form can be had again: its other pages stand at addresses that only take forms."""
        begun = ("plan",) if self["plan"] else ("patient", "template")
        return url_for("desk.new_plan", **{name: self[name] for name in begun})

    @property
    def carried(self) -> list[tuple[str, str]]:
        """Everything, as hidden fields of the next page."""
        names = [name for name in self.values if name in _CARRIED or name.split("-")[0] in ("dose", "with")]
        lists = (windows.FIELD, "returning")
        return [
            *((name, self.values[name]) for name in names),
            *((name, value) for name in lists for value in self.values.getlist(name)),
        ]


def begun() -> Form:
    """A form that nobody has filled in yet; it begins when what is kept for the patient begins. Raises NotFound, RecordMerged."""
    clinic, given = the_clinic_of_this_request(), MultiDict(request.args.items(multi=True))
    who = access.who()
    if given.get("plan"):
        found = arranging.arranged_again(who, given["plan"])
        values = MultiDict(
            {"patient": found.whose.reference, "plan": given["plan"], "template": found.prescription.template}
        )
        first_day = arranging.begins_by_link(found) or found.wanted.first_day
        values["first_day"] = max(first_day, today(clinic)).isoformat()
        values.setlist(windows.FIELD, sorted(windows.ticked(found.wanted.presence.windows)))
        for modality, people in found.wanted.only.items():
            values[f"with-{modality}"] = f"only {people[0]}" if people else ""
        for modality, people in found.wanted.wished.items():
            values.setdefault(f"with-{modality}", f"rather {people[0]}" if people else "")
        return Form(clinic, values, found.whose, clinic.plan_template(values["template"]))
    first_day = prescriptions.next_monday(today(clinic))
    whose = arranging.whose(who, given.get("patient", ""), first_day)
    template = clinic.plan_template(given["template"]) if given.get("template") else None
    form = Form(clinic, MultiDict({"patient": whose.reference}), whose, template)
    if template is not None:
        form.values["template"] = template.slug
        form.values["first_day"] = first_day.isoformat()
        form.values["prescribed_by"] = whose.usual.slug if whose.usual in form.prescribers else ""
        form.values.setlist("returning", list(whose.returning))
    form.values["reminders"] = whose.reminders.value
    return form


def sent() -> Form:
    """Raises NotFound, RecordMerged."""
    clinic, values = the_clinic_of_this_request(), MultiDict(request.form.items(multi=True))
    template = clinic.plan_template(values.get("template", ""))
    if values.get("plan"):
        whose = arranging.arranged_again(access.who(), values["plan"]).whose
    else:
        whose = arranging.whose(access.who(), values.get("patient", ""))
    for field in prescriptions.dose_fields(clinic, template, values):
        values[field.name] = field.value
    values.poplist("step")
    values.setdefault("reminders", whose.reminders.value)
    return Form(clinic, values, whose, template)


def arranged(form: Form) -> Arranged | str:
    """What is asked for, or in words what of it isn't understood."""
    assert form.template is not None
    first_day = asked.day_or_none(form["first_day"])
    if first_day is None or first_day < today(form.clinic):
        return _("Please choose a first day from today on.")
    presence = Presence(windows.read(form.values.getlist(windows.FIELD)))
    only, wished = _with_whom(form, "only"), _with_whom(form, "rather")
    try:
        agreed = prescriptions.agreement(form.values)
    except Unreadable as unreadable:
        return str(unreadable)
    if form["plan"]:
        again = arranging.arranged_again(
            access.who(), form["plan"], first_day=first_day, presence=presence, only=only, wished=wished
        )
        return replace(again, prescription=replace(again.prescription, agreed=agreed))
    if form["prescribed_by"] not in {one.slug for one in form.prescribers}:
        return _("Please choose who prescribes it.")
    fields = prescriptions.dose_fields(form.clinic, form.template, form.values)
    known = {one.slug for one in form.modalities} & set(form.values.getlist("returning"))
    wish = Prescription(
        patient=form.whose.reference,
        template=form.template.slug,
        first_day=first_day,
        doses=prescriptions.doses(fields),
        presence=presence,
        only=only,
        wished=wished,
        returning=tuple(sorted(known)),
        prescribed_by=form["prescribed_by"],
        reason=asked.reason(),
        agreed=agreed,
    )
    try:
        return arranging.arranged(access.who(), wish)
    except PlanRulesBroken as refusal:
        return " ".join(plan_words.broken(form.clinic, fault) for fault in refusal.facts["faults"])


def _with_whom(form: Form, how: str) -> dict[str, tuple[str, ...]]:
    found = {}
    for modality in form.modalities:
        word, _between, slug = form[f"with-{modality.slug}"].partition(" ")
        if word == how and slug in {one.slug for one in form.people(modality)}:
            found[modality.slug] = (slug,)
    return found


def visits_sent() -> tuple[VisitWish, ...]:
    """The visits that were chosen, in order. A form that no page of ours sends is none."""
    found = [wish for words in request.form.getlist("visit")[:60] if (wish := wishes.read(words))]
    return tuple(sorted(found, key=lambda one: one.starts_at))


def with_another_time(visits: tuple[VisitWish, ...], words: str) -> tuple[VisitWish, ...]:
    """The same with another time for one of them."""
    number, _between, rest = words.partition(" ")
    whom, _between, start = rest.partition(" ")
    place, starts_at = asked.number(number) or 0, instant(start)
    if starts_at is None or place >= len(visits):
        return visits
    other = visits[place]._replace(practitioner=whom, starts_at=starts_at)
    return tuple(sorted((*visits[:place], other, *visits[place + 1 :]), key=lambda one: one.starts_at))


def relaxed(form: Form, one: Relaxation) -> list[tuple[str, str]] | None:
    """The fields of the form with this change; None for one that the form doesn't have."""
    values = MultiDict(form.carried)
    if one.facts.get("any_time"):
        values.poplist(windows.FIELD)
    if one.kind == "window":
        opens, closes = int(str(one.facts["opens"])), int(str(one.facts["closes"]))
        more = [
            windows.box(int(str(one.facts["weekday"])), part)
            for part in windows.PARTS
            if opens <= part.opens
            and part.closes <= closes
            and windows.is_open(form.clinic, int(str(one.facts["weekday"])), part)
        ]
        values.setlist(windows.FIELD, [*values.getlist(windows.FIELD), *more])
    elif one.kind == "any_time":
        values.poplist(windows.FIELD)
    elif one.kind == "practitioners":
        values.poplist(f"with-{one.facts['modality']}")
    elif one.kind == "start":
        values["first_day"] = str(one.facts["day"])
    else:
        return None
    return list(values.items(multi=True))
