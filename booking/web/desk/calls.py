"""The list of calls: whom, at which number, what to say, and what came of it."""

import hashlib
import re
from dataclasses import replace

from flask import Response, abort, render_template, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from booking.services.desk import calls as service, panel
from booking.services.desk.panel import Head
from booking.services.desk.whom_to_call import Outcome
from booking.services.staff import audit
from booking.web import access, asked
from booking.web.desk import answers, blueprint, telling
from booking.web.desk.refusing import No
from booking.web.pages import the_clinic_of_this_request
from booking.web.staff import staff_page

# What differs with each answer, whoever is to be called.
_OF_THIS_ANSWER = re.compile(r'name="(key|csrf_token)" value="[^"]*"')


@blueprint.get("/calls")
def calls() -> ResponseReturnValue:
    """Everybody to call, the soonest visit first. What asks for it by itself gets the cards alone, or a 304."""
    who, clinic = access.who(), the_clinic_of_this_request()
    found = service.call_list(who).calls
    words = {"clinic": clinic, "telling": telling, "signed": access.signed(), "key": asked.fresh_key()}
    cards = Markup(  # noqa: S704 - written by our own template, which escapes
        render_template("desk/calls_cards.html", calls=found, times=clinic.times, **words).strip()
    )
    tag = hashlib.sha256(_OF_THIS_ANSWER.sub("", cards).encode()).hexdigest()[:16]
    if "X-Poll" in request.headers:
        if tag in request.headers.get("If-None-Match", ""):
            response = Response(status=304)
        else:
            audit.saw_this_hour(who, "saw calls", "calls")
            response = Response(cards, mimetype="text/html")
        response.headers["ETag"] = f'W/"{tag}"'
        return response
    audit.saw_this_hour(who, "saw calls", "calls")
    return staff_page(
        "desk/calls.html", calls=found, cards=cards, tag=tag, clinic=clinic, done=answers.what_was_done()
    )


@blueprint.post("/calls/<reference>")
def called(reference: str) -> ResponseReturnValue:
    """`outcome`: reached, left-message, no-answer or told; or back, which takes back what was done last."""
    who, key, wanted = access.who(), asked.key(), request.form.get("outcome", "")

    def action() -> ResponseReturnValue:
        if wanted == "back":
            back_again = service.put_back(who, reference, key=key)
            says = telling.call_back_on_the_list(the_clinic_of_this_request(), back_again)
            return answers.done(says, asked.onward(url_for("desk.calls")))
        outcome = next((one for one in Outcome if one == wanted), None) or abort(422)
        settled = service.settle(who, reference, outcome, version=asked.version(), key=key)
        if settled.before is not None:
            _seen(reference)
        # What a colleague has done is theirs to take back.
        back = None if settled.before is not None else url_for("desk.called", reference=reference)
        says = telling.called(the_clinic_of_this_request(), outcome, settled)
        return answers.done(says, asked.onward(url_for("desk.calls")), back=back)

    return answers.attempt(action, lambda no: answers.no_page(_of_whom(no, reference)))


def _of_whom(no: No, reference: str) -> No:
    """The refusal with the name of the patient: the list has many."""
    return replace(no, title=f"{_seen(reference).name}: {no.title}")


def _seen(reference: str) -> Head:
    """The visit whose patient the answer names without having written down a call."""
    who = access.who()
    found = panel.head(who, reference)
    audit.saw_visit(who, reference, found.patient_id)
    return found
