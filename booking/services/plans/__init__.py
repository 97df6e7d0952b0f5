"""Plans of many visits: proposed, booked whole or not at all, and kept whole. Their life is told in docs/plan-life.md.

- Asked for: `prescribing` and `handing_over` its link, or `arranging` it at the desk.
- Found: `wanted` is the question and `ground` what is free; `proposing` answers it, or `impossible` says why not. What coverage
  leaves for it is in `allowed`.
- Booked: what was chosen (`choosing`) is kept while somebody types (`holding`) and booked whole (`booking`, `recording`).
- Kept whole: `reading` has it as it stands, with its `visits` and `weeks`; `asking_again` has what it still asks for, and `besides`
  what its patient has besides it. Times for one visit are in `replacing`. What is missing is in `lacking`, times for it in
  `make_ups`, and `repairing` books or offers them (`offering` by itself); what one visit elsewhere would mean is in `suffering`. It
  is changed by `changing`, `frequency`, `shifting` and `correcting`, all in the way of `altering`, and ends by itself in `finishing`.
- Smaller than a plan: `series`, `series_booking`, `same_day`.

Staff see all of them by `adherence`, and one visit's place in its plan by `places`.
"""
