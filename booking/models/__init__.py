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
from booking.models.desk import Merge, PatientChange, Task, TaskKind
from booking.models.messages import LIVE, Channel, InboundText, Message, MessageState
from booking.models.operations import Heartbeat, Installation, KeptAnswer, RequestCount
from booking.models.patients import FLAGS, OptOut, Patient, TextConsent
from booking.models.plans import Coverage, Plan, PlanEntry, PlanReminders, PlanStatus, PlanTemplate
from booking.models.resources import Device, Practitioner, Resource, ResourceKind, Room
from booking.models.staff import AuditEntry, Draft, Role, SignIn, StaffAccount

__all__ = [
    "FLAGS",
    "LIVE",
    "LONGEST_VISIT",
    "Absence",
    "AbsenceKind",
    "Actor",
    "Appointment",
    "AuditEntry",
    "BookableBy",
    "Channel",
    "Claim",
    "Clinic",
    "ClinicDatedHours",
    "ClinicHours",
    "Coverage",
    "DatedWorkingHours",
    "Device",
    "Draft",
    "Heartbeat",
    "HistoryEntry",
    "Hold",
    "InboundText",
    "Installation",
    "KeptAnswer",
    "Merge",
    "Message",
    "MessageState",
    "Modality",
    "Offering",
    "OptOut",
    "Patient",
    "PatientChange",
    "Payment",
    "Plan",
    "PlanEntry",
    "PlanReminders",
    "PlanStatus",
    "PlanTemplate",
    "Practitioner",
    "PriceShown",
    "Reminders",
    "RequestCount",
    "Resource",
    "ResourceKind",
    "Role",
    "Room",
    "SignIn",
    "StaffAccount",
    "Task",
    "TaskKind",
    "TextConsent",
    "VisitKind",
    "VisitPhase",
    "VisitType",
    "WorkingHours",
]
