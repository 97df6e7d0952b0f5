"""What the desk owes: estimates by their deadlines, and coverage to check."""

from flask import request, url_for
from flask.typing import ResponseReturnValue

from booking.services import tasks
from booking.services.desk.running_low import running_low
from booking.services.staff import audit
from booking.web import access, allowance_words, asked
from booking.web.desk import answers, blueprint, saying
from booking.web.staff import staff_page


@blueprint.get("/to-do")
def to_do() -> ResponseReturnValue:
    """What is to be done, the most urgent first; and whose coverage runs low."""
    who = access.who()
    audit.saw_this_hour(who, "saw tasks", "to-do")
    return staff_page(
        "desk/to_do.html",
        found=tasks.to_do(who),
        low=running_low(who),
        allowing=allowance_words,
        saying=saying,
        key=asked.fresh_key(),
        done=answers.what_was_done(),
    )


@blueprint.post("/to-do/<int:task>")
def settle_task(task: int) -> ResponseReturnValue:
    """Done; or with `do` = back, not done after all."""
    who, key = access.who(), asked.key()
    done = request.form.get("do") != "back"

    def action() -> ResponseReturnValue:
        kind = tasks.settle(who, task, done=done, key=key)
        says = str(saying.TASK_DONE[kind][1]) if done else saying.back_on_the_list()
        back = url_for("desk.settle_task", task=task) if done else None
        return answers.done(says, asked.onward(url_for("desk.to_do")), back=back)

    return answers.attempt(action, answers.no_page)
