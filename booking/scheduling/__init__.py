"""What is possible: the pure core. It knows no framework, no database and no clock; `now` and the rules are arguments.

Read `timeline` first, then `hours`, `visit`, `occupancy`, `offers`, `rules`, `reasons`.
"""
