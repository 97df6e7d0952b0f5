"""Plans of many visits: proposed, booked whole or not at all, and kept whole. Their life is told in docs/plan-life.md.

- Asked for: `prescribing` and `handing_over` its link (`links`), or `arranging` it at the desk.
- Found: `wanted` is the question and `ground` what is free; `proposing` answers it, or `impossible` says why not. What coverage
  leaves for it is in `allowed`.
- Booked: what was chosen (`choosing`) is kept while somebody types (`holding`) and booked whole (`booking`, `recording`).
- Read: `reading` has it as it stands, with its `visits` and `weeks` and what its history `said`; `as_told` as its patient knows it.
- Kept whole: `asking_again` has what it still asks for, and `besides` what its patient has besides it. Times for one visit are in
  `replacing`. What is missing is in `lacking`, times for it in `make_ups`, and `repairing` books or offers them; what one visit
  elsewhere would mean is in `suffering`.
- Changed: by `changing`, `frequency`, `extending`, `shifting`, `correcting` and `reminding`, all in the way of `altering`. What
  staff changed can be taken back (`taking_back`, `as_it_was`).
- By itself, for many plans `one_by_one`: a plan that its patient began waits to be confirmed (`beginning`), times for what was
  missed are sent (`offering`), and it ends (`finishing`).
- Smaller than a plan, the same machinery: `series`, `series_booking`, `same_day`.

Staff see all of them by `adherence`, as `judging` has them, and one visit's place in its plan by `places`.
"""
