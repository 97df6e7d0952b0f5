"""What staff do with visits and patients: one function is one thing that a person does, in one transaction.

Each begins with `who` does it. Staff may pass the rules with a reason; nobody passes a clash of claims.

- The day: `board`, drawn by `drawing`, with those `cancelled`; what wants eyes at a `glance`, and how much is `pressing`.
- A visit: booked (`new_visit`, at `openings`), and moved (`moving`) to one of the `places` that it may have by `asking` the engine;
  its `statuses`, and `undoing` any of it to the `states` before. `panel` has it in full, and `stories` why which message went.
- Patients: found (`people`, by the `directory`), their `records` on a `record_page`, how they are reminded (`reminding`), their
  `coverage` and where it is `running_low`, and two records made one (`merging`).
- Told: whom to call (`calls`, by `whom_to_call`), what messages need (`outgoing`, `resending`), and what is still `owed`.
- In the evening: `closing` the day.
"""
