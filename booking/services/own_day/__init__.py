"""A practitioner's own calendar: the day, the week, time off, the feed and tomorrow's list.

What is shown here are the visits that the practitioner gives; `who` must be one (`practitioner_of`).
"""
