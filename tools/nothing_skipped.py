"""Fails if a test report shows no test on PostgreSQL or in Chromium, or one that was skipped there.

The tests note themselves what they need (tests/conftest.py). A file of tests that was skipped as a whole had no chance
to, so a skipped case that says nothing of itself counts as well.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

NEEDED = {"postgresql": "on PostgreSQL", "browser": "in Chromium"}


def faults(report: Path) -> Iterator[str]:
    """Everything that is wrong with a report in JUnit's form, in words."""
    ran = dict.fromkeys(NEEDED, 0)
    for case in ElementTree.parse(report).iter("testcase"):
        needs = {
            str(note.get("value")) for note in case.iter("property") if note.get("name") == "needs"
        } & NEEDED.keys()
        if case.find("skipped") is None:
            for needed in needs:
                ran[needed] += 1
        elif needs or not case.get("classname"):
            name = ".".join(filter(None, (case.get("classname"), case.get("name"))))
            yield f"Skipped: {name} ({', '.join(NEEDED[needed] for needed in sorted(needs)) or 'as a whole'})"
    for needed, count in ran.items():
        if not count:
            yield f"No test ran {NEEDED[needed]}."


if __name__ == "__main__":
    found = list(faults(Path(sys.argv[1])))
    print(*found, sep="\n", end="\n" if found else "", file=sys.stderr)
    raise SystemExit(1 if found else 0)
