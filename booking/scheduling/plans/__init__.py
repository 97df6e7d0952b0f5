"""Treatment plans: all visits of some weeks, found at once.

`course` is what a plan prescribes, `windows` when its patient can come, and `keeping` the rules that its visits keep. To find
them, `task` says what is asked for and what a plan costs, `beginnings` in which week somebody new begins, `supply` and `doses`
what each weekday has and may be used for, and `weekdays` what its visits cost; `search` goes from weekday to weekday, within
`effort`, `finder` finds the plan that costs least, and `proposals` up to three that are unlike. Long plans go by `parts`, those
with a visit a week by `sparse` and `covering`.
docs/plans.md explains how. Where all times are given, `fewest` says with whom.
"""
