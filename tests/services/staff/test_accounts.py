"""Accounts: invitations, passwords, the second factor, and who may look after whose."""

import time
from typing import Any

import pytest
import time_machine
from flask import Flask

from booking.errors import (
    AddressTaken,
    LastOwner,
    LinkEnded,
    NotFound,
    PasswordTooWeak,
    PinTooWeak,
    SecondFactorNeeded,
    WrongCode,
    WrongPin,
    WrongSignIn,
)
from booking.models import AuditEntry, Message, Role, SignIn, StaffAccount
from booking.services.staff import accounts, letters, library, passwords, second_factor, sign_ins, signing_in
from booking.services.staff.accounts import OPERATOR
from booking.services.staff.who import Who
from booking.services.transaction import reading
from tests.conftest import MakeApp, StandingClock
from tests.services.making import rows
from tests.staffing import hired

pytestmark = pytest.mark.usefixtures("standing_clock")

LONG = "a kettle on the stove"
PIN = "271828"


def mark_of(link: str) -> str:
    return link.rpartition("/")[2]


def joined(*roles: Role, email: str = "dana@clinic.example", **how: Any) -> Who:
    """Somebody who was invited and has accepted."""
    invited = accounts.invite(OPERATOR, email, roles or (Role.DESK,))
    number = accounts.accept(mark_of(invited.link), **({"name": "Dana", "password": LONG, "pin": PIN} | how))
    return Who(number, "Dana", frozenset(roles or (Role.DESK,)))


def account_of(who: Who) -> StaffAccount:
    with reading() as session:
        return session.get_one(StaffAccount, who.account_id)


def code_now(secret: str) -> str:
    return str(library._security().totp_factory.generate_totp_password(secret))


def test_an_invitation_is_written_to_and_works_once(context: Flask) -> None:
    invited = accounts.invite(OPERATOR, "Dana@Clinic.example", [Role.OWNER])
    (message,) = rows(Message)
    assert (message["kind"], message["address"]) == ("staff-invitation", "dana@clinic.example")
    assert mark_of(invited.link) not in str(message)
    accounts.accept(mark_of(invited.link), name="Dana", password=LONG, pin=PIN)
    with pytest.raises(LinkEnded):
        accounts.accept(mark_of(invited.link), name="Eve", password=LONG, pin=PIN)
    assert signing_in.with_password("dana@clinic.example", LONG, address="::1").second_factor is False


def test_an_invitation_ends_after_seven_days(context: Flask, standing_clock: StandingClock) -> None:
    mark = mark_of(accounts.invite(OPERATOR, "dana@clinic.example", [Role.DESK]).link)
    standing_clock.on(days=7, seconds=-1)
    assert accounts.invitation(mark).email == "dana@clinic.example"
    standing_clock.on(seconds=1)
    with pytest.raises(LinkEnded):
        accounts.invitation(mark)


def test_a_new_invitation_ends_the_one_before(context: Flask) -> None:
    first = accounts.invite(OPERATOR, "dana@clinic.example", [Role.DESK])
    second = accounts.invite_again(OPERATOR, first.number)
    assert first.number == second.number and first.link != second.link
    with pytest.raises(LinkEnded):
        accounts.invitation(mark_of(first.link))
    assert accounts.invitation(mark_of(second.link))


def test_somebody_who_has_an_account_is_not_invited_again(context: Flask) -> None:
    joined()
    with pytest.raises(AddressTaken):
        accounts.invite(OPERATOR, "dana@clinic.example", [Role.OWNER])


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("fourteen chars", "short"),
        ("aaaaaaaaaaaaaaaaaaaa", "common"),
        ("passwordpassword1", "common"),
        ("Password123456789", "common"),
        ("x" * 1001, "long"),
        ("dana 123 dana 12", ""),
    ],
)
def test_passwords_are_long_and_not_the_first_that_one_tries(context: Flask, password: str, why: str) -> None:
    if not why:
        joined(password=password)
        return
    with pytest.raises(PasswordTooWeak) as refused:
        joined(password=password)
    assert refused.value.facts == {"why": why}


@pytest.mark.parametrize(
    "pin", ["", "12345", "1234567", "111111", "123456", "654321", "abcdef", "１２３４５７"]
)
def test_a_pin_is_six_digits_that_not_everybody_tries_first(context: Flask, pin: str) -> None:
    with pytest.raises(PinTooWeak):
        joined(pin=pin)


def test_eight_letters_are_enough_with_a_second_factor_and_then_it_stays(context: Flask) -> None:
    who = joined(password="8 of kin", second_factor=True)
    secret = sign_ins.begin(who.account_id, address="", browser="", phone=False)
    signed = sign_ins.find(secret, address="")
    assert signed is not None and signed.lacks_second_factor
    begun = second_factor.prepare(who)
    second_factor.turn_on(who, begun.secret, code_now(begun.secret))
    signed = sign_ins.find(secret, address="")
    assert signed is not None and not signed.lacks_second_factor
    with pytest.raises(SecondFactorNeeded):
        second_factor.turn_off(who, "8 of kin")
    passwords.change_password(who, "8 of kin", LONG)
    second_factor.turn_off(who, LONG)
    assert not second_factor.state(who).on


def test_a_code_counts_once_and_so_does_a_recovery_code(context: Flask) -> None:
    who = joined()
    begun = second_factor.prepare(who)
    with time_machine.travel(time.time(), tick=False):
        recovery = second_factor.turn_on(who, begun.secret, code_now(begun.secret))
    assert len(recovery) == 8 and recovery[0] not in str(account_of(who).mf_recovery_codes)
    assert signing_in.with_password("dana@clinic.example", LONG, address="").second_factor
    with time_machine.travel(time.time() + 90, tick=False):
        code = code_now(begun.secret)
        signing_in.with_code(who.account_id, code, address="")
        with pytest.raises(WrongCode):
            signing_in.with_code(who.account_id, code, address="")
    signing_in.with_code(who.account_id, f" {recovery[3].upper()} ", address="")
    with pytest.raises(WrongCode):
        signing_in.with_code(who.account_id, recovery[3], address="")
    assert second_factor.state(who).recovery_codes_left == 7


@pytest.mark.parametrize("code", ["", "0", "000000 ", "１２３４５６", "x" * 500, "ffff-ffff-ffff", "\x00"])
def test_no_other_code_counts(context: Flask, code: str) -> None:
    who = joined()
    begun = second_factor.prepare(who)
    with pytest.raises(WrongCode):
        second_factor.turn_on(who, begun.secret, code or "1")
    second_factor.turn_on(who, begun.secret, code_now(begun.secret))
    with pytest.raises(WrongCode):
        signing_in.with_code(who.account_id, code, address="")


def test_a_reset_works_once_within_the_hour_and_ends_all_sign_ins(context: Flask) -> None:
    who = joined()
    secret = sign_ins.begin(who.account_id, address="", browser="", phone=False)
    mark = library.reset_mark(account_of(who))
    passwords.reset(mark, "another kettle altogether", address="")
    assert sign_ins.find(secret, address="") is None
    with pytest.raises(LinkEnded):
        passwords.reset(mark, "a third kettle by now", address="")
    assert signing_in.with_password("dana@clinic.example", "another kettle altogether", address="")
    late = library.reset_mark(account_of(who))
    with time_machine.travel(time.time() + 3601), pytest.raises(LinkEnded):
        passwords.who_resets(late)


@pytest.mark.parametrize("mark", ["", "x", "a.b.c", "é" * 50])
def test_a_mark_that_nobody_made_resets_nothing(context: Flask, mark: str) -> None:
    with pytest.raises(LinkEnded):
        passwords.who_resets(mark)


def test_asking_for_a_reset_looks_nothing_up(context: Flask) -> None:
    joined()
    for address in ("dana@clinic.example", "nobody@clinic.example"):
        passwords.ask_to_reset(address)
    asked = [row for row in rows(Message) if row["kind"] == "staff-reset"]
    assert [row["address"] for row in asked] == ["dana@clinic.example", "nobody@clinic.example"]
    with reading() as session:
        found = [letters.account_of(session, session.get_one(Message, row["id"])) for row in asked]
    assert [account is not None for account in found] == [True, False]


def test_known_and_unknown_addresses_are_refused_alike_and_what_was_typed_is_not_kept(context: Flask) -> None:
    joined()
    for email in ("dana@clinic.example", "nobody@clinic.example"):
        with pytest.raises(WrongSignIn):
            signing_in.with_password(email, "not my kettle at all", address="192.0.2.7")
    failed = [row for row in rows(AuditEntry) if row["what"] == "sign-in refused"]
    assert len(failed) == 2 and "nobody" not in str(failed) and failed[0]["address"] == "192.0.2.7"


def test_an_account_that_has_ended_opens_nothing(context: Flask) -> None:
    who = joined()
    secret = sign_ins.begin(who.account_id, address="", browser="", phone=False)
    accounts.deactivate(OPERATOR, who.account_id)
    assert sign_ins.find(secret, address="") is None
    with pytest.raises(WrongSignIn):
        signing_in.with_password("dana@clinic.example", LONG, address="")
    with pytest.raises(LinkEnded):
        passwords.who_resets(library.reset_mark(account_of(who)))
    accounts.activate(OPERATOR, who.account_id)
    assert sign_ins.find(secret, address="") is None
    assert signing_in.with_password("dana@clinic.example", LONG, address="")


def test_the_last_owner_stays(context: Flask) -> None:
    owner = joined(Role.OWNER)
    with pytest.raises(LastOwner):
        accounts.deactivate(OPERATOR, owner.account_id)
    with pytest.raises(LastOwner):
        accounts.change(OPERATOR, owner.account_id, name="Dana", roles=[Role.DESK], practitioner=None)
    joined(Role.OWNER, email="another@clinic.example")
    accounts.deactivate(OPERATOR, owner.account_id)


def test_a_manager_neither_touches_nor_makes_an_owner(context: Flask) -> None:
    manager, owner = joined(Role.MANAGER), joined(Role.OWNER, email="olga@clinic.example")
    for touch in (
        lambda: accounts.one(manager, owner.account_id),
        lambda: accounts.deactivate(manager, owner.account_id),
        lambda: accounts.drop_second_factor(manager, owner.account_id),
        lambda: accounts.end_sign_ins(manager, owner.account_id),
        lambda: accounts.invite(manager, "new@clinic.example", [Role.DESK, Role.OWNER]),
        lambda: accounts.change(
            manager, manager.account_id, name="Dana", roles=[Role.OWNER], practitioner=None
        ),
    ):
        with pytest.raises(NotFound):
            touch()
    accounts.invite(manager, "new@clinic.example", [Role.MANAGER])


def test_ones_own_codes_go_only_for_the_password(context: Flask) -> None:
    """Whoever finds a manager's screen open could else take away what a stolen password fails at."""
    owner, manager = joined(Role.OWNER, email="olga@clinic.example"), joined(Role.MANAGER)
    for who in (owner, manager):
        with pytest.raises(NotFound):
            accounts.drop_second_factor(who, who.account_id)
    accounts.drop_second_factor(owner, manager.account_id)


def test_what_is_done_to_accounts_is_in_the_audit(context: Flask) -> None:
    who = joined(Role.MANAGER)
    accounts.change(OPERATOR, who.account_id, name="Dana", roles=[Role.DESK], practitioner=None)
    entries = {row["what"]: row for row in rows(AuditEntry)}
    assert entries["changed account"]["facts"] == {"roles": [["manager"], ["desk"]]}
    assert entries["changed account"]["name"] == "operator"
    assert {"invited", "accepted invitation"} <= set(entries)


def test_production_takes_no_password_of_the_demo(database_url: str, make_app: MakeApp) -> None:
    app = make_app(
        database_url,
        BOOKING_ENV="production",
        BOOKING_BASE_URL="https://visits.example",
        BOOKING_MAIL_HOST="mail.example",
        BOOKING_MAIL_SENDER="visits@clinic.example",
    )
    with app.app_context():
        with pytest.raises(PasswordTooWeak):
            joined(password=library.DEMO_PASSWORD)
        with pytest.raises(PinTooWeak):
            joined(pin=library.DEMO_PIN, email="another@clinic.example")
        # As after a demo's database was taken into production.
        who = joined(email="third@clinic.example")
        hashed = library.hashed(library.DEMO_PASSWORD)
        passwords.run(
            lambda session: setattr(session.get_one(StaffAccount, who.account_id), "password", hashed)
        )
        for written in (library.DEMO_PASSWORD, library.DEMO_PASSWORD.replace("42", "4２")):
            with pytest.raises(WrongSignIn):
                signing_in.with_password("third@clinic.example", written, address="")
        pin, clerk = library.hashed(library.DEMO_PIN), hired()
        passwords.run(lambda session: setattr(session.get_one(StaffAccount, clerk.account_id), "pin", pin))
        secret = sign_ins.begin(clerk.account_id, address="", browser="", phone=False)
        signed = sign_ins.find(secret, address="")
        assert signed is not None
        with pytest.raises(WrongPin):
            sign_ins.unlock(signed, library.DEMO_PIN)
        assert len(passwords.demo_passwords()) == 2


def test_a_sign_in_lasts_a_shift(context: Flask, standing_clock: StandingClock) -> None:
    secret = sign_ins.begin(hired().account_id, address="", browser="", phone=False)
    standing_clock.on(hours=12, seconds=-1)
    assert sign_ins.find(secret, address="")
    standing_clock.on(seconds=1)
    assert sign_ins.find(secret, address="") is None
    assert sign_ins.whose_shift_is_over(secret) is not None
    assert secret not in str(rows(SignIn))


def test_only_ones_own_sign_ins_are_listed_but_for_those_who_look_after_accounts(context: Flask) -> None:
    clerk, manager = hired(), hired(Role.MANAGER)
    for who in (clerk, manager):
        sign_ins.begin(who.account_id, address="", browser="", phone=False)
    assert len(sign_ins.listed(clerk)) == 1
    assert len(sign_ins.listed(manager)) == 2
    (own,) = sign_ins.listed(clerk)
    theirs = next(one for one in sign_ins.listed(manager) if one.number != own.number)
    with pytest.raises(NotFound):
        sign_ins.end(clerk, theirs.number)
    sign_ins.end(manager, own.number)
    assert not sign_ins.listed(clerk)[0].open
