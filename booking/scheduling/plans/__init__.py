"""Treatment plans: all visits of some weeks, found at once.

`task` says what is asked for and what a plan costs, `weekdays` what the visits of one weekday cost, `finder` finds the plan
that costs least.
"""
