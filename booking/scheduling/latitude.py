"""What staff may do with a place: where all rules are kept, where a reason is needed, and where nobody may."""

from enum import StrEnum


class Breach(StrEnum):
    """A rule that staff may pass with a reason."""

    IN_THE_PAST = "in_the_past"
    TOO_SOON = "too_soon"
    BEYOND_HORIZON = "beyond_horizon"
    OUTSIDE_HOURS = "outside_hours"
    PRACTITIONER_LIMIT = "practitioner_limit"
    PATIENT_LIMIT = "patient_limit"
    PAUSE = "pause"
    TURNOVER = "turnover"
    TOO_MANY_AT_ONCE = "too_many_at_once"
    SHORTENED = "shortened"
    OTHER_ROOM_KIND = "other_room_kind"


class Taken(StrEnum):
    """Something that nobody can pass."""

    NOT_OFFERED = "not_offered"
    AWAY = "away"
    PRACTITIONER_TAKEN = "practitioner_taken"
    ROOM_TAKEN = "room_taken"
    DEVICE_TAKEN = "device_taken"
    PATIENT_ELSEWHERE = "patient_elsewhere"
