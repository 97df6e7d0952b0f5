"""The words of the audit: what was seen or done, and of what. The rows themselves keep short names that never change."""

from collections.abc import Mapping
from typing import Any

from flask_babel import lazy_gettext as lazy

from booking.web.visit_words import HAPPENED

WHAT: Mapping[str, Any] = HAPPENED | {
    # Of patients and visits
    "opened patient": lazy("Opened a patient"),
    "made patient": lazy("Made a patient's record"),
    "edited patient": lazy("Edited a patient"),
    "searched": lazy("Searched for a patient"),
    "merged": lazy("Merged two records"),
    "took merge back": lazy("Took a merge back"),
    "opened coverage": lazy("Looked at a patient's coverage"),
    "coverage_added": lazy("Added coverage"),
    "coverage_changed": lazy("Changed coverage"),
    "coverage_moved": lazy("Changed the order of coverage"),
    "coverage_ended": lazy("Ended coverage"),
    "coverage_reopened": lazy("Took the end of coverage back"),
    "coverage_improving": lazy("Recorded whether a patient improves"),
    "coverage_seen": lazy("Saw to coverage that runs low"),
    "opened visit": lazy("Opened a visit"),
    "looked for times": lazy("Looked for times for a visit"),
    "confirmed": lazy("Confirmed"),
    # Of treatment plans
    "opened plan": lazy("Opened a plan"),
    "prescribed plan": lazy("Prescribed a plan"),
    "booked plan": lazy("Booked a plan"),
    "sent plan link": lazy("Sent a plan's link"),
    "showed plan link": lazy("Showed a plan's link"),
    "withdrew plan": lazy("Took a plan back"),
    "confirmed plan": lazy("Confirmed a plan"),
    "stopped plan": lazy("Stopped a plan"),
    "paused plan": lazy("Paused a plan"),
    "went on plan": lazy("Ended the pause of a plan"),
    "decided plan": lazy("Decided how a plan goes on"),
    "told plan": lazy("Told a patient what was decided about their plan"),
    "changed doses": lazy("Changed how often a plan's patient comes"),
    "look booked": lazy("Booked a reassessment of a plan"),
    "moved plan": lazy("Moved visits of a plan"),
    "took back change of plan": lazy("Took back a change of a plan"),
    "extended": lazy("Extended a plan by further weeks"),
    "not needed": lazy("Said that a missing visit isn't needed"),
    "needed": lazy("Said that a missing visit is needed after all"),
    "made up": lazy("Booked a visit in place of one that was missed or cancelled"),
    "offered make-up": lazy("Sent times in place of a visit that was missed or cancelled"),
    "saw plans": lazy("Looked at the board of plans"),
    # Of the desk's lists
    "saw board": lazy("Looked at the board"),
    "printed day": lazy("Printed the day"),
    "saw glance": lazy("Looked at “At a glance”"),
    "saw calls": lazy("Looked at the calls"),
    "called": lazy("Called"),
    "put call back": lazy("Put a call back"),
    "saw tasks": lazy("Looked at “To do”"),
    "settled task": lazy("Settled something to do"),
    "reopened task": lazy("Put something to do back"),
    "saw messages": lazy("Looked at the messages"),
    "sent again": lazy("Sent a message again"),
    "took message back": lazy("Took a message back"),
    "settled message": lazy("Took a message off the list"),
    "settled text": lazy("Read a text"),
    "resumed sending": lazy("Let the messages go again"),
    "saw unsettled": lazy("Looked at visits that aren't closed"),
    "closed day": lazy("Closed the day"),
    "reopened day": lazy("Took the closing of the day back"),
    "saw time off": lazy("Looked at time off"),
    # Of practitioners
    "saw own day": lazy("Looked at their day"),
    "saw own week": lazy("Looked at their week"),
    "entered time off": lazy("Entered time off"),
    "took back time off": lazy("Took time off back"),
    "made feed": lazy("Made a calendar address"),
    "revoked feed": lazy("Switched the calendar address off"),
    "changed feed": lazy("Changed what the calendar shows"),
    "read feed": lazy("A calendar program read their visits"),
    "changed tomorrow's mail": lazy("Changed tomorrow's list by mail"),
    # Of accounts and sign-ins
    "invited": lazy("Invited somebody"),
    "accepted invitation": lazy("Accepted the invitation"),
    "changed account": lazy("Changed an account"),
    "deactivated account": lazy("Ended an account"),
    "activated account": lazy("Opened an account again"),
    "signed in": lazy("Signed in"),
    "signed out": lazy("Signed out"),
    "sign-in refused": lazy("A sign-in with a wrong password"),
    "code refused": lazy("A sign-in with a wrong code"),
    "locked": lazy("Locked the screen"),
    "unlocked": lazy("Opened the screen"),
    "wrong pin": lazy("Typed a wrong PIN"),
    "ended sign-in": lazy("Ended a sign-in"),
    "ended sign-ins": lazy("Ended all sign-ins of an account"),
    "changed password": lazy("Changed their password"),
    "set a new password by link": lazy("Set a new password by a link"),
    "changed pin": lazy("Changed their PIN"),
    "turned codes on": lazy("Switched codes on"),
    "turned codes off": lazy("Switched codes off"),
    "dropped second factor": lazy("Switched an account's codes off"),
    "made recovery codes": lazy("Made new recovery codes"),
    "used a recovery code": lazy("Used a recovery code"),
    # Of the audit itself
    "looked into audit": lazy("Looked into the audit"),
    "exported audit": lazy("Took the audit along as a file"),
    "asked who saw": lazy("Asked who saw a record"),
}

OF_WHAT: Mapping[str, Any] = {
    "absence": lazy("Time off"),
    "account": lazy("Account"),
    "appointment": lazy("Visit"),
    "audit": lazy("Audit"),
    "board": lazy("Board"),
    "calls": lazy("Calls"),
    "day": lazy("Day"),
    "feed": lazy("Calendar"),
    "glance": lazy("At a glance"),
    "message": lazy("Message"),
    "messages": lazy("Messages"),
    "patient": lazy("Patient"),
    "plan": lazy("Plan"),
    "plans": lazy("Plans"),
    "task": lazy("To do"),
    "text": lazy("Text"),
    "time-off": lazy("Time off"),
    "to-do": lazy("To do"),
    "week": lazy("Week"),
}


def what(name: str) -> str:
    return str(WHAT.get(name) or name.replace("_", " ").capitalize())


def of_what(subject: str) -> str:
    """As in "Visit 7KQ2M9RTPA"."""
    kind, _slash, rest = subject.partition("/")
    return f"{OF_WHAT.get(kind, kind)} {rest.replace('/', ', ')}".strip()
