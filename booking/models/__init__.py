"""Rows and their constraints. What may be done with them is said in `booking.services`."""

from booking.models.appointments import Actor, Appointment, HistoryEntry, Payment, Reminders
from booking.models.claims import LONGEST_VISIT, Absence, AbsenceKind, Claim, Hold
from booking.models.clinic import (
    BookableBy,
    Clinic,
    ClinicDatedHours,
    ClinicHours,
    DatedWorkingHours,
    Modality,
    Offering,
    PriceShown,
    VisitKind,
    VisitPhase,
    VisitType,
    WorkingHours,
)
from booking.models.messages import LIVE, Channel, InboundText, Message, MessageState
from booking.models.operations import Heartbeat, Installation, KeptAnswer, RequestCount
from booking.models.patients import OptOut, Patient, TextConsent
from booking.models.resources import Device, Practitioner, Resource, ResourceKind, Room

__all__ = [
    "LIVE",
    "LONGEST_VISIT",
    "Absence",
    "AbsenceKind",
    "Actor",
    "Appointment",
    "BookableBy",
    "Channel",
    "Claim",
    "Clinic",
    "ClinicDatedHours",
    "ClinicHours",
    "DatedWorkingHours",
    "Device",
    "Heartbeat",
    "HistoryEntry",
    "Hold",
    "InboundText",
    "Installation",
    "KeptAnswer",
    "Message",
    "MessageState",
    "Modality",
    "Offering",
    "OptOut",
    "Patient",
    "Payment",
    "Practitioner",
    "PriceShown",
    "Reminders",
    "RequestCount",
    "Resource",
    "ResourceKind",
    "Room",
    "TextConsent",
    "VisitKind",
    "VisitPhase",
    "VisitType",
    "WorkingHours",
]
