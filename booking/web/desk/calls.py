"""The list of calls: whom, at which number, what to say, and what came of it."""

from dataclasses import replace

from flask import abort, request, url_for
from flask.typing import ResponseReturnValue

from booking.services.desk import calls as service, panel
from booking.services.desk.calls import Outcome
from booking.services.staff import audit
from booking.web import access, asked
from booking.web.desk import answers, blueprint, saying
from booking.web.desk.saying import No
from booking.web.pages import the_clinic_of_this_request
from booking.web.staff import staff_page


@blueprint.get("/calls")
def calls() -> ResponseReturnValue:
    """Everybody to call, the soonest visit first."""
    who = access.who()
    audit.saw_this_hour(who, "saw calls", "calls")
    return staff_page(
        "desk/calls.html",
        calls=service.call_list(who).calls,
        saying=saying,
        key=asked.fresh_key(),
        done=answers.what_was_done(),
    )


@blueprint.post("/calls/<reference>")
def called(reference: str) -> ResponseReturnValue:
    """`outcome`: reached, left-message, no-answer or told; or back, which puts a call back that was settled by mistake."""
    who, key, wanted = access.who(), asked.key(), request.form.get("outcome", "")

    def action() -> ResponseReturnValue:
        if wanted == "back":
            back_again = service.put_back(who, reference, key=key)
            says = saying.call_back_on_the_list(back_again)
            return answers.done(says, asked.onward(url_for("desk.calls")))
        outcome = next((one for one in Outcome if one == wanted), None) or abort(422)
        settled = service.settle(who, reference, outcome, version=asked.version(), key=key)
        back = None if outcome is Outcome.NO_ANSWER else url_for("desk.called", reference=reference)
        says = saying.called(the_clinic_of_this_request(), outcome, settled)
        return answers.done(says, asked.onward(url_for("desk.calls")), back=back)

    return answers.attempt(action, lambda no: answers.no_page(_of_whom(no, reference)))


def _of_whom(no: No, reference: str) -> No:
    """The refusal with the name of the patient: the list has many."""
    return replace(no, title=f"{panel.head(access.who(), reference).name}: {no.title}")
