"""Who may do what: every route in one table, and the guard that holds requests to it.

A route that nobody declared is closed to everybody. `tests/web/test_access.py` walks all routes × methods × roles ×
ownership by this table.

What the columns say:
    visitor       somebody who isn't signed in: `open`; `link`, with what only a link or a provider knows; `own`, in
                  their own browser only; `local`, by the setting of this installation; `demo`, in the demo only; `-`, not at all
    the roles     `all` records; `own` ones only; `self`, their own account; `staff`, everybody's account but owners';
                  `-`, not at all
    methods       HEAD and OPTIONS go with whatever a route has
What is open to visitors is open to everybody who is signed in, as a visitor.

While a screen is locked, only `_WHILE_LOCKED` answers; what was sent meanwhile is kept as a draft.
"""

from contextlib import suppress
from dataclasses import dataclass

from flask import Flask, Response, abort, g, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from werkzeug.routing import Rule

from booking.errors import NotFound
from booking.models import Role
from booking.services.staff import drafts, sign_ins
from booking.services.staff.sign_ins import Signed
from booking.services.staff.who import Who
from booking.web.numerals import whole

ROLES = (Role.OWNER, Role.MANAGER, Role.DESK, Role.PRACTITIONER)

_TABLE = """
# endpoint                         methods    visitor  owner  manager  desk  practitioner
favicon                            GET        open     -      -        -     -
static                             GET        open     -      -        -     -

operations.healthz                 GET        open     -      -        -     -
operations.metrics                 GET        local    -      -        -     -
operations.readyz                  GET        open     -      -        -     -

demo_mail.html                     GET        demo     -      -        -     -
demo_mail.mailbox                  GET        demo     -      -        -     -
demo_mail.message                  GET        demo     -      -        -     -

patient.ask_to_cancel              GET        link     -      -        -     -
patient.ask_to_cancel_later        GET        link     -      -        -     -
patient.begin_plan                 GET        open     -      -        -     -
patient.book                       POST       open     -      -        -     -
patient.book_own                   POST       open     -      -        -     -
patient.book_plan                  POST       link     -      -        -     -
patient.book_together              POST       open     -      -        -     -
patient.book_weekly                POST       link     -      -        -     -
patient.booked                     GET        link     -      -        -     -
patient.calendar_file              GET        link     -      -        -     -
patient.cancel                     POST       link     -      -        -     -
patient.cancel_later               POST       link     -      -        -     -
patient.cannot_come                POST       link     -      -        -     -
patient.choose                     GET        open     -      -        -     -
patient.choose_for_later           GET        link     -      -        -     -
patient.choose_in                  GET        open     -      -        -     -
patient.choose_other_time          GET        link     -      -        -     -
patient.choose_own                 POST       open     -      -        -     -
patient.choose_plan                POST       link     -      -        -     -
patient.choose_together            POST       open     -      -        -     -
patient.choose_with                GET        open     -      -        -     -
patient.confirm                    POST       link     -      -        -     -
patient.contact                    GET        link     -      -        -     -
patient.correct_contact            POST       link     -      -        -     -
patient.details                    GET        open     -      -        -     -
patient.hold                       POST       open     -      -        -     -
patient.move                       POST       link     -      -        -     -
patient.move_later                 POST       link     -      -        -     -
patient.my_visit                   GET        open     -      -        -     -
patient.own_details                GET        open     -      -        -     -
patient.own_proposals              GET        open     -      -        -     -
patient.plan                       GET        link     -      -        -     -
patient.plan_booked                GET        link     -      -        -     -
patient.plan_calendar              GET        link     -      -        -     -
patient.plan_details               GET        link     -      -        -     -
patient.plan_make_up               GET        link     -      -        -     -
patient.plan_proposals             GET        link     -      -        -     -
patient.plan_reminders             GET        link     -      -        -     -
patient.plans                      GET        open     -      -        -     -
patient.policies                   GET        open     -      -        -     -
patient.privacy                    GET        open     -      -        -     -
patient.remind_of_plan             POST       link     -      -        -     -
patient.send_link                  POST       open     -      -        -     -
patient.start                      GET        open     -      -        -     -
patient.take_make_up               POST       link     -      -        -     -
patient.times                      GET        open     -      -        -     -
patient.together                   GET        open     -      -        -     -
patient.together_details           GET        open     -      -        -     -
patient.visit                      GET        link     -      -        -     -
patient.visit_of_text              GET        link     -      -        -     -
patient.weekly                     GET        link     -      -        -     -

api.appointment                    GET        link     -      -        -     -
api.book                           POST       open     -      -        -     -
api.book_plan                      POST       open     -      -        -     -
api.calendar_file                  GET        link     -      -        -     -
api.cancel                         POST       link     -      -        -     -
api.confirm                        POST       link     -      -        -     -
api.offers                         GET        open     -      -        -     -
api.openapi                        GET        open     -      -        -     -
api.plan                           GET        link     -      -        -     -
api.plan_proposals                 POST       open     -      -        -     -
api.plan_templates                 GET        open     -      -        -     -
api.practitioners                  GET        open     -      -        -     -
api.readable                       GET        open     -      -        -     -
api.reschedule                     POST       link     -      -        -     -
api.visit_types                    GET        open     -      -        -     -

texts.twilio                       POST       link     -      -        -     -

# sign_in: accounts and sign-ins
sign_in.accept                     POST       link     -      -        -     -
sign_in.account                    GET        -        all    staff    -     -
sign_in.accounts                   GET        -        all    staff    -     -
sign_in.activate                   POST       -        all    staff    -     -
sign_in.active                     POST       -        self   self     self  self
sign_in.ask_code                   GET        own      -      -        -     -
sign_in.audit_file                 GET        -        all    all      -     -
sign_in.audit_list                 GET        -        all    all      -     -
sign_in.change_account             POST       -        all    staff    -     -
sign_in.change_password            POST       -        self   self     self  self
sign_in.change_pin                 POST       -        self   self     self  self
sign_in.check_code                 POST       own      -      -        -     -
sign_in.deactivate                 POST       -        all    staff    -     -
sign_in.draft_list                 GET        -        self   self     self  self
sign_in.drop_second_factor         POST       -        all    staff    -     -
sign_in.end_account_sign_ins       POST       -        all    staff    -     -
sign_in.end_sign_in                POST       -        all    staff    self  self
sign_in.enter                      POST       open     -      -        -     -
sign_in.forget_draft               POST       -        self   self     self  self
sign_in.forgotten                  GET        open     -      -        -     -
sign_in.home                       GET        -        self   self     self  self
sign_in.invitation                 GET        link     -      -        -     -
sign_in.invite                     POST       -        all    staff    -     -
sign_in.invite_again               POST       -        all    staff    -     -
sign_in.keep_drafts                POST       -        self   self     self  self
sign_in.lock                       POST       -        self   self     self  self
sign_in.locked                     GET        -        self   self     self  self
sign_in.me                         GET        -        self   self     self  self
sign_in.new_password               GET        link     -      -        -     -
sign_in.prefer                     POST       -        self   self     self  self
sign_in.recovery_codes             POST       -        self   self     self  self
sign_in.send_reset                 POST       open     -      -        -     -
sign_in.set_password               POST       link     -      -        -     -
sign_in.sign_in                    GET        open     -      -        -     -
sign_in.sign_ins                   GET        -        all    all      self  self
sign_in.sign_out                   POST       -        self   self     self  self
sign_in.second_factor              GET        -        self   self     self  self
sign_in.turn_off_second_factor     POST       -        self   self     self  self
sign_in.turn_on_second_factor      POST       -        self   self     self  self
sign_in.unlock                     POST       -        self   self     self  self

# desk: the board, visits and patients
desk.ask_cancel                    GET        -        all    all      all   -
desk.ask_change                    GET        -        all    all      all   -
desk.called                        POST       -        all    all      all   -
desk.calls                         GET        -        all    all      all   -
desk.cancel                        POST       -        all    all      all   -
desk.change                        POST       -        all    all      all   -
desk.close                         GET        -        all    all      all   -
desk.close_day                     POST       -        all    all      all   -
desk.close_today                   GET        -        all    all      all   -
desk.glance                        GET        -        all    all      all   -
desk.message                       POST       -        all    all      all   -
desk.messages                      GET        -        all    all      all   -
desk.note                          POST       -        all    all      all   -
desk.places                        GET        -        all    all      all   -
desk.read_reply                    POST       -        all    all      all   -
desk.reopen_day                    POST       -        all    all      all   -
desk.settle_task                   POST       -        all    all      all   -
desk.status                        POST       -        all    all      all   -
desk.times                         GET        -        all    all      all   -
desk.to_do                         GET        -        all    all      all   -
desk.undo                          POST       -        all    all      all   -
desk.ask_undo                      GET        -        all    all      all   -
desk.visit                         GET        -        all    all      all   -
desk.why                           GET        -        all    all      all   -
desk.day                           GET        -        all    all      all   -
desk.day_fragment                  GET        -        all    all      all   -
desk.day_cancelled                 GET        -        all    all      all   -
desk.week_cancelled                GET        -        all    all      all   -
desk.sheet                         GET        -        all    all      all   -
desk.today_board                   GET        -        all    all      all   -
desk.enter_time_off                POST       -        all    all      all   -
desk.take_back_time_off            POST       -        all    all      all   -
desk.time_off                      GET        -        all    all      all   -
desk.week                          GET        -        all    all      all   -
desk.week_fragment                 GET        -        all    all      all   -
desk.book_visit                    POST       -        all    all      all   -
desk.choose_to_merge               GET        -        all    all      all   -
desk.add_coverage                  POST       -        all    all      all   own
desk.change_coverage               POST       -        all    all      all   own
desk.coverage_of                   GET        -        all    all      all   own
desk.draw_coverage_earlier         POST       -        all    all      all   own
desk.end_coverage                  POST       -        all    all      all   own
desk.record_improving              POST       -        -      -        -     own
desk.see_to_coverage               POST       -        all    all      all   -
desk.edit_patient                  GET        -        all    all      all   -
desk.merge                         POST       -        all    all      all   -
desk.new_visit                     GET        -        all    all      all   -
desk.patient                       GET        -        all    all      all   own
desk.patients                      GET        -        all    all      all   own
desk.save_patient                  POST       -        all    all      all   -
desk.book_plan                     POST       -        all    all      all   -
desk.book_series                   POST       -        all    all      all   -
desk.look_at_series                POST       -        all    all      all   -
desk.new_series                    GET        -        all    all      all   -
desk.change_plan                   POST       -        all    all      all   -
desk.new_plan                      GET        -        all    all      all   -
desk.plan                          GET        -        all    all      all   -
desk.plan_change                   GET        -        all    all      all   -
desk.plan_link                     GET        -        all    all      all   -
desk.plans                         GET        -        all    all      all   -
desk.propose_plan                  POST       -        all    all      all   -
desk.send_plan_link                POST       -        all    all      all   -
desk.withdraw_plan                 POST       -        all    all      all   -
desk.take_merge_back               POST       -        all    all      all   -

# practitioner: their own day and calendar
practitioner.ask_move              GET        -        -      -        -     own
practitioner.change_feed           POST       -        -      -        -     self
practitioner.colleagues            GET        -        -      -        -     self
practitioner.colleagues_on         GET        -        -      -        -     self
practitioner.change_plan           POST       -        -      -        -     own
practitioner.choose_plan           GET        -        -      -        -     own
practitioner.plan                  GET        -        -      -        -     own
practitioner.plan_change           GET        -        -      -        -     own
practitioner.plan_link             GET        -        -      -        -     own
practitioner.plans                 GET        -        -      -        -     own
practitioner.prescribe             POST       -        -      -        -     own
practitioner.prescribe_plan        GET        -        -      -        -     own
practitioner.send_plan_link        POST       -        -      -        -     own
practitioner.withdraw_plan         POST       -        -      -        -     own
practitioner.enter_time_off        POST       -        -      -        -     self
practitioner.feed_settings         GET        -        -      -        -     self
practitioner.month                 GET        -        -      -        -     self
practitioner.month_of              GET        -        -      -        -     self
practitioner.move                  POST       -        -      -        -     own
practitioner.status                POST       -        -      -        -     own
practitioner.take_back_time_off    POST       -        -      -        -     own
practitioner.time_off              GET        -        -      -        -     self
practitioner.today                 GET        -        -      -        -     self
practitioner.undo                  POST       -        -      -        -     own
practitioner.visit                 GET        -        -      -        -     own
practitioner.week                  GET        -        -      -        -     self
practitioner.week_of               GET        -        -      -        -     self

feed.calendar                      GET        link     -      -        -     -
"""


@dataclass(frozen=True)
class Access:
    """What one route says. `roles` has those who may, and over which records."""

    endpoint: str
    methods: frozenset[str]
    visitor: str
    roles: dict[Role, str]

    @property
    def for_staff(self) -> bool:
        return self.visitor == "-"


def read(table: str) -> dict[tuple[str, str], Access]:
    """The table by endpoint and method."""
    found: dict[tuple[str, str], Access] = {}
    for line in table.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        endpoint, methods, visitor, *words = line.split()
        roles = {role: word for role, word in zip(ROLES, words, strict=True) if word != "-"}
        access = Access(endpoint, frozenset(methods.split(",")), visitor, roles)
        for method in access.methods:
            if (endpoint, method) in found:
                raise ValueError(f"{method} {endpoint} is declared twice.")
            found[endpoint, method] = access
    return found


ACCESS = read(_TABLE)


# Numbers of rows are no larger; a database would fail over one that is.
_MOST = 2**31 - 1
# What answers while a screen is locked, and what before a second factor that is needed has been set up.
_WHILE_LOCKED = frozenset({"sign_in.keep_drafts", "sign_in.locked", "sign_in.sign_out", "sign_in.unlock"})
_BEFORE_SECOND_FACTOR = _WHILE_LOCKED | {
    "sign_in.active",
    "sign_in.change_password",
    "sign_in.lock",
    "sign_in.second_factor",
    "sign_in.turn_on_second_factor",
}
# The lock itself: what is typed there isn't kept, and nobody goes on to it.
_OF_THE_LOCK = ("sign_in.lock", "sign_in.locked", "sign_in.unlock")


def init_app(app: Flask) -> None:
    app.before_request(_guard)
    app.after_request(_forget_what_was_sent)


def signed() -> Signed:
    """The sign-in of this request. Only behind the guard."""
    found: Signed = g.signed
    return found


def signed_or_none() -> Signed | None:
    """The sign-in of this browser also where the guard let nobody in; None for a visitor."""
    if "signed" in g:
        return signed()
    secret = session.get("sign_in")
    return sign_ins.find(secret, address=request.remote_addr or "") if secret else None


def who() -> Who:
    """Who of the staff is asking. Only behind the guard."""
    return signed().who


def typed_by() -> int:
    """For whose account forms that a page sends are kept: of who is signed in, or was until their shift ended."""
    return int(g.typed_by) if "typed_by" in g else who().account_id


def may(who: Who, endpoint: str) -> bool:
    """Whether a page is open to somebody, so that nothing is offered that answers "not here"."""
    access = ACCESS.get((endpoint, "GET"))
    return access is not None and bool(who.roles & access.roles.keys())


def _guard() -> ResponseReturnValue | None:
    if request.url_rule is None:
        return None
    access = _access(request.url_rule, request.method)
    if access is None or any(isinstance(n, int) and n > _MOST for n in (request.view_args or {}).values()):
        abort(404)
    if not access.for_staff:
        return None
    secret = session.get("sign_in")
    found = sign_ins.find(secret, address=request.remote_addr or "") if secret else None
    if found is None:
        return _signed_out(secret)
    if not found.who.roles & access.roles.keys():
        abort(404)
    g.signed = found
    if found.locked and access.endpoint not in _WHILE_LOCKED:
        return _locked(found)
    if found.lacks_second_factor and access.endpoint not in _BEFORE_SECOND_FACTOR:
        return _turned_away(403, "second_factor_needed", url_for("sign_in.second_factor"))
    if "X-Poll" not in request.headers:
        sign_ins.note_activity(found)
    return None


def _access(rule: Rule, method: str) -> Access | None:
    """What the table says of a route and a method. What only asks goes with the first method that is declared."""
    if method == "HEAD":
        method = "GET"
    elif method == "OPTIONS":
        declared = ((rule.endpoint, one) for one in sorted(rule.methods or ()))
        return next((ACCESS[one] for one in declared if one in ACCESS), None)
    return ACCESS.get((rule.endpoint, method))


def _signed_out(secret: str | None) -> ResponseReturnValue | None:
    """To the sign-in. What was typed when a shift ended is kept for whoever typed it; what a page sends to be kept is read
    and kept by its view.
    """
    account_id = sign_ins.whose_shift_is_over(secret) if secret and request.method == "POST" else None
    if account_id is not None and request.endpoint == "sign_in.keep_drafts":
        g.typed_by = account_id
        return None
    if account_id is not None:
        _keep_draft(account_id)
    return _turned_away(401, "signed_out", url_for("sign_in.sign_in", next=_page_of_this_request()))


def _locked(found: Signed) -> ResponseReturnValue:
    if request.method == "POST":
        _keep_draft(found.who.account_id)
    return _turned_away(423, "locked", url_for("sign_in.locked", next=_page_of_this_request()))


def _turned_away(status: int, code: str, to: str) -> ResponseReturnValue:
    """Browsers are led on; a script gets a status that it turns into the same page."""
    if _asked_by_a_script():
        return {"ok": False, "code": code, "to": to}, status
    return redirect(to, 303)


def _asked_by_a_script() -> bool:
    asked = request.headers
    by_fetch = asked.get("Sec-Fetch-Mode", "navigate") != "navigate"
    return by_fetch or "X-Poll" in asked or "application/json" in asked.get("Accept", "")


def _page_of_this_request() -> str | None:
    """Where to go on afterwards: the page that was asked for, or to what was sent and is kept. From the lock, the page that
    was left for it, if it says so.
    """
    if request.endpoint in _OF_THE_LOCK and (left := request.values.get("next")):
        return left
    if request.method == "POST":
        return url_for("sign_in.draft_list")
    if _asked_by_a_script():
        return None
    return request.full_path.removesuffix("?")


def _keep_draft(account_id: int) -> None:
    if request.endpoint not in ("sign_in.active", "sign_in.keep_drafts", *_OF_THE_LOCK):
        drafts.keep(
            account_id,
            request.full_path.removesuffix("?"),
            request.form.items(multi=True),
            page=_page_of_the_form(),
        )


def _page_of_the_form() -> str:
    """The page of ours on which this form can be had again, as far as a script or the browser says it."""
    if asked_on := request.headers.get("X-Page"):
        return asked_on if asked_on.startswith("/") else ""
    site = request.host_url.removesuffix("/")
    _before, _site, page = (request.referrer or "").partition(site)
    return page if not _before and page.startswith("/") else ""


def _forget_what_was_sent(response: Response) -> Response:
    """A draft that was sent and taken needn't be kept."""
    if request.method == "POST" and "signed" in g and response.status_code < 400 and "draft" in request.form:
        number = whole(request.form["draft"])
        if number is not None and not g.signed.locked:
            with suppress(NotFound):
                drafts.forget(g.signed.who.account_id, number)
    return response
