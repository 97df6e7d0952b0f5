"""Texts that come in, from the provider's signed webhook."""

from flask import Blueprint, Response, abort, current_app, request
from flask.typing import ResponseReturnValue

from booking.extensions import csrf
from booking.services import inbound_texts

blueprint = Blueprint("texts", __name__)


@blueprint.post("/texts/twilio")
@csrf.exempt
def twilio() -> ResponseReturnValue:
    """One inbound text. 403 without the provider's signature; the same text twice is kept once."""
    config = current_app.config["BOOKING"]
    if config.texts != "twilio":
        abort(404)
    from twilio.request_validator import RequestValidator

    signed = RequestValidator(config.twilio_token).validate(
        f"{config.base_url}{request.path}",
        request.form.to_dict(),
        request.headers.get("X-Twilio-Signature", ""),
    )
    if not signed:
        abort(403)
    sender, provider_id = request.form.get("From", ""), request.form.get("MessageSid", "")
    if not sender or not provider_id:
        abort(400)
    inbound_texts.receive(sender[:20], request.form.get("Body", "")[:2000], provider_id[:80])
    # Answers go through the outbox, like everything that we send.
    return Response('<?xml version="1.0" encoding="UTF-8"?><Response/>', mimetype="text/xml")
