"""Fails if a test report shows no tests, no test on PostgreSQL or in Chromium, or any of those skipped."""

import sys
from xml.etree import ElementTree


def main(report: str) -> int:
    cases = list(ElementTree.parse(report).iter("testcase"))
    faults = [] if cases else ["No test ran."]
    for where, word in (("PostgreSQL", "postgresql"), ("Chromium", "browser")):
        there = [case for case in cases if word in f"{case.get('classname')} {case.get('name')}"]
        if not there:
            faults.append(f"No test ran on {where}.")
        faults += [
            f"Skipped on {where}: {case.get('classname')}.{case.get('name')}"
            for case in there
            if case.find("skipped") is not None
        ]
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
