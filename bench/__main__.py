"""What pages and use cases cost, against yardsticks in the same run. A figure that isn't reached is printed as it is."""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from datetime import UTC, datetime

from bench import calls, history, inside, pages, plan_growth, plan_services, plans, staff, yardsticks
from bench.measuring import Figure
from tests import databases

LONG = 100


def main() -> int:
    databases.on_disk()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repeats, and no long history")
    parser.add_argument("--databases", nargs="+", default=["sqlite", "postgresql"])
    given = parser.parse_args()
    repeats, requests, after = (2, 60, 1000) if given.quick else (5, 150, 10_000)
    missed: list[Figure] = []

    def show(figures: Iterable[Figure]) -> None:
        for figure in figures:
            print(figure, flush=True)
            if not figure.reached:
                missed.append(figure)

    print(
        f"{datetime.now(UTC):%Y-%m-%d %H:%M}Z, {os.cpu_count()} cores, Python {sys.version.split()[0]}, {repeats} repeats"
    )
    for kind in given.databases:
        with ExitStack() as stack:
            instance = stack.enter_context(tempfile.TemporaryDirectory())
            url, app = stack.enter_context(history.clinic_with(kind, 1))
            print(f"\n{kind}, 12,000 past visits and 1,600 to come", flush=True)
            yardsticks.fill(url)
            show(inside.figures(app, repeats))
            show(pages.figures(app, url, instance, repeats=repeats, requests=requests, after=after))
            show(staff.figures(app, url, instance, repeats=repeats, requests=requests))
            show(inside.worker(app, url, instance, repeats))
            if not given.quick:
                url, long = stack.enter_context(history.clinic_with(kind, LONG))
                print(f"\n{kind}, {12_000 * LONG:,} past visits", flush=True)
                show(inside.growth(app, long, repeats))
                show(staff.growth(app, long, repeats))
                yardsticks.fill(url)
                show(inside.figures(long, repeats))
                show(pages.figures(long, url, instance, repeats=repeats, requests=requests, after=after))
                show(staff.figures(long, url, instance, repeats=repeats, requests=requests))
    for kind in given.databases:
        print(f"\n{kind}, plans", flush=True)
        show(plan_services.figures(kind, repeats))
        if not given.quick:
            show(plan_growth.growth(kind, repeats))
    print("\nplans, three proposals each", flush=True)
    show(plans.figures(repeats))
    print("\nforty calls at the desk, in Chromium, on SQLite", flush=True)
    show(calls.figures())
    print(f"\n{len(missed)} figures not reached." if missed else "\nAll figures reached.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
