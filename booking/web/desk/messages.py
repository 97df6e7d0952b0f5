"""Messages: what failed, what people wrote to us, and what waits to go."""

from flask import url_for
from flask.typing import ResponseReturnValue

from booking import clock
from booking.services.desk import outgoing, resending
from booking.services.staff import audit
from booking.web import access, asked
from booking.web.desk import answers, blueprint, telling
from booking.web.staff import staff_page


@blueprint.get("/messages")
def messages() -> ResponseReturnValue:
    """What failed and nobody has seen to, replies to read, and what waits."""
    who = access.who()
    found = outgoing.messages(who)
    audit.saw_this_hour(who, "saw messages", "messages")
    return staff_page(
        "desk/messages.html",
        clinic=found.clinic,
        found=found,
        telling=telling,
        now=clock.now(),
        key=asked.fresh_key(),
        done=answers.what_was_done(),
    )


@blueprint.post("/replies/<int:text>")
def read_reply(text: int) -> ResponseReturnValue:
    """Somebody has read a text that came to us."""
    who, key = access.who(), asked.key()

    def action() -> ResponseReturnValue:
        resending.settle_text(who, text, key=key)
        return answers.done(telling.off_the_list(), asked.onward(url_for("desk.messages")))

    return answers.attempt(action, answers.no_page)
