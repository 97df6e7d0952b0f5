"""A plan arranged at the desk while the patient is on the telephone: template, times, proposals, booked; by keyboard too.

What is asked for travels in the form from page to page; nothing of it is kept until it is booked or its link is sent.
"""

from dataclasses import dataclass
from typing import Any

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _, lazy_gettext as lazy
from werkzeug.datastructures import MultiDict

from booking.errors import (
    ContactCannotBeReached,
    KeyReused,
    NotOffered,
    PlanRulesBroken,
    PlanRunning,
    RecordMerged,
    VisitsTaken,
)
from booking.formatting import iso_utc
from booking.models import PlanReminders, Reminders
from booking.scheduling.plans.windows import Presence
from booking.services.clinic import Clinic, Modality, PlanTemplate, Practitioner
from booking.services.plans import arranging, prescribing
from booking.services.plans.arranging import Arranged, Whose
from booking.services.plans.choosing import VisitWish
from booking.services.plans.impossible import Relaxation
from booking.services.plans.prescribing import Prescription
from booking.services.plans.proposing import ProposedVisit, propose
from booking.services.plans.replacing import instead
from booking.web import access, asked, course_words, plan_words, prescriptions, staff_plans, windows
from booking.web.desk import blueprint
from booking.web.desk.new_visit import reminders_offered
from booking.web.free import instant
from booking.web.pages import the_clinic_of_this_request, today
from booking.web.staff import staff_page

TIMES_OFFERED = 6
_CARRIED = ("patient", "plan", "template", "prescribed_by", "first_day", "reason", "reminders", "reminded_of")
REMINDED_OF = {
    PlanReminders.BOTH: lazy("A list each week, and the day before"),
    PlanReminders.EACH: lazy("The day before each visit"),
    PlanReminders.DIGEST: lazy("A list each week"),
}


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


@blueprint.get("/plans/new")
def new_plan() -> ResponseReturnValue:
    """Which template; then its form. `?plan=`: one that was prescribed and is booked now."""
    try:
        form = _begun()
    except RecordMerged as refusal:
        query = {**request.args.to_dict(), "patient": refusal.facts["into"]}
        return redirect(url_for("desk.new_plan", **query), 303)
    except PlanRunning:
        return _running_already(request.args["plan"])
    if form.template is None:
        return staff_page(
            "desk/plan_new.html",
            form=form,
            plans=prescribing.plans_of(access.who(), form.whose.reference),
            statuses=staff_plans.STATUSES,
            prescribed=course_words.prescribed,
        )
    return _form_page(form)


@blueprint.post("/plans/new")
def propose_plan() -> ResponseReturnValue:
    """Up to three proposals, or why there is none; or the form again, after a plus or a minus; or only the link is sent."""
    try:
        form = _sent()
    except PlanRunning:
        return _running_already(request.form["plan"])
    if "step" in request.form or "change" in request.form:
        return _form_page(form)
    found = _arranged(form)
    if isinstance(found, str):
        return _form_page(form, 422, found)
    if request.form.get("do") == "link":
        made = prescribing.prescribe(access.who(), found.prescription, tell=True, key=asked.key())
        staff_plans.say_sent(made.told)
        return redirect(url_for("desk.plan", reference=made.reference), 303)
    try:
        proposals = propose(found.wanted)
    except NotOffered:
        return _form_page(form, 422, _("Nobody of those chosen gives one of these kinds of care."))
    if proposals.impossible is not None:
        impossible = proposals.impossible
        return staff_page(
            "desk/plan_impossible.html",
            form=form,
            week=impossible.week,
            reasons=plan_words.reasons(form.clinic, found.wanted, impossible),
            relaxations=[
                (plan_words.relaxation(form.clinic, found.wanted, one), _relaxed(form, one))
                for one in impossible.relaxations
            ],
            key=asked.fresh_key(),
        )
    return staff_page(
        "desk/plan_proposals.html",
        form=form,
        asked=found,
        proposals=[
            (plan_words.title(proposals, one), _bent(form.clinic, one.visits), _by_week(one.visits))
            for one in proposals.proposals
        ],
        notes=[note.message for note in plan_words.notes(proposals)],
        trouble="",
        **_booking(form, found),
    )


@blueprint.post("/plans/book")
def book_plan() -> ResponseReturnValue:
    """Books what was chosen; or shows other times for one visit, or the plan with one of them taken."""
    try:
        form = _sent()
    except PlanRunning:
        return _running_already(request.form["plan"])
    found, visits = _arranged(form), _visits()
    if isinstance(found, str):
        return _form_page(form, 422, found)
    try:
        if "exchange" in request.form:
            return _times_page(form, found, visits, asked.number(request.form["exchange"]) or 0)
        if "take" in request.form:
            return _chosen_page(form, found, _taken(visits, request.form["take"]))
        return _booked(form, found, visits)
    except PlanRulesBroken as refusal:
        words = [plan_words.broken(form.clinic, fault) for fault in refusal.facts["faults"]]
        return _form_page(form, 422, " ".join([_("These visits don't keep the plan."), *words]))


def _booked(form: Form, found: Arranged, visits: tuple[VisitWish, ...]) -> ResponseReturnValue:
    """Raises PlanRulesBroken."""
    reminders, reminded_of = (
        _one_of(Reminders, form["reminders"]),
        _one_of(PlanReminders, form["reminded_of"]),
    )
    if reminders is None:
        return _form_page(form, 422, _("Please choose how they are reminded."))
    key = asked.key()
    try:
        made = arranging.book_whole(
            access.who(),
            found,
            visits,
            reminders=reminders,
            text_consent="text_consent" in request.form,
            reminded_of=reminded_of or PlanReminders.BOTH,
            key=key,
        )
    except VisitsTaken as refusal:
        return _lost_page(form, found, visits, refusal)
    except ContactCannotBeReached as refusal:
        return _chosen_page(form, found, visits, 422, trouble=_unreachable(refusal.facts["field"]))
    except (KeyReused, PlanRunning):
        return _chosen_page(
            form, found, visits, 409, trouble=_("This plan is booked already, or was taken back.")
        )
    staff_plans.say(_("Booked: all visits of the plan. The patient gets one list of them."))
    return redirect(url_for("desk.plan", reference=made.reference), 303)


def _running_already(plan: str) -> ResponseReturnValue:
    staff_plans.say(_("This plan is booked already, or was taken back."))
    return redirect(url_for("desk.plan", reference=plan), 303)


# What was sent


def _begun() -> Form:
    """A form that nobody has filled in yet. Raises NotFound, RecordMerged."""
    clinic, given = the_clinic_of_this_request(), MultiDict(request.args.items(multi=True))
    who = access.who()
    if given.get("plan"):
        found = arranging.arranged_again(who, given["plan"])
        values = MultiDict(
            {"patient": found.whose.reference, "plan": given["plan"], "template": found.prescription.template}
        )
        values["first_day"] = max(found.wanted.first_day, today(clinic)).isoformat()
        values.setlist(windows.FIELD, sorted(windows.ticked(found.wanted.presence.windows)))
        for modality, people in found.wanted.only.items():
            values[f"with-{modality}"] = f"only {people[0]}" if people else ""
        for modality, people in found.wanted.wished.items():
            values.setdefault(f"with-{modality}", f"rather {people[0]}" if people else "")
        return Form(clinic, values, found.whose, clinic.plan_template(values["template"]))
    whose = arranging.whose(who, given.get("patient", ""))
    template = clinic.plan_template(given["template"]) if given.get("template") else None
    form = Form(clinic, MultiDict({"patient": whose.reference}), whose, template)
    if template is not None:
        form.values["template"] = template.slug
        form.values["first_day"] = prescriptions.next_monday(today(clinic)).isoformat()
        form.values["prescribed_by"] = whose.usual.slug if whose.usual in form.prescribers else ""
        form.values.setlist("returning", list(whose.returning))
    form.values["reminders"] = whose.reminders.value
    return form


def _sent() -> Form:
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


def _arranged(form: Form) -> Arranged | str:
    """What is asked for, or in words what of it isn't understood."""
    assert form.template is not None
    first_day = asked.day_or_none(form["first_day"])
    if first_day is None or first_day < today(form.clinic):
        return _("Please choose a first day from today on.")
    presence = Presence(windows.read(form.values.getlist(windows.FIELD)))
    only, wished = _with_whom(form, "only"), _with_whom(form, "rather")
    if form["plan"]:
        return arranging.arranged_again(
            access.who(), form["plan"], first_day=first_day, presence=presence, only=only, wished=wished
        )
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


def _visits() -> tuple[VisitWish, ...]:
    """The visits that were chosen, in order. A form that no page of ours sends is none."""
    found = []
    for words in request.form.getlist("visit")[:60]:
        parts = words.split(" ")
        starts_at = instant(parts[-1])
        if len(parts) == 3 and starts_at is not None:
            found.append(VisitWish(parts[0], parts[1], starts_at))
    return tuple(sorted(found, key=lambda one: one.starts_at))


def _taken(visits: tuple[VisitWish, ...], words: str) -> tuple[VisitWish, ...]:
    """The same with another time for one of them."""
    number, _between, rest = words.partition(" ")
    whom, _between, start = rest.partition(" ")
    place, starts_at = asked.number(number) or 0, instant(start)
    if starts_at is None or place >= len(visits):
        return visits
    other = visits[place]._replace(practitioner=whom, starts_at=starts_at)
    return tuple(sorted((*visits[:place], other, *visits[place + 1 :]), key=lambda one: one.starts_at))


def _one_of(kind: Any, words: str) -> Any:
    try:
        return kind(words)
    except ValueError:
        return None


def _relaxed(form: Form, one: Relaxation) -> list[tuple[str, str]] | None:
    """The fields of the form with this change; None for one that the form doesn't have."""
    values = MultiDict(form.carried)
    if one.kind == "window":
        opens, closes = int(str(one.facts["opens"])), int(str(one.facts["closes"]))
        more = [
            windows.box(int(str(one.facts["weekday"])), part)
            for part in windows.PARTS
            if opens <= part.opens and part.closes <= closes
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


# Pages


def _form_page(form: Form, status: int = 200, trouble: str = "") -> ResponseReturnValue:
    assert form.template is not None
    return staff_page(
        "desk/plan_form.html",
        status,
        form=form,
        trouble=trouble,
        fields=prescriptions.dose_fields(form.clinic, form.template, form.values),
        prescribed=course_words.prescribed(form.clinic, form.template.course),
        weekdays=windows.weekdays(form.clinic),
        parts=windows.PARTS,
        box=windows.box,
        ticked=set(form.values.getlist(windows.FIELD)),
        returning=set(form.values.getlist("returning")),
        this_day=today(form.clinic),
        key=asked.fresh_key(),
    )


def _times_page(
    form: Form, found: Arranged, visits: tuple[VisitWish, ...], number: int
) -> ResponseReturnValue:
    """Other times for one visit, with all others as they are. Raises PlanRulesBroken."""
    shown = arranging.as_chosen(found, visits)
    if number >= len(shown):
        return _chosen_page(form, found, visits)
    return staff_page(
        "desk/plan_times.html",
        form=form,
        visits=visits,
        number=number,
        visit=shown[number],
        free=instead(found.wanted, visits, [number], TIMES_OFFERED)[0],
        iso=iso_utc,
        key=request.form.get("key", ""),
    )


def _chosen_page(
    form: Form,
    found: Arranged,
    visits: tuple[VisitWish, ...],
    status: int = 200,
    *,
    trouble: str = "",
    lost: tuple[str, ...] = (),
) -> ResponseReturnValue:
    """The plan as it was chosen, to be booked. Raises PlanRulesBroken."""
    shown = arranging.as_chosen(found, visits)
    title = _("%(name)s for %(whom)s", name=found.name, whom=found.whose.name)
    return staff_page(
        "desk/plan_proposals.html",
        status,
        form=form,
        asked=found,
        proposals=[(title, (), _by_week(shown))],
        notes=lost,
        trouble=trouble,
        **_booking(form, found),
    )


def _lost_page(
    form: Form, found: Arranged, visits: tuple[VisitWish, ...], refusal: VisitsTaken
) -> ResponseReturnValue:
    """The plan with other times for what was taken meanwhile. It is prescribed by now."""
    said, times = [], form.clinic.times
    form.values["plan"] = refusal.facts["plan"]
    for one in refusal.facts["lost"]:
        was = next(n for n, visit in enumerate(visits) if iso_utc(visit.starts_at) == one["starts_at"])
        moment = times.short_moment(visits[was].starts_at)
        if not one["replacements"]:
            said.append(
                _("%(when)s was taken meanwhile, and nothing in its week takes its place.", when=moment)
            )
            continue
        best = one["replacements"][0]
        visits = _taken(visits, f"{was} {best['practitioner']} {best['starts_at']}")
        other = instant(best["starts_at"])
        said.append(
            _(
                "%(when)s was taken meanwhile. Instead: %(other)s.",
                when=moment,
                other=times.short_moment(other) if other else "",
            )
        )
    trouble = _(
        "Some of these times were taken meanwhile. Nothing is booked yet; please look, and book again."
    )
    return _chosen_page(form, found, visits, 409, trouble=trouble, lost=tuple(said))


def _booking(form: Form, found: Arranged) -> dict[str, Any]:
    """What every page needs from which a plan is booked."""
    offered = {
        kind: words
        for kind, words in reminders_offered().items()
        if (kind not in (Reminders.EMAIL, Reminders.BOTH) or found.whose.email)
        and (kind not in (Reminders.TEXT, Reminders.BOTH, Reminders.CALL) or found.whose.phone)
    }
    return {
        "reminders": offered,
        "reminded_of": REMINDED_OF,
        "text_consent_needed": not found.whose.texts and "text" in offered,
        "iso": iso_utc,
        "key": asked.fresh_key(),
    }


def _bent(clinic: Clinic, visits: tuple[ProposedVisit, ...]) -> tuple[str, ...]:
    return tuple(words for one in visits if (words := plan_words.bent(clinic, one)))


def _by_week(visits: tuple[ProposedVisit, ...]) -> list[tuple[int, list[tuple[int, ProposedVisit]]]]:
    """Week by week each visit with its number in the plan."""
    weeks: dict[int, list[tuple[int, ProposedVisit]]] = {}
    for number, visit in enumerate(sorted(visits, key=lambda one: one.cell)):
        weeks.setdefault(visit.week, []).append((number, visit))
    return sorted(weeks.items())


def _unreachable(field: str) -> str:
    return {
        "email": _("To be reminded by e-mail, an address is needed."),
        "phone": _("To be reminded by phone, a number is needed."),
        "text_consent": _("To be texted, they have to agree. Please ask, and tick it."),
    }.get(field, _("Please choose other reminders."))
