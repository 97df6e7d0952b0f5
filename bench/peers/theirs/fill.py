"""Makes django-appointment's database: the clinic that comes on standard input, and its visits.

A practitioner has one stretch of hours a day there, so the pause at noon is an unavailability of each day,
which is how the package wants a break to be told. Prints the numbers of the service and of the staff, in the
clinic's order.
"""

import json
import sys
from datetime import date, datetime, time, timedelta
from typing import Any

import django
from django.core.management import call_command
from django.db import connection

django.setup()

# Models can be imported only when Django is set up.
from appointment import models  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402


def main() -> None:
    clinic = json.load(sys.stdin)
    # The package brings no migrations; this makes the tables that those it has us make would make.
    call_command("migrate", run_syncdb=True, verbosity=0)
    models.Config(
        slot_duration=clinic["step_minutes"],
        appointment_buffer_time=clinic["notice_minutes"],
        website_name="Measured Clinic",
    ).save()
    services = {
        minutes: models.Service.objects.create(name=name, duration=timedelta(minutes=minutes), price=0)
        for name, minutes in clinic["minutes"].items()
    }
    staff = [_staff_member(name, clinic, list(services.values())) for name in clinic["people"]]
    _visits(clinic, services, staff)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    json.dump(
        {"service": services[clinic["minutes"]["plain"]].pk, "staff": [member.pk for member in staff]},
        sys.stdout,
    )


def _staff_member(name: str, clinic: dict[str, Any], services: list[models.Service]) -> models.StaffMember:
    user = User.objects.create_user(name, f"{name}@clinic.example", first_name=name)
    member = models.StaffMember.objects.create(user=user)
    member.services_offered.set(services)
    (opens, pause), (resumes, closes) = [[time.fromisoformat(at) for at in part] for part in clinic["hours"]]
    for day in range(7):
        models.WorkingHours.objects.create(
            staff_member=member, day_of_week=day, start_time=opens, end_time=closes
        )
    first = date.fromisoformat(clinic["first"])
    models.Unavailability.objects.bulk_create(
        models.Unavailability(
            staff_member=member, date=first + timedelta(days=n), start_time=pause, end_time=resumes
        )
        for n in range(-1, clinic["horizon_days"])
    )
    return member


def _visits(
    clinic: dict[str, Any], services: dict[int, models.Service], staff: list[models.StaffMember]
) -> None:
    numbers = sorted({patient for *_, patient in clinic["visits"]})
    users = User.objects.bulk_create(
        User(
            username=f"patient{number}",
            email=f"patient{number}@example.com",
            first_name="Long",
            last_name="Ago",
            password="!",
        )
        for number in numbers
    )
    clients = dict(zip(numbers, users, strict=True))
    # Saved one by one, a visit would refuse to lie in the past.
    wanted = []
    for number, (place, begins, minutes, _) in enumerate(clinic["visits"]):
        start = datetime.fromisoformat(begins)
        wanted.append(
            models.AppointmentRequest(
                date=start.date(),
                start_time=start.time(),
                end_time=(start + timedelta(minutes=minutes)).time(),
                service=services[minutes],
                staff_member=staff[place],
                id_request=f"request{number}",
            )
        )
    made = models.AppointmentRequest.objects.bulk_create(wanted, batch_size=1000)
    models.Appointment.objects.bulk_create(
        (
            models.Appointment(
                client=clients[patient],
                appointment_request=request,
                amount_to_pay=0,
                id_request=request.id_request,
            )
            for request, (*_, patient) in zip(made, clinic["visits"], strict=True)
        ),
        batch_size=1000,
    )


if __name__ == "__main__":
    main()
