"""Treatment plans: all visits of some weeks, found at once.

`course` is what a plan prescribes, and `keeping` the rules that its visits keep. To find them, `task` says what is asked for and
what a plan costs, `weekdays` what the visits of one weekday cost; `search` goes from weekday to weekday, `finder` finds the plan
that costs least, and `proposals` up to three that are unlike. docs/plans.md explains how. Where all times are given,
`fewest` says with whom.
"""
