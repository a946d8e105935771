"""Prints "passed failed skipped" for a result file of swift test (xUnit) or lit (JSON).

usage: count_results.py xunit FILE... | lit FILE
Files that do not exist count nothing: the caller judges the runner by its exit status as well.
"""

import json
import os
import sys
import xml.etree.ElementTree as ElementTree


def xunit(path):
    """Judges test cases one by one: the suite's own "failures" counts issues, not tests."""
    for case in ElementTree.parse(path).iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            yield "failed"
        else:
            yield "skipped" if case.find("skipped") is not None else "passed"


def lit(path):
    outcomes = {"PASS": "passed", "FLAKYPASS": "passed", "XFAIL": "passed"}
    outcomes |= {"UNSUPPORTED": "skipped", "SKIPPED": "skipped", "EXCLUDED": "skipped"}
    with open(path, encoding="utf-8") as file:
        for test in json.load(file)["tests"]:
            yield outcomes.get(test["code"], "failed")


reader = {"xunit": xunit, "lit": lit}[sys.argv[1]]
try:
    found = [o for path in sys.argv[2:] if os.path.exists(path) for o in reader(path)]
except (ElementTree.ParseError, json.JSONDecodeError):
    sys.exit("the runner ended before it had written its results; single tests are not counted")
print(*(found.count(outcome) for outcome in ("passed", "failed", "skipped")))
