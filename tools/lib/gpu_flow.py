"""The work of gpu-check on the machine with the GPU, in the order of what was packed, so that little is lost where
something breaks, hangs, or time is up: every network and batch has processes of its own, and the report is written
after each."""

import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import gpu_driver
import gpu_report
import gpu_run
import gpu_tune

# Seconds after which a process that measures is taken to hang; compiling PyTorch's variants takes minutes.
LONGEST, LONGEST_WITH_PEERS = 180, 1800
# Seconds that tuning leaves over to measure a network and batch.
RESERVE = 20
NO_TIME = "it was not reached in time"


class Clock:
    """The time that is left of so many seconds, or for ever."""

    def __init__(self, seconds):
        self.end = time.monotonic() + (seconds or math.inf)

    @property
    def left(self):
        return max(0.0, self.end - time.monotonic())


class Report:
    """Rows by network and batch, written whenever there are new ones."""

    def __init__(self, folder, rounds, versions, groups):
        self.folder, self.rounds, self.versions = folder, rounds, versions
        self.groups = {
            key: [gpu_run.failed(entry, NO_TIME) for entry in entries] for key, entries in groups.items()}

    def put(self, key, rows):
        self.groups[key] = rows
        report = dict(versions=self.versions, rounds=self.rounds, rows=sum(self.groups.values(), []))
        for name, text in (("report.json", json.dumps(report, indent=1)), ("report.md", gpu_report.markdown(report))):
            part = self.folder / f"{name}.part"
            part.write_text(text)
            os.replace(part, self.folder / name)


def run(given):
    """Writes report.json and report.md."""
    clock, driver, folder = Clock(given.seconds), gpu_driver.Driver(context=False), given.folder.resolve()
    if given.tune:
        gpu_tune.check(folder)
    groups = {}
    for entry in fitting(json.loads((folder / "entries.json").read_text()), driver.capability):
        groups.setdefault((entry["network"], entry["batch"]), []).append(entry)
    report = Report(folder, given.rounds, dict(driver.versions, capability=driver.capability / 10), groups)
    job = dict(rounds=given.rounds, peers=not given.no_peers, compile=given.compile)
    if given.tune:
        # First whether all is right, and how fast: tuning takes long.
        for number, (key, entries) in enumerate(groups.items()):
            share = clock.left / (len(groups) - number)
            measure(report, key, dict(job, peers=False, entries=entries), clock, share)
    for number, (key, entries) in enumerate(groups.items()):
        tuned = []
        for entry in entries if given.tune else ():
            # Twice an even share of the time, since most take less.
            share = 2 * (clock.left / (len(groups) - number) - RESERVE) / (len(entries) + 1)
            tuned.append(gpu_tune.tuned(folder, entry, share, clock.left - RESERVE))
        share = clock.left if job["peers"] else clock.left / (len(groups) - number)
        measure(report, key, dict(job, entries=entries + tuned), clock, share)


def fitting(entries, capability):
    """The entries for the newest target that runs on the GPU."""

    def least(entry):
        return int("".join(filter(str.isdigit, entry["target"])))

    good = {least(entry) for entry in entries if least(entry) <= capability}
    if not good:
        raise SystemExit(f"no library was packed for a GPU of compute capability {capability / 10}")
    return [entry for entry in entries if least(entry) == max(good)]


def measure(report, key, job, clock, share):
    """Puts rows of a network and batch into the report; where time is up, what was known before stays. A process has
    half of `share` seconds, so that another one can go on without what hangs."""
    print(f"{key[0]}, batch {key[1]}", file=sys.stderr, flush=True)
    failed = [gpu_run.failed(entry, entry["problem"]) for entry in job["entries"] if "problem" in entry]
    job["entries"] = [entry for entry in job["entries"] if "problem" not in entry]
    rows = measured(report, job, clock, min(share / 2, LONGEST_WITH_PEERS if job["peers"] else LONGEST))
    if rows is None:
        rows = report.groups[key]
        known = {row.get("name") for row in rows}
        rows += [gpu_run.failed(entry, NO_TIME) for entry in job["entries"] if entry["name"] not in known]
    report.put(key, rows + failed)


def measured(report, job, clock, most):
    """Rows by a process of its own; what breaks it or hangs is left out of another one. None where time is up."""
    lost = []
    while job["entries"]:
        if not clock.left:
            return None
        said, problem = child(report.folder, job, min(clock.left, most))
        for line in said:
            report.versions.update(line.get("versions", {}))
        rows = next((line["rows"] for line in reversed(said) if "rows" in line), [])
        if problem is None:
            return rows + lost
        timed = [line["rows"] for line in said if "timed" in line]
        if timed:
            print(f"torch.compile is left out: {problem}", file=sys.stderr, flush=True)
            return timed[-1] + lost
        if not clock.left:
            return None
        begun = next((line["begin"] for line in reversed(said) if "begin" in line), None)
        culprits = [entry for entry in job["entries"] if entry["name"] == begun]
        if culprits:
            lost.append(gpu_run.failed(culprits[0], problem))
            job["entries"] = [entry for entry in job["entries"] if entry["name"] != begun]
        elif begun == "peers":
            print(f"peers are left out: {problem}", file=sys.stderr, flush=True)
            job["peers"] = False
        else:
            return [dict(row, problem=problem) for row in rows] + [
                gpu_run.failed(entry, problem) for entry in ([] if rows else job["entries"])] + lost
    return lost


def child(folder, job, seconds):
    """What gpu_run says, and what is wrong, if anything is."""
    with tempfile.TemporaryDirectory() as name:
        task, said = pathlib.Path(name) / "job.json", pathlib.Path(name) / "said.jsonl"
        task.write_text(json.dumps(job))
        said.touch()
        try:
            done = subprocess.run(
                [sys.executable, gpu_run.__file__, str(folder), str(task), str(said)], timeout=seconds)
            problem = None if done.returncode == 0 else f"its process ended with status {done.returncode}"
        except subprocess.TimeoutExpired:
            problem = f"it did not end within {seconds:.0f} s"
        # What is only begun is no line yet.
        lines = [json.loads(line) for line in said.read_text().splitlines(keepends=True) if line.endswith("\n")]
    # Some libraries fail when a process ends.
    if any("done" in line for line in lines):
        problem = None
    return lines, next((line["problem"] for line in lines if "problem" in line), problem)
