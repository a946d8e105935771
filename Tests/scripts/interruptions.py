#!/usr/bin/env python3
"""What stands around a command may fail: messages that cannot be written stop nothing, closed streams hit no file, and an
interrupted command leaves no temporary folder behind."""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

import numpy

REPHASE = os.environ["REPHASE"]


def run(folder, *command, **options):
    return subprocess.run([REPHASE, *map(str, command)], cwd=folder, stdout=subprocess.DEVNULL, **options)


def check_messages(folder):
    """Exit codes and results with a full disk for messages are those without."""
    images = numpy.random.default_rng(1).random((8, 1, 16, 16), dtype="f4")
    numpy.savez(folder / "pairs.npz", input=images, target=images)
    train = ("train", "resnet1", "--set", "filters=2", "--data", "pairs.npz", "--loss", "l2", "--batch", 2, "--steps", 6)
    cases = [
        (("recon", "scan.npz", "--model", "none", "--size", "64x48", "-o", "full.npy"), 0, "full.npy"),
        (("recon", "nofile", "--model", "none", "-o", "none.npy"), 1, None), (("run", "--bogus"), 64, None),
        (("prepare", "scan.npz", "again.npz", "--test", "again", "-o", "full-set"), 0, "full-set"),
        ((*train, "-o", "full-run"), 0, "full-run/best.safetensors")]
    for command, expected, made in cases:
        with open("/dev/full", "w") as full:
            done = run(folder, *command, stderr=full)
        assert done.returncode == expected, (command, done.returncode)
        assert made is None or (folder / made).exists(), made


def check_gone_readers(folder):
    """Work goes on where nobody reads its messages any more, as after `2>&1 | head`."""
    reader, writer = os.pipe()
    os.close(reader)
    done = run(folder, "recon", "scan.npz", "--model", "none", "--size", "64x48", "-o", "unread.npy", stderr=writer)
    os.close(writer)
    assert done.returncode == 0, done.returncode
    assert (folder / "unread.npy").read_bytes() == (folder / "full.npy").read_bytes()


def check_closed_streams(folder):
    """The first file that is opened must not become standard error."""
    command = f'"{REPHASE}" recon scan.npz --model none --size 64x48 -o closed.npy 0<&- 1>&- 2>&-'
    assert subprocess.run(["bash", "-c", command], cwd=folder).returncode == 0
    assert (folder / "closed.npy").read_bytes() == (folder / "full.npy").read_bytes()


def interrupted(folder, number, *command):
    """Whether a signal came while a temporary folder was there; it must be gone when the process is."""
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    process = subprocess.Popen(
        [REPHASE, *map(str, command)], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(temporary)},
        # Whoever runs this may ignore it.
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL))

    def folders():
        return [*temporary.glob("rephase-*"), *folder.glob("*.tmp")]

    while process.poll() is None and not folders():
        time.sleep(0.002)
    was_there = bool(folders())
    process.send_signal(number)
    code = process.wait(timeout=60)
    assert not folders(), (command, folders())
    assert code in (0, -number), code
    return was_there and code == -number


def attempt(folder, number, command):
    for made in ("library", "set"):
        shutil.rmtree(folder / made, ignore_errors=True)
    return interrupted(folder, number, *command)


def check_interruptions(folder):
    weights = folder / "weights.safetensors"
    assert run(folder, "init", "unet", "--seed", 1, "-o", weights).returncode == 0
    long = [folder / "long.npz", folder / "longer.npz"]
    for path in long:
        assert run(folder, "phantom", "--frames", 40, "-o", path).returncode == 0
    commands = [
        ("compile", "unet", "--weights", weights, "--size", "32x32", "-o", "library", "--quiet"),
        ("prepare", *long, "--test", "longer", "-o", "set", "--quiet")]
    for command in commands:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # On a busy machine the work may be done before the signal comes.
            attempts = (attempt(folder, number, command) for _ in range(20))
            assert any(attempts), (command, number)


def check_later_trainings(folder):
    """All trainings of an experiment stop, and save, when they are told to."""
    (folder / "long.yaml").write_text(
        "data: [scan.npz, again.npz]\nprepare: {test: again, size: 16x16}\nnetworks: {resnet1: {filters: 2}}\n"
        "losses: {l1: {steps: 2}, l2: {steps: 1000000}}\ntrain: {batch: 2}\n")
    for number in (signal.SIGINT, signal.SIGTERM):
        process = subprocess.Popen(
            [REPHASE, "experiment", "long.yaml", "-o", f"experiment-{number}"], cwd=folder, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True, preexec_fn=lambda: signal.signal(number, signal.SIG_DFL))
        said = []
        while not said or "--loss l2" not in said[-1]:
            said.append(process.stderr.readline())
            assert said[-1], said
        # Until it trains, a signal ends it as any other command.
        said.append(process.stderr.readline())
        process.send_signal(number)
        rest = process.communicate(timeout=60)[1]
        assert process.returncode == 1 and "saved" in rest, (number, process.returncode, said, rest)


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for path in ("scan.npz", "again.npz"):
            made = run(folder, "phantom", "--frames", 2, "--rows", 64, "--columns", 48, "-o", path)
            assert made.returncode == 0, path
        check_messages(folder)
        check_closed_streams(folder)
        check_gone_readers(folder)
        check_interruptions(folder)
        check_later_trainings(folder)
    print("messages, closed streams and interruptions: as they should be")


main()
