"""Appointment booking for acupuncture and integrative clinics."""
