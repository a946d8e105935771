"""What tools/bench starts: workers of engines, and the command under test."""

import argparse
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import threading
import time

import numpy

LIBRARY = pathlib.Path(__file__).resolve().parent
START_SECONDS, ANSWER_SECONDS = 600, 120


class Usage(argparse.ArgumentParser):
    """Wrong usage ends with one line and status 64."""

    def error(self, message):
        self.exit(64, f"error: {message}\n")


def numbers(text):
    return [int(part) for part in text.split(",")]


def limit(engine):
    """The largest allowed error: Rephase's promise, or what no correct float32 code exceeds."""
    return 64 * 2**-23 if engine == "rephase" else 1e-4


def relative_error(result, case):
    """Max-norm error over the reference's max-norm; infinite where the output is no such array."""
    exact = numpy.load(case["reference"])
    if result.shape != exact.shape or not numpy.isfinite(result).all():
        return float("inf")
    return float(abs(result - exact).max() / abs(exact).max())


class EngineError(Exception):
    """An engine that is not there ("not available") or broke ("failed"), and why."""

    def __init__(self, status, reason):
        super().__init__(reason)
        self.status, self.reason = status, reason


class Worker:
    """An engine's process; `ready` is what it said at its start, after `start_seconds`."""

    def __init__(self, engine, case_path, log):
        self.log = open(log, "w+", encoding="utf-8", errors="replace")
        command = [sys.executable, str(LIBRARY / "bench_worker.py"), engine, str(case_path)]
        start = time.perf_counter()
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True
        )
        try:
            answer = self._answer(START_SECONDS)
        except EngineError:
            self.stop()
            raise
        self.start_seconds = time.perf_counter() - start
        if "unavailable" in answer:
            self.stop()
            raise EngineError("not available", answer["unavailable"])
        self.ready = answer["ready"]

    def ask(self, **command):
        """The answer to one command; raises EngineError where the process died or hangs."""
        try:
            self.process.stdin.write(json.dumps(command) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        return self._answer(ANSWER_SECONDS)

    def _answer(self, seconds):
        late = threading.Event()
        timer = threading.Timer(seconds, lambda: (late.set(), self.process.kill()))
        timer.start()
        line = self.process.stdout.readline()
        timer.cancel()
        if line:
            return json.loads(line)
        status = self.process.wait()
        self.log.seek(0)
        said = [text.strip() for text in self.log if text.strip()]
        reason = said[-1] if said else f"ended with status {status}"
        raise EngineError("failed", f"no answer in {seconds} s" if late.is_set() else reason)

    def end(self):
        """Peak resident memory in bytes; the process is gone afterwards."""
        peak = self.ask(do="end")["peak_bytes"]
        self.stop()
        return peak

    def stop(self):
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.log):
            try:
                stream.close()
            except BrokenPipeError:
                pass


@contextlib.contextmanager
def pinned(cores):
    """What is started within inherits these cores; a preexec_fn would copy this whole process."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def command(*arguments, cores=None):
    """A command's output; exits where it fails. `cores` pins it."""
    arguments = [str(argument) for argument in arguments]
    with pinned(cores):
        result = subprocess.run(arguments, capture_output=True, text=True)
    if result.returncode != 0:
        said = (result.stderr or result.stdout).strip()
        sys.exit(f"error: {' '.join(arguments)} ended with status {result.returncode}\n{said}")
    return result.stdout


def host_start(binary, case, output):
    """Seconds from process start to the C host's first output, and its peak memory in bytes."""
    arguments = [str(binary), case["raw"], str(output), str(case["threads"])]
    with pinned(case["cores"]):
        start = time.perf_counter()
        process = subprocess.Popen(
            arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        process.stdout.readline()
        seconds = time.perf_counter() - start
        peak = process.stdout.readline()
    _, said = process.communicate(timeout=ANSWER_SECONDS)
    if process.returncode != 0:
        raise EngineError("failed", said.strip() or f"status {process.returncode}")
    return seconds, int(peak) * 1024
