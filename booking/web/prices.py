"""What visits cost, as the clinic wants it shown: one by itself, and several together."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from babel.numbers import format_currency
from flask import current_app
from flask_babel import gettext as _, ngettext

from booking.models import PriceShown
from booking.services.clinic import VisitType


class Prices(NamedTuple):
    """Of several visits: a line for each kind whose price is shown, the whole of these, and what isn't counted in it."""

    lines: tuple[str, ...]
    whole: str
    without: tuple[str, ...]


def price(visit_type: VisitType) -> str:
    """What a visit costs; empty where it is hidden."""
    if visit_type.price_cents is None or visit_type.price_shown is PriceShown.HIDDEN:
        return ""
    return _money(visit_type.price_cents)


def prices(visit_types: Iterable[VisitType]) -> Prices:
    """Of all these visits, in the order in which their kinds come first."""
    visits = list(visit_types)
    shown = [one for one in visits if price(one)]
    whole = _money(sum(one.price_cents or 0 for one in shown))
    if any(one.price_shown is PriceShown.FROM for one in shown):
        whole = _("from %(price)s", price=whole)
    without = dict.fromkeys(one.name for one in visits if not price(one))
    kinds = {one.slug: one for one in shown}
    numbers = Counter(one.slug for one in shown)
    return Prices(
        tuple(_line(kinds[slug], number) for slug, number in numbers.items()), whole, tuple(without)
    )


def _line(one: VisitType, number: int) -> str:
    each = _("from %(price)s", price=price(one)) if one.price_shown is PriceShown.FROM else price(one)
    return ngettext(
        "%(visit)s: %(price)s",
        "%(visit)s: %(num)d visits, %(price)s each",
        number,
        visit=one.name,
        price=each,
    )


def _money(all_cents: int) -> str:
    cents = all_cents % 100
    return format_currency(
        all_cents / 100,
        "USD",
        format=None if cents else "¤#,##0",
        currency_digits=bool(cents),
        locale=current_app.config["BABEL_DEFAULT_LOCALE"],
    )
