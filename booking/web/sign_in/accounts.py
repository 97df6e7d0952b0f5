"""Everybody's accounts, for owners and managers."""

from flask import redirect, session, url_for
from flask.typing import ResponseReturnValue

from booking.errors import AddressTaken, LastOwner
from booking.models import Role
from booking.services.staff import accounts as staff
from booking.services.staff.accounts import Account
from booking.services.staff.who import Who
from booking.web import access
from booking.web.pages import the_clinic_of_this_request as present_clinic
from booking.web.sign_in import blueprint
from booking.web.sign_in.entering import say
from booking.web.sign_in.forms import ROLES, AccountForm, InviteForm
from booking.web.staff import staff_page


@blueprint.get("/accounts")
def accounts() -> ResponseReturnValue:
    return _list_page(InviteForm(formdata=None, **_choices()))


@blueprint.post("/accounts")
def invite() -> ResponseReturnValue:
    form = InviteForm(**_choices())
    if not form.validate():
        return _list_page(form, 422)
    try:
        invited = staff.invite(
            access.who(),
            form.read["email"],
            form.chosen_roles,
            name=form.read["name"],
            practitioner=form.practitioner.data or None,
        )
    except AddressTaken as refusal:
        say(form.email, refusal)
        return _list_page(form, 409)
    session["said"] = "invited"
    return redirect(url_for("sign_in.account", number=invited.number), 303)


@blueprint.get("/accounts/<int:number>")
def account(number: int) -> ResponseReturnValue:
    found = staff.one(access.who(), number)
    return _account_page(found, _form_of(found), said=session.pop("said", ""))


@blueprint.post("/accounts/<int:number>")
def change_account(number: int) -> ResponseReturnValue:
    found = staff.one(access.who(), number)
    form = AccountForm(**_choices())
    if not form.validate():
        return _account_page(found, form, 422)
    try:
        staff.change(
            access.who(),
            number,
            name=form.read["name"],
            roles=form.chosen_roles,
            practitioner=form.practitioner.data or None,
        )
    except LastOwner as refusal:
        say(form.roles, refusal)
        return _account_page(found, form, 409)
    return _back(number, "changed")


@blueprint.post("/accounts/<int:number>/invite")
def invite_again(number: int) -> ResponseReturnValue:
    staff.invite_again(access.who(), number)
    return _back(number, "invited")


@blueprint.post("/accounts/<int:number>/deactivate")
def deactivate(number: int) -> ResponseReturnValue:
    staff.deactivate(access.who(), number)
    return _back(number, "deactivated")


@blueprint.post("/accounts/<int:number>/activate")
def activate(number: int) -> ResponseReturnValue:
    staff.activate(access.who(), number)
    return _back(number, "activated")


@blueprint.post("/accounts/<int:number>/end-sign-ins")
def end_account_sign_ins(number: int) -> ResponseReturnValue:
    staff.end_sign_ins(access.who(), number)
    return _back(number, "ended")


@blueprint.post("/accounts/<int:number>/drop-second-factor")
def drop_second_factor(number: int) -> ResponseReturnValue:
    staff.drop_second_factor(access.who(), number)
    return _back(number, "dropped")


def _roles_to_give(who: Who) -> list[Role]:
    return [role for role in Role if role is not Role.OWNER or Role.OWNER in who.roles]


def _choices() -> dict[str, list[Role] | list[tuple[str, str]]]:
    people = [(person.slug, person.name) for person in present_clinic().practitioners.values()]
    return {"roles": _roles_to_give(access.who()), "people": people}


def _form_of(found: Account) -> AccountForm:
    form = AccountForm(formdata=None, **_choices())
    form.name.data = found.name
    form.roles.data = [str(role) for role in found.roles]
    form.practitioner.data = found.practitioner or ""
    return form


def _list_page(form: InviteForm, status: int = 200) -> ResponseReturnValue:
    listed = staff.listed(access.who())
    return staff_page("sign_in/accounts.html", status, accounts=listed, form=form, role_words=ROLES)


def _account_page(
    found: Account, form: AccountForm, status: int = 200, said: str = ""
) -> ResponseReturnValue:
    return staff_page("sign_in/account.html", status, account=found, form=form, said=said, role_words=ROLES)


def _back(number: int, said: str) -> ResponseReturnValue:
    session["said"] = said
    return redirect(url_for("sign_in.account", number=number), 303)
