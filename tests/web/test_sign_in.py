"""Signing in through the pages: password, code, throttle, invitations, accounts, and where one comes out."""

import re
import time
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from click.testing import Result
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from booking import clock
from booking.models import Appointment, AuditEntry, Patient, Role, StaffAccount
from booking.services.staff import accounts, audit, library, second_factor
from booking.services.staff.accounts import OPERATOR
from booking.services.staff.who import Who
from booking.services.transaction import reading
from booking.web.sign_in.auditing import harmless
from booking.web.sign_in.going_on import local
from tests.conftest import MakeApp
from tests.services.making import NEXT_WEEK, booked, rows
from tests.staffing import hired, signed_in
from tests.web.conftest import fields, on_both

LONG = "a kettle on the stove"
DANA = "dana@clinic.example"


def joined(app: Flask, *roles: Role, **how: Any) -> Who:
    with app.app_context():
        invited = accounts.invite(OPERATOR, DANA, roles or (Role.DESK,))
        mark = invited.link.rpartition("/")[2]
        number = accounts.accept(mark, **({"name": "Dana", "password": LONG, "pin": "271828"} | how))
    return Who(number, "Dana", frozenset(roles or (Role.DESK,)))


def posted(client: FlaskClient, page: str, to: str = "", **typed: Any) -> TestResponse:
    """Sends the form of a page, with its hidden fields."""
    return client.post(to or page, data=fields(client.get(page).text) | typed)


def sign_in(
    client: FlaskClient, email: str = DANA, password: str = LONG, page: str = "/staff/sign-in"
) -> TestResponse:
    return posted(client, page, "/staff/sign-in", email=email, password=password)


def errors(answer: TestResponse) -> list[str]:
    return re.findall(r'<p class="error"[^>]*>([^<]+)', answer.text)


def test_the_right_password_leads_to_the_page_that_was_wanted(app: Flask, client: FlaskClient) -> None:
    joined(app, Role.OWNER)
    asked = client.get("/staff/accounts")
    assert asked.status_code == 303 and asked.location == "/staff/sign-in?next=/staff/accounts"
    answer = sign_in(client, page=asked.location)
    assert (answer.status_code, answer.location) == (303, "/staff/accounts")
    assert client.get("/staff/accounts").status_code == 200


@pytest.mark.parametrize(("email", "password"), [(DANA, "not the kettle"), ("nobody@clinic.example", LONG)])
def test_a_wrong_one_says_the_same_whoever_it_is(
    app: Flask, client: FlaskClient, email: str, password: str
) -> None:
    joined(app)
    answer = sign_in(client, email, password)
    assert answer.status_code == 422
    assert errors(answer) == [
        "This address and this password don&#39;t go together. Please type both again, or set a new password."
    ]
    assert f'value="{email}"' in answer.text and password not in answer.text


@on_both
@pytest.mark.parametrize(
    "typed",
    [
        {},
        {"email": "x", "password": "y"},
        {"email": "\x00", "password": "\x00"},
        {"email": DANA, "password": "z" * 20_000},
        {"email": "a@" * 500, "password": "\ud83d"},
    ],
)
def test_what_cannot_be_right_is_answered_in_words(
    app: Flask, client: FlaskClient, typed: dict[str, str]
) -> None:
    typed = {name: value.encode("utf-8", "replace").decode() for name, value in typed.items()}
    answer = posted(client, "/staff/sign-in", **typed)
    assert answer.status_code == 422 and errors(answer)


def test_ten_wrong_ones_end_the_tries_even_with_limits_off(
    database_url: str, make_app: MakeApp, app: Flask
) -> None:
    quick = make_app(database_url, BOOKING_RATE_LIMITS="off")
    joined(app)
    client = quick.test_client()
    answers = [sign_in(client, password="not the kettle at all").status_code for _ in range(11)]
    assert answers == [422] * 10 + [429]
    assert sign_in(client).status_code == 429
    # Somebody else's account is not touched by that.
    assert sign_in(client, "olga@clinic.example").status_code == 422


def test_a_code_is_asked_for_where_there_is_a_second_factor(app: Flask, client: FlaskClient) -> None:
    who = joined(app)
    with app.app_context():
        begun = second_factor.prepare(who)
        second_factor.turn_on(
            who, begun.secret, library._security().totp_factory.generate_totp_password(begun.secret)
        )
    answer = sign_in(client)
    assert answer.location == "/staff/code"
    assert client.get("/staff/me").location.startswith("/staff/sign-in")
    assert posted(client, "/staff/code", code="000000").status_code == 422
    with time_machine.travel(time.time() + 90):
        with app.app_context():
            code = library._security().totp_factory.generate_totp_password(begun.secret)
        answer = posted(client, "/staff/code", code=code)
        assert answer.status_code == 303 and client.get("/staff/me").status_code == 200


def test_a_short_password_leads_to_the_codes_until_they_are_on(app: Flask, client: FlaskClient) -> None:
    joined(app, Role.OWNER, password="8 of kin", second_factor=True)
    sign_in(client, password="8 of kin")
    assert client.get("/staff/accounts").location == "/staff/me/codes"
    page = client.get("/staff/me/codes")
    assert "<svg" in page.text and "style=" not in page.text
    secret = fields(page.text)["secret"].replace("&#34;", '"')
    with app.app_context():
        code = library._security().totp_factory.generate_totp_password(secret)
    token = fields(page.text)["csrf_token"]
    shown = client.post("/staff/me/codes", data={"csrf_token": token, "secret": secret, "code": code})
    assert shown.status_code == 200 and len(re.findall(r"<li>[0-9a-f-]{14}</li>", shown.text)) == 8
    assert client.get("/staff/accounts").status_code == 200


@on_both
@pytest.mark.parametrize(
    "secret", ["", "x", "{}", '{"v":1,"type":"totp","key":"JBSWY3DP"}', "\x00", "x" * 5000]
)
def test_a_secret_that_we_did_not_make_is_not_taken(app: Flask, client: FlaskClient, secret: str) -> None:
    joined(app)
    sign_in(client)
    page = fields(client.get("/staff/me/codes").text)
    answer = client.post("/staff/me/codes", data=page | {"secret": secret, "code": "123456"})
    assert answer.status_code == 422


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "/a\nb",
        "",
        "x",
        "/" * 2000,
    ],
)
def test_no_other_site_gets_somebody_who_signed_in(address: str) -> None:
    assert local(address) == ""


def test_a_new_sign_in_ends_the_one_before_in_that_browser(app: Flask, client: FlaskClient) -> None:
    joined(app)
    sign_in(client)
    with client.session_transaction() as session:
        first = session["sign_in"]
    sign_in(client)
    other = app.test_client()
    with other.session_transaction() as session:
        session["sign_in"] = first
    assert other.get("/staff/me").status_code == 303


def test_signing_out_ends_it_for_whoever_kept_the_cookie(app: Flask, client: FlaskClient) -> None:
    joined(app)
    sign_in(client)
    with client.session_transaction() as session:
        kept = session["sign_in"]
    assert posted(client, "/staff/me", "/staff/sign-out").location == "/staff/sign-in"
    with client.session_transaction() as session:
        session["sign_in"] = kept
    assert client.get("/staff/me").status_code == 303


def test_a_script_learns_it_by_a_status(app: Flask, client: FlaskClient) -> None:
    for headers in ({"Accept": "application/json"}, {"X-Poll": "1"}, {"Sec-Fetch-Mode": "cors"}):
        answer = client.get("/staff/me", headers=headers)
        assert (answer.status_code, answer.json["code"]) == (401, "signed_out")


def test_an_invitation_is_accepted_on_its_page(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        link = accounts.invite(OPERATOR, DANA, [Role.OWNER]).link
    page = "/staff/" + link.partition("/staff/")[2]
    refused = posted(client, page, name="Dana", password="short", pin="111111")
    assert refused.status_code == 422 and len(errors(refused)) == 1 and 'value="Dana"' in refused.text
    assert posted(client, page, name="Dana", password=LONG, pin="111111").status_code == 422
    answer = posted(client, page, name="Dana", password=LONG, pin="271828")
    assert answer.status_code == 303 and client.get("/staff/accounts").status_code == 200
    assert app.test_client().get(page).status_code == 410


def test_accounts_are_invited_changed_and_ended_on_their_pages(app: Flask) -> None:
    with app.app_context():
        owner = hired(Role.OWNER)
    client = signed_in(app, owner)
    answer = posted(
        client, "/staff/accounts", email="new@clinic.example", name="New One", roles=["desk", "manager"]
    )
    assert answer.status_code == 303
    page = answer.location
    assert "The invitation is on its way." in client.get(page).text
    assert posted(client, page, name="New Name", roles=["practitioner"]).status_code == 422
    assert (
        posted(client, page, name="New Name", roles=["practitioner"], practitioner="ana").status_code == 303
    )
    assert "New Name" in client.get("/staff/accounts").text
    assert posted(client, page, f"{page}/deactivate").status_code == 303
    with app.app_context(), reading() as session:
        account = session.get_one(StaffAccount, int(page.rpartition("/")[2]))
    assert (account.active, account.role_names) == (False, ["practitioner"])


@on_both
@pytest.mark.parametrize(
    "typed",
    [
        {},
        {"email": "x", "name": "", "roles": "desk"},
        {"email": "a@b.example", "name": "A", "roles": "emperor"},
        {"email": "a@b.example", "name": "\x00", "roles": "desk"},
        {"email": "a@b.example", "name": "A", "roles": "desk", "practitioner": "nobody"},
    ],
)
def test_an_invitation_that_makes_no_sense_is_answered_in_words(app: Flask, typed: dict[str, str]) -> None:
    with app.app_context():
        owner = hired(Role.OWNER)
    answer = posted(signed_in(app, owner), "/staff/accounts", **typed)
    assert answer.status_code == 422


def test_a_manager_cannot_make_an_owner_by_a_form_of_their_own(app: Flask) -> None:
    with app.app_context():
        manager = hired(Role.MANAGER)
    client = signed_in(app, manager)
    assert 'value="owner"' not in client.get("/staff/accounts").text
    answer = posted(client, "/staff/accounts", email="new@clinic.example", name="New", roles="owner")
    assert answer.status_code == 422


def test_the_audit_is_filtered_and_taken_along_and_that_is_in_it_as_well(app: Flask) -> None:
    with app.app_context():
        owner = hired(Role.OWNER, name="=HYPERLINK(1)")
        audit.saw(owner, "opened patient", "patient/X")
    client = signed_in(app, owner)
    assert "Opened a patient" in client.get("/staff/audit").text
    assert "Opened a patient" not in client.get("/staff/audit?until=2020-01-01").text
    assert client.get("/staff/audit?since=yesterday").status_code == 422
    for strange in (
        "since=9999-12-31",
        "since=0001-01-01",
        "person=x",
        "before=-1",
        "patient=%00",
        "until=%F0%9F",
    ):
        assert client.get(f"/staff/audit?{strange}").status_code in (200, 422)
    file = client.get("/staff/audit.csv")
    assert file.mimetype == "text/csv" and "'=HYPERLINK(1)" in file.text
    assert "Took the audit along as a file" in client.get("/staff/audit").text


def test_who_looks_into_the_audit_of_a_patient_is_in_it_with_that_patient(app: Flask) -> None:
    with app.app_context():
        owner = hired(Role.OWNER)
        patient_id = of_rosa()
        reference = patient_reference(patient_id)
    client = signed_in(app, owner)
    for _ in range(2):
        client.get("/staff/audit")
        # Of whom nobody was ever seen, that is an answer as well.
        client.get(f"/staff/audit?patient={reference}&until=2020-01-01")
    client.get("/staff/audit?patient=NOBODY")
    with app.app_context():
        looked = [row["patient_id"] for row in rows(AuditEntry) if row["what"] == "looked into audit"]
    assert looked == [None, patient_id, patient_id]


def test_who_saw_goes_by_the_clinics_days(app: Flask) -> None:
    with app.app_context():
        patient_id = of_rosa()
        reference, clerk = patient_reference(patient_id), hired()
        # Ten in the evening of the fourteenth, in Encino.
        with clock.turned_to(datetime(2026, 9, 15, 5, tzinfo=UTC)):
            audit.saw(clerk, "opened patient", f"patient/{reference}", [patient_id])
            audit.saw_this_hour(clerk, "saw board", "board/2026-09-15")

    def told(since: str, until: str) -> str:
        args = ["staff", "who-saw", reference, "--since", since, "--until", until]
        return app.test_cli_runner().invoke(args=args).output

    evening = told("2026-09-14", "2026-09-14")
    assert "2026-09-14T22:00:00-07:00  read   Dana Desk: Opened a patient" in evening
    assert "Looked at the board  (Board 2026-09-15)" in evening
    assert "Opened a patient" not in told("2026-09-15", "2026-09-15")
    assert "Opened a patient" in told("2026-09-14T22:00", "2026-09-15T05:00:00Z")
    assert "Opened a patient" not in told("2026-09-14T22:01", "2026-09-14T23:00")
    assert "9999-12-31 is no day" in told("2026-09-14", "9999-12-31")


def test_who_saw_finds_a_patient_as_the_desk_does_and_of_several_asks_which(app: Flask) -> None:
    with app.app_context():
        patient_id = of_rosa()
        reference, clerk = patient_reference(patient_id), hired()
        audit.saw(clerk, "opened patient", f"patient/{reference}", [patient_id])
        booked(NEXT_WEEK, first_name="Rosalind", email="rosalind@example.com", phone="+18185550177")

    def told(*words: str) -> Result:
        args = ["staff", "who-saw", *words, "--since", "2026-09-14", "--until", "2026-09-14"]
        return app.test_cli_runner().invoke(args=args)

    assert f"{reference}  Rosa Lima  rosa@example.com" in told("rosa@example.com").stderr
    by_number = told("lim", "0177")
    assert by_number.exit_code == 0 and "Rosalind Lima  (818) 555-0177" in by_number.stderr
    assert "Opened a patient" not in by_number.stdout
    several = told("lima")
    assert several.exit_code == 1 and reference in several.stderr and "2 patients" in several.stderr
    assert "Opened a patient" not in several.output
    assert "Opened a patient" in told(reference).stdout and told("nobody").exit_code == 1
    with app.app_context():
        assert [row["name"] for row in rows(AuditEntry) if row["what"] == "searched"] == ["operator"] * 4


def test_the_audit_speaks_the_words_of_staff(app: Flask) -> None:
    with app.app_context():
        owner = hired(Role.OWNER)
        patient_id = of_rosa()
        for name, subject in (("needles_in", "appointment/ABC"), ("checked-in", ""), ("never heard", "x/1")):
            audit.saw(owner, name, subject, [patient_id])
        reference = patient_reference(patient_id)
    page = signed_in(app, owner).get("/staff/audit").text
    asked = ["staff", "who-saw", reference, "--since", "2020-01-01", "--until", "2030-01-01"]
    for told in (page, app.test_cli_runner().invoke(args=asked).output):
        assert "Needles in" in told and "In the room" in told and "Never heard" in told
        assert "Visit ABC" in told and "needles_in" not in told and "checked-in" not in told


def of_rosa() -> int:
    reference = booked().reference
    with reading() as session:
        return session.scalars(select(Appointment.patient_id).where(Appointment.reference == reference)).one()


def patient_reference(number: int) -> str:
    with reading() as session:
        return session.get_one(Patient, number).reference


def test_a_part_of_the_audit_is_not_taken_for_the_whole(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    with app.app_context():
        owner = hired(Role.OWNER)
        for number in range(4):
            audit.saw(owner, "opened patient", f"patient/{number}")
    monkeypatch.setattr(audit, "AN_EXPORT", 3)
    answer = signed_in(app, owner).get("/staff/audit.csv")
    assert answer.status_code == 422 and "choose a shorter time" in answer.text


@pytest.mark.parametrize("words", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1"])
def test_no_cell_is_a_formula(words: str) -> None:
    assert harmless(words) == f"'{words}"
    assert harmless("plain") == "plain"


def test_an_operator_invites_lists_and_ends(app: Flask) -> None:
    run = app.test_cli_runner().invoke
    told = run(args=["staff", "invite", DANA, "--role", "owner", "--role", "desk"])
    assert told.exit_code == 0 and "/staff/invitation/" in told.output
    assert "invited" in run(args=["staff", "list"]).output
    assert run(args=["staff", "invite", DANA, "--role", "practitioner"]).exit_code == 1
    assert (
        run(
            args=["staff", "invite", "x@y.example", "--role", "practitioner", "--practitioner", "no"]
        ).exit_code
        == 1
    )
    assert run(args=["staff", "deactivate", "nobody@clinic.example"]).exit_code == 1
    assert run(args=["staff", "end-sign-ins", DANA]).exit_code == 0
    assert (
        run(args=["staff", "who-saw", "NOBODY", "--since", "2026-01-01", "--until", "2026-12-31"]).exit_code
        == 1
    )
    assert run(args=["staff", "who-saw", "X", "--since", "soon", "--until", "late"]).exit_code == 1


def test_what_was_said_for_another_page_breaks_none(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        owner, other = hired(Role.OWNER), hired(Role.DESK)
    signed_in(app, owner, client)
    page = f"/staff/accounts/{other.account_id}"
    for to, next_page in ((f"{page}/end-sign-ins", "/staff/me"), ("/staff/me/preferences", page)):
        assert posted(client, "/staff/me", to).status_code == 303
        assert client.get(next_page).status_code == 200
