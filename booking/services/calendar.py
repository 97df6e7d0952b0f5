"""The calendar entry of a visit: for files, for mails, and as links to the usual calendars.

It says the least: the clinic's name for messages, the place, and how to change the visit; no treatment. UID and
DTSTAMP come from the row, so the same state makes the same file.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlencode, urlsplit

from flask import current_app
from flask_babel import gettext as _
from icalendar import Calendar, Event, vCalAddress, vText

from booking import clock
from booking.formatting import phone
from booking.scheduling.status import Status
from booking.services import links as patients_links
from booking.services.visits import Visit

Method = Literal["PUBLISH", "REQUEST", "CANCEL"]


@dataclass(frozen=True)
class CalendarLinks:
    """Addresses that add the visit to calendars on the web."""

    google: str
    outlook: str
    yahoo: str


def title(visit: Visit) -> str:
    return str(_("Visit at %(clinic)s", clinic=visit.clinic.message_name))


def entry(visit: Visit, *, method: Method, attendee: str | None = None) -> bytes:
    """The entry as a calendar file. REQUEST and CANCEL are for mails and name the attendee."""
    return _file([_event(visit, method, attendee)], method)


def plan_calendar(
    visits: Iterable[Visit], *, method: Method = "PUBLISH", attendee: str | None = None
) -> bytes:
    """All visits of a plan as one calendar file, each with the entry that it has by itself."""
    return _file([_event(visit, method, attendee) for visit in visits], method)


def _event(visit: Visit, method: Method, attendee: str | None) -> Event:
    clinic = visit.clinic
    event = Event()
    event.add("uid", f"{visit.reference}@{urlsplit(current_app.config['BOOKING'].base_url).hostname}")
    event.add("dtstamp", visit.changed_at)
    event.add("sequence", visit.sequence)
    event.add("dtstart", visit.starts_at)
    event.add("dtend", visit.ends_at)
    event.add("summary", title(visit))
    event.add("location", ", ".join(clinic.address))
    gone = method == "CANCEL" or visit.status is Status.CANCELLED
    if not gone:
        event.add("description", _details(visit))
    standing = "TENTATIVE" if visit.penciled else "CONFIRMED"
    event.add("status", "CANCELLED" if gone else standing)
    organizer = vCalAddress(f"mailto:{clinic.mailbox}")
    organizer.params["CN"] = vText(clinic.message_name)
    event.add("organizer", organizer)
    if attendee:
        guest = vCalAddress(f"mailto:{attendee}")
        guest.params["RSVP"] = vText("FALSE")
        guest.params["PARTSTAT"] = vText("ACCEPTED")
        event.add("attendee", guest)
    return event


def _file(events: Iterable[Event], method: Method) -> bytes:
    calendar = Calendar()
    calendar.add("prodid", "-//clinic-booking//visits//EN")
    calendar.add("version", "2.0")
    calendar.add("method", method)
    for event in events:
        calendar.add_component(event)
    written: bytes = calendar.to_ical()
    return written


def links(visit: Visit) -> CalendarLinks:
    start, end = visit.starts_at, visit.ends_at
    place, words, name = ", ".join(visit.clinic.address), _details(visit), title(visit)
    stamp = "%Y%m%dT%H%M%SZ"
    iso = "%Y-%m-%dT%H:%M:%SZ"
    return CalendarLinks(
        google="https://calendar.google.com/calendar/render?"
        + urlencode(
            {
                "action": "TEMPLATE",
                "text": name,
                "dates": f"{start:{stamp}}/{end:{stamp}}",
                "location": place,
                "details": words,
            }
        ),
        outlook="https://outlook.live.com/calendar/0/deeplink/compose?"
        + urlencode(
            {
                "rru": "addevent",
                "subject": name,
                "startdt": f"{start:{iso}}",
                "enddt": f"{end:{iso}}",
                "location": place,
                "body": words,
            }
        ),
        yahoo="https://calendar.yahoo.com/?"
        + urlencode(
            {
                "v": "60",
                "title": name,
                "st": f"{start:{stamp}}",
                "et": f"{end:{stamp}}",
                "in_loc": place,
                "desc": words,
            }
        ),
    )


def _details(visit: Visit) -> str:
    """How to change the visit: pressing No in a calendar doesn't."""
    link = patients_links.address(visit.reference, visit.link_number)
    if visit.may_change(clock.now()):
        how = _("To change or cancel, use this link: %(link)s", link=link)
    else:
        number = phone(visit.clinic.phone)
        how = _("To see the visit: %(link)s To change it, please call %(phone)s.", link=link, phone=number)
    return f"{how} {_('Answering No in your calendar does not cancel the visit.')}"
