"""The calendar feed, as calendar programs read it: parsed by a library, and held to RFC 5545 by hand."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from icalendar import Calendar

from booking.errors import NotFound
from booking.models import Role
from booking.services import visits
from booking.services.desk import statuses
from booking.services.desk.moving import Place, change
from booking.services.own_day import feed as feeds
from booking.services.own_day.zone import timezone
from booking.services.staff.who import Who
from tests.clinics import ABOUT, clinic, practitioner, rooms, set_up, visit_type
from tests.conftest import StandingClock
from tests.services.making import NINE, booked
from tests.staffing import hired

LOS_ANGELES = ZoneInfo("America/Los_Angeles")
NOVEMBER = datetime(2026, 11, 3, 17, 0, tzinfo=UTC)


@pytest.fixture
def ana(context: Flask, standing_clock: StandingClock) -> Who:
    set_up(
        clinic(
            visit_types=[
                visit_type(name="Acupuncture, with needles", phases=[{"name": "needling", "minutes": 30}])
            ],
            practitioners=[practitioner("ana", name="Ana Ruiz"), practitioner("ben")],
            rooms=rooms(2),
        )
    )
    found = hired(Role.PRACTITIONER, practitioner="ana", name="Ana Ruiz")
    feeds.make(found, key="make-a-feed")
    return found


def token(who: Who) -> str:
    address = feeds.settings(who).address
    assert address
    return address.rpartition("/")[2].removesuffix(".ics")


def fetched(who: Who) -> bytes:
    return feeds.feed(token(who), address="127.0.0.1").body()


def entries(who: Who) -> list[Any]:
    return list(Calendar.from_ical(fetched(who)).walk("VEVENT"))


def test_an_entry_says_when_where_and_the_initials_and_no_treatment(ana: Who) -> None:
    visit = booked(practitioner="ana", note="My back, it hurts.")
    booked(practitioner="ben", first_name="Tom", email="tom@example.com")
    (entry,) = entries(ana)
    assert entry.decoded("dtstart") == NINE and entry.decoded("dtend") == NINE + timedelta(minutes=30)
    assert str(entry["summary"]) == "R. L." and str(entry["location"]) == "Room 1"
    assert entry["dtstart"].params["TZID"] == "America/Los_Angeles"
    assert entry["uid"] == f"{visit.reference}-given@localhost" or visit.reference in entry["uid"]
    said = fetched(ana).decode()
    assert not re.search(r"acup|needl|hurts|Rosa|Lima|rosa@|Tom", said, re.IGNORECASE)


def test_names_stand_in_it_only_if_they_are_wished(ana: Who) -> None:
    booked(practitioner="ana")
    feeds.show_names(ana, True, key="show-names")
    assert str(entries(ana)[0]["summary"]) == "Rosa Lima"
    feeds.show_names(ana, False, key="hide-names")
    assert str(entries(ana)[0]["summary"]) == "R. L."


def test_a_visit_keeps_its_uid_and_its_sequence_grows_with_every_change(
    ana: Who, standing_clock: StandingClock
) -> None:
    reference = booked(practitioner="ana").reference
    (before,) = entries(ana)
    standing_clock.at(NINE)
    statuses.arrive(ana, reference, key="arrived-1")
    (after,) = entries(ana)
    assert after["uid"] == before["uid"]
    assert after["sequence"] > before["sequence"]
    assert after.decoded("dtstamp") > before.decoded("dtstamp")


def test_a_uid_is_not_the_patients(ana: Who) -> None:
    """Whoever is a patient here too would else lose one of two entries in their calendar."""
    visit = booked(practitioner="ana")
    from booking.services import calendar

    theirs = Calendar.from_ical(calendar.entry(visits.visit(visit.reference, visit.token), method="PUBLISH"))
    assert entries(ana)[0]["uid"] != theirs.walk("VEVENT")[0]["uid"]


def test_a_cancelled_visit_stays_for_thirty_days_as_cancelled(
    ana: Who, standing_clock: StandingClock
) -> None:
    visit = booked(NOVEMBER, practitioner="ana")
    visits.cancel(visit.reference, visit.token, "", actor="t", key="12345678")
    (entry,) = entries(ana)
    assert str(entry["status"]) == "CANCELLED" and str(entry["summary"]) == "Cancelled: R. L."
    assert str(entry["transp"]) == "TRANSPARENT"
    standing_clock.on(days=30)
    assert len(entries(ana)) == 1
    standing_clock.on(days=1)
    assert entries(ana) == []


def test_past_visits_stay_for_thirty_days(ana: Who, standing_clock: StandingClock) -> None:
    booked(practitioner="ana")
    standing_clock.at(NINE + timedelta(days=30))
    assert len(entries(ana)) == 1
    standing_clock.on(days=1)
    assert entries(ana) == []


def test_the_tag_changes_with_what_the_feed_says_and_only_then(
    ana: Who, standing_clock: StandingClock
) -> None:
    def tag() -> str:
        return feeds.feed(token(ana), address="").etag

    first = tag()
    assert tag() == first
    visit = booked(practitioner="ana")
    second = tag()
    booked(practitioner="ben", first_name="Tom", email="tom@example.com")
    assert second != first and tag() == second
    visits.cancel(visit.reference, visit.token, "", actor="t", key="12345678")
    assert tag() not in (first, second)


def test_a_revoked_address_opens_nothing_also_after_a_new_one(ana: Who) -> None:
    old = token(ana)
    feeds.revoke(ana, key="revoke-12")
    assert feeds.settings(ana).address is None
    feeds.make(ana, key="make-again")
    new = token(ana)
    assert new != old and feeds.feed(new, address="").etag
    with pytest.raises(NotFound):
        feeds.feed(old, address="")
    # The same form twice makes one address.
    feeds.make(ana, key="make-again")
    assert token(ana) == new


def test_the_feed_keeps_to_rfc_5545(ana: Who) -> None:
    for number in range(4):
        booked(NINE + timedelta(minutes=30 * number), practitioner="ana", first_name="Ünsal, " * 12 + r"a;b\c", email=f"{number}@example.com")  # fmt: skip
    feeds.show_names(ana, True, key="show-names")
    body = fetched(ana)
    assert body.endswith(b"END:VCALENDAR\r\n") and b"\n" not in body.replace(b"\r\n", b"")
    assert all(len(line) <= 75 for line in body.split(b"\r\n"))
    lines = body.replace(b"\r\n ", b"").decode().split("\r\n")
    assert lines[0] == "BEGIN:VCALENDAR"
    for needed in (
        "VERSION:2.0",
        "REFRESH-INTERVAL;VALUE=DURATION:PT15M",
        "X-PUBLISHED-TTL:PT15M",
    ):
        assert lines.count(needed) == 1, needed
    assert sum(line.startswith("PRODID:") for line in lines) == 1
    # With a method it would need an organizer; of what is private, Google shows nothing to its owner either.
    assert not [line for line in lines if line.startswith(("METHOD", "CLASS"))]
    assert lines.count("SUMMARY:" + r"Ünsal\, " * 12 + r"a\;b\\c Lima") == 4
    assert lines.count("BEGIN:VTIMEZONE") == 1 and lines.index("BEGIN:VTIMEZONE") < lines.index(
        "BEGIN:VEVENT"
    )
    zones = {found for line in lines for found in re.findall(r"TZID[=:]([^:;]+)", line)}
    assert zones == {"America/Los_Angeles"}
    uids = [line for line in lines if line.startswith("UID:")]
    assert len(uids) == len(set(uids)) == 4
    for line in lines:
        if line.startswith(("DTSTAMP", "CREATED", "LAST-MODIFIED")):
            assert re.fullmatch(r"[A-Z-]+:\d{8}T\d{6}Z", line), line
        if line.startswith(("DTSTART;", "DTEND;")):
            assert re.fullmatch(r"DT(START|END);TZID=America/Los_Angeles:\d{8}T\d{6}", line), line


def test_times_are_right_on_both_sides_of_the_clocks_move(ana: Who) -> None:
    booked(NINE, practitioner="ana")
    booked(NOVEMBER, practitioner="ana", email="n@example.com")
    summer, winter = entries(ana)
    assert (
        summer["dtstart"].to_ical() == b"20260915T090000"
        and winter["dtstart"].to_ical() == b"20261103T090000"
    )
    assert winter.decoded("dtstart") == NOVEMBER


def test_the_zone_has_yearly_rules_that_outlook_reads() -> None:
    written = timezone(LOS_ANGELES, 2026).to_ical().decode()
    assert "RRULE:FREQ=YEARLY;BYDAY=2SU;BYMONTH=3" in written
    assert "RRULE:FREQ=YEARLY;BYDAY=1SU;BYMONTH=11" in written
    assert "RDATE" not in written
    assert "DTSTART:20250309T020000" in written and "TZOFFSETFROM:-0800\r\nTZOFFSETTO:-0700" in written


@pytest.mark.parametrize(
    "name",
    ["America/Los_Angeles", "America/New_York", "Europe/Berlin", "Europe/London", "Australia/Sydney", "Asia/Tokyo",
     "America/Phoenix", "Pacific/Honolulu", "Australia/Lord_Howe", "Africa/Casablanca", "America/St_Johns"],
)  # fmt: skip
def test_a_zone_as_written_is_the_zone_as_it_is(name: str) -> None:
    """Each offset that the written zone tells, for every sixth hour of two years, is the real one."""
    zone = ZoneInfo(name)
    read = timezone(zone, 2026).to_tz()
    at = datetime(2026, 1, 1, tzinfo=UTC)
    while at < datetime(2028, 1, 1, tzinfo=UTC):
        wall = at.astimezone(zone)
        if wall.utcoffset() == wall.replace(fold=1 - wall.fold).utcoffset():
            assert wall.replace(tzinfo=read).utcoffset() == wall.utcoffset(), wall
        at += timedelta(hours=6)


def test_a_clinic_in_another_zone_has_that_zone(context: Flask, standing_clock: StandingClock) -> None:
    set_up(clinic(about={"zone": "Europe/Berlin"}))
    assert ABOUT["zone"] != "Europe/Berlin"
    who = hired(Role.PRACTITIONER, practitioner="ana")
    feeds.make(who, key="make-a-feed")
    assert b"TZID:Europe/Berlin" in fetched(who)


def test_two_visits_that_change_their_practitioners_change_the_feed(
    ana: Who, standing_clock: StandingClock
) -> None:
    desk = hired()
    hers, bens = booked(practitioner="ana"), booked(practitioner="ben", email="sam@example.com")
    booked(NINE + timedelta(days=7), practitioner="ana", email="zoe@example.com")
    # As many versions go as come.
    statuses.confirm(desk, hers.reference, key="confirm-1")
    before = feeds.feed(token(ana), address="").etag
    standing_clock.on(minutes=1)
    later = Place(practitioner="ben", starts_at=NINE + timedelta(hours=1))
    change(desk, hers.reference, later, version=None, key="move-0001")
    change(desk, bens.reference, Place(practitioner="ana"), version=None, key="move-0002")
    assert feeds.feed(token(ana), address="").etag != before
