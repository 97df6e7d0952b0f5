"""How pages are rendered: the clinic in every layout, times through filters, nothing undefined."""

from datetime import date, datetime
from typing import Any

from flask import Flask, g, render_template
from flask_babel import get_translations
from jinja2 import StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from booking import clock
from booking.formatting import Times, iso_utc, phone
from booking.services.clinic import Clinic, present
from booking.web.prices import price, prices


def init_app(app: Flask) -> None:
    environment = app.jinja_env
    environment.undefined = StrictUndefined
    environment.trim_blocks = environment.lstrip_blocks = True
    environment.filters |= {
        "day": _filter(Times.day),
        "short_day": _filter(Times.short_day),
        "short_date": _filter(Times.short_date),
        "weekday": _filter(Times.weekday),
        "short_weekday": _filter(Times.short_weekday),
        "month": _filter(Times.month),
        "date": _filter(Times.date),
        "time": _filter(Times.time),
        "wall_time": _filter(Times.wall_time),
        "moment": _filter(Times.moment),
        "short_moment": _filter(Times.short_moment),
        "iso": iso_utc,
        "phone": phone,
        "price": price,
        "prices": prices,
        "paragraphs": paragraphs,
        "masked": masked,
    }
    # Flask-Babel looks the language up at every word; here it is looked up once a request.
    environment.install_gettext_callables(  # type: ignore[attr-defined]
        lambda words: _translations().ugettext(words),
        lambda one, many, number: _translations().ungettext(one, many, number),
        newstyle=True,
    )
    environment.globals["demo"] = not app.config["BOOKING"].production


def page(template: str, clinic: Clinic, status: int = 200, **values: Any) -> tuple[str, int]:
    """A page of this clinic."""
    return render_template(template, clinic=clinic, times=clinic.times, **values), status


def the_clinic_of_this_request() -> Clinic:
    """The clinic, read once a request."""
    if "clinic" not in g:
        g.clinic = present()
    found: Clinic = g.clinic
    return found


def masked(contact: str) -> str:
    """Enough of a contact to recognise one's own: "r…@example.com", "…0123"."""
    name, at, host = contact.partition("@")
    return f"{name[0]}…@{host}" if at else f"…{contact[-4:]}"


def paragraphs(words: str) -> Markup:
    """Text with empty lines between paragraphs."""
    parts = [" ".join(part.split()) for part in words.split("\n\n")]
    return Markup("\n").join(Markup("<p>{}</p>").format(escape(part)) for part in parts if part)


def away(on: date, today: date) -> str:
    """How a day lies to today, in a word, or nothing."""
    return {0: "today", 1: "tomorrow"}.get((on - today).days, "")


def today(clinic: Clinic) -> date:
    return clinic.times.local_date(clock.now())


def _translations() -> Any:
    if "translations" not in g:
        g.translations = get_translations()
    return g.translations


def _filter(method: Any) -> Any:
    @pass_context
    def through_the_clinics_times(context: Context, value: date | datetime, *rest: Any) -> str:
        words: str = method(context["times"], value, *rest)
        return words

    return through_the_clinics_times
