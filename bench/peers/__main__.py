"""Our app beside its peers, in one run. A figure that isn't reached is printed as it is."""

import argparse
import os
import re
import sys
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

from bench.peers import in_process, plans, through_http
from bench.peers.clinic import asked
from bench.peers.environment import Environment
from tests import databases

_LOCKED = Path(__file__).parent.parent.parent / "requirements/peers.txt"
_SET_UP = """\
One clinic on SQLite: 6 practitioners, open every day 9-13 and 14-18, 12,000 past visits and 1,600 to come.
Asked for: visits of 30 minutes, with anyone, on 30 days from tomorrow on.
mroudai-django-slots {mroudai-django-slots}: in process, with hours and visits ready in its memory.
django-appointment {django-appointment}, Django {django} without DEBUG, gunicorn {gunicorn} with workers like ours:
it is asked by practitioner and day, so one answer is 180 requests; it composes its mails, and drops them.
OR-Tools {ortools}: the best plan for a slipped disc by our score, within 10 s on two cores.
"""


def main() -> int:
    databases.on_disk()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("python", help="the interpreter of the peers' environment")
    parser.add_argument("--repeats", type=int, default=5, help="about a minute each")
    given = parser.parse_args()
    versions = dict(re.findall(r"^([\w-]+)==([\d.]+)", _LOCKED.read_text(), re.MULTILINE))
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M}Z, {os.cpu_count()} cores, Python {sys.version.split()[0]}")
    print(_SET_UP.format_map(versions), flush=True)
    with asked() as question:
        peers = Environment(given.python, question)
        missed = 0
        for figure in chain(
            in_process.figures(question, peers, given.repeats),
            through_http.figures(question, peers, given.repeats),
            plans.figures(given.python),
        ):
            print(figure, flush=True)
            missed += not figure.reached
    print(f"\n{missed} figures not reached." if missed else "\nAll figures reached.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
