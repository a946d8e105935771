"""Runs rephase on one malformed input and judges how it fails; what the malformed_* modules share."""

import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

ROOT = pathlib.Path(__file__).resolve().parents[2]
REPHASE = str(pathlib.Path(os.environ.get("REPHASE") or ROOT / ".build/release/rephase").resolve())

# The promise: CPU time, which a busy machine does not stretch, and memory of one process. Wall
# time only ends what hangs.
CPU_SECONDS = 2.0
PEAK_BYTES = 1 << 30
WALL_SECONDS = 120.0
# Ends what would take the machine's memory; Swift and LLVM reserve far less.
ADDRESS_BYTES = 16 << 30

# What may follow the one "error: " line.
FOLLOWING = re.compile(r"^(note: |help: |Help:|Usage: |See '|\s)")
CRASH = re.compile(r"Fatal error|Illegal instruction|Stack dump|PLEASE submit|Backtrace|Thread \d+ ")


@dataclass
class Case:
    """One run of rephase that has to fail; `{out}` in the arguments is a folder that stays empty."""

    kind: str
    name: str
    arguments: list
    # Files to make in the case's folder: bytes or text, or a function that is given the path.
    files: dict = field(default_factory=dict)
    # 1: a bad file or content; 64: a usage mistake.
    code: int = 1
    # The message has one of these; the names of `files` unless given.
    mentions: tuple = ()
    # Made at random, so that it may happen to be valid.
    random: bool = False
    stdout: str = "capture"
    # In blocks of 1024 bytes, what the process may write to a file; none: no limit.
    file_limit: int | None = None
    # Arguments and files need a user whom permissions stop.
    unprivileged: bool = False


@dataclass
class Outcome:
    case: Case
    command: str
    complaints: list
    valid: bool = False
    seconds: float = 0.0
    peak: int = 0
    error: str = ""


def limit_this_process():
    """For all children, too."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_BYTES, ADDRESS_BYTES))


def _prepare(case, folder):
    """Writes the case's files; the folder of outputs and the temporary folder are empty."""
    folder.mkdir(parents=True)
    for name in ("out", "tmp"):
        (folder / name).mkdir()
    for name, content in case.files.items():
        path = folder / name
        if callable(content):
            content(path)
        elif isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content, encoding="utf-8")
    if case.unprivileged:
        for path in [folder, folder / "tmp"]:
            path.chmod(0o777)


def _wait(process):
    """The status and usage of the process; ends it where it hangs."""
    ended = threading.Event()

    def kill():
        if not ended.wait(WALL_SECONDS):
            process.send_signal(signal.SIGKILL)

    watchdog = threading.Thread(target=kill, daemon=True)
    watchdog.start()
    _, status, usage = os.wait4(process.pid, 0)
    ended.set()
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage


def run(case, folder):
    """The outcome of one case, in a new folder."""
    _prepare(case, folder)
    arguments = [REPHASE] + [str(a).replace("{out}", "out") for a in case.arguments]
    shown = " ".join(a if len(a) < 200 else a[:100] + "..." for a in arguments)
    stdout = open("/dev/full" if case.stdout == "full" else folder / "tmp/.stdout", "wb")
    if case.file_limit is not None:
        arguments = ["bash", "-c", f'ulimit -f {case.file_limit}; exec "$0" "$@"', *arguments]
    user = {"user": 65534, "group": 65534, "extra_groups": []} if case.unprivileged else {}
    environment = dict(os.environ, TMPDIR=str(folder / "tmp"), HOME=str(folder), LC_ALL="C")
    started = time.monotonic()
    with stdout, open(folder / "tmp/.stderr", "wb") as stderr:
        process = subprocess.Popen(
            arguments, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=stdout,
            stderr=stderr, **user)
        code, usage = _wait(process)
    wall = time.monotonic() - started
    error = (folder / "tmp/.stderr").read_bytes().decode("utf-8", "replace")
    outcome = Outcome(case, f"(cd {folder} && {shown})", [], error=error)
    outcome.seconds = usage.ru_utime + usage.ru_stime
    outcome.peak = usage.ru_maxrss * 1024
    outcome.valid = case.random and code == 0
    outcome.complaints = list(_complaints(case, folder, code, outcome, wall))
    if not outcome.complaints:
        shutil.rmtree(folder)
    return outcome


def _complaints(case, folder, code, outcome, wall):
    if code < 0:
        yield f"ended by signal {-code}" + (" after the time limit" if wall >= WALL_SECONDS else "")
    if outcome.seconds > CPU_SECONDS:
        yield f"took {outcome.seconds:.2f} s of CPU time"
    if outcome.peak > PEAK_BYTES:
        yield f"took {outcome.peak >> 20} MiB"
    left = [path.name for path in (folder / "tmp").iterdir() if path.name[:4] != ".std"]
    if left:
        yield f"left in the temporary folder: {left}"
    if outcome.valid:
        return
    if code != case.code and code >= 0:
        yield f"exit code {code}, not {case.code}"
    written = [str(path.relative_to(folder)) for path in (folder / "out").rglob("*")]
    written += [path.name for path in folder.iterdir() if path.name.endswith((".tmp", ".partial"))]
    if written:
        yield f"written all the same: {written}"
    if code >= 0:
        yield from _message_complaints(case, outcome.error)


def _message_complaints(case, error):
    lines = error.rstrip("\n").split("\n")
    if CRASH.search(error):
        yield "a crash report"
    if sum(line.startswith("error: ") for line in lines) != 1:
        yield "not exactly one line with 'error: '"
    elif not lines[0].startswith("error: ") and not case.kind.startswith("library"):
        yield "the message does not come first"
    bad = [line for line in lines if not line.startswith("error: ") and not FOLLOWING.match(line)]
    if bad:
        yield f"a line that is no note, help or usage: {bad[0][:80]!r}"
    if re.search(r"[\x00-\x08\x0b-\x1f\x7f]", error):
        yield "control characters in the message"
    if len(error) > 8000:
        yield f"a message of {len(error)} characters"
    mentions = case.mentions or tuple(case.files)
    if mentions and not any(str(word) in error for word in mentions):
        yield f"the message mentions none of {mentions}"


def run_all(cases, folder):
    """The outcomes, in order; two at once for each core would only slow each other down."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        numbered = [(case, folder / f"{i:03}") for i, case in enumerate(cases)]
        return list(pool.map(lambda item: run(*item), numbered))
