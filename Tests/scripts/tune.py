#!/usr/bin/env python3
"""`rephase tune`, and the commands that take its file: same file, same bytes; the promise holds; misfits are errors."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy

rephase = os.environ["REPHASE"]
model = ["resnet1", "--set", "filters=16", "--size", "24x20"]


def call(*command):
    return subprocess.run([rephase, *map(str, command)], text=True, capture_output=True)


def run(*command):
    done = call(*command)
    if done.returncode != 0:
        sys.exit(f"{command}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def fails(code, message, *command):
    done = call(*command)
    assert done.returncode == code and message in done.stderr, (command, done)
    assert done.stderr.startswith("error: "), done.stderr


def check_file(schedule, rows):
    """One line a kernel, each with what was measured; the figures agree with the JSON lines."""
    lines = schedule.read_text().splitlines()
    assert lines[0] == "rephase_schedule 1" and lines[1].startswith("// resnet1, 1 thread: "), lines
    kernels = [line.split() for line in lines if line.startswith("kernel ")]
    *layers, whole = rows
    assert [name for _, name, *_ in kernels] == ["@" + row["kernel"] for row in layers]
    assert any(row["kernel"].startswith("convolution3x3_16_relu_3x16x24x20") for row in layers), layers
    for line, row in zip((line for line in lines if line.startswith("kernel ")), layers):
        assert row["choice"] in line and f"{row['median_s'] * 1000:.3f} ms" in line, (line, row)
        assert 0 < row["median_s"] <= row["standard_s"] and row["measured"] > 1, row
    assert whole["net"] == "resnet1" and whole["threads"] == 1 and whole["images"] in (1, 3), whole
    assert f"images {whole['images']}" in lines
    return kernels


def check_use(work, schedule):
    """Every command takes the file, and gives the same bytes each time."""
    given = [*model, "--batch", 3, "--weights", work / "w.safetensors"]
    x = numpy.random.default_rng(1).random((3, 1, 24, 20), dtype="f4")
    numpy.save(work / "x.npy", x)
    run("verify", *given, "--schedule", schedule)
    for name in ("a", "b"):
        run("compile", *given, "--schedule", schedule, "--quiet", "-o", work / name)
    for file in (work / "a").iterdir():
        assert file.read_bytes() == (work / "b" / file.name).read_bytes(), file
    run("run", *given, "--schedule", schedule, "--input", work / "x.npy", "-o", work / "y.npy")
    run("run", work / "a" / "libresnet1.so", "--input", work / "x.npy", "-o", work / "library.npy")
    run("run", *given, "--engine", "reference", "--input", work / "x.npy", "-o", work / "reference.npy")
    y, library, reference = (numpy.load(work / f"{name}.npy") for name in ("y", "library", "reference"))
    assert (y == library).all()
    error = abs(y - reference).max() / abs(reference).max()
    assert error <= 64 * 2.0**-23, error
    timed = run("bench", *given, "--schedule", schedule, "--threads", 1, "--rounds", 2, "--json", "--layers")
    timed_kernels = {json.loads(line)["kernel"] for line in timed.stdout.splitlines()}
    for line in schedule.read_text().splitlines():
        if line.startswith("kernel ") and "winograd" in line:
            kernel, transform = line.split()[1][1:], line.split('"')[1]
            assert f"{kernel}_winograd{transform}" in timed_kernels, (line, timed_kernels)


def check_refusals(work, schedule):
    given = [*model, "--batch", 3, "--weights", work / "w.safetensors", "--schedule", schedule]
    without = ["compile", *given[:-2], "--quiet"]
    compile = ["compile", *given, "--quiet", "-o", work / "none"]
    fails(1, "the schedule was measured for the target", *compile, "--target", "x86-64-v3")
    fails(1, "the schedule is one for the precision", *compile, "--precision", "strict")
    fails(1, "cannot run", "verify", *model, "--weights", work / "w.safetensors", "--schedule", schedule)
    other = ["run", "resnet1", "--set", "filters=8", "--batch", 3, "--weights", work / "w8.safetensors"]
    run("init", "resnet1", "--set", "filters=8", "-o", work / "w8.safetensors")
    fails(1, "has no kernel @", *other, "--schedule", schedule, "--input", work / "x.npy", "-o", work / "none.npy")
    fails(1, "w.safetensors is no text", *without, "--schedule", work / "w.safetensors", "-o", work / "none")
    fails(1, "none.schedule", *without, "--schedule", work / "none.schedule", "-o", work / "none")
    cut = work / "cut.schedule"
    cut.write_text(schedule.read_text().rstrip()[:-30].rsplit("}", 1)[0])
    fails(1, "cut.schedule:", *without, "--schedule", cut, "-o", work / "none")
    fails(64, "--schedule", "tune", *given, "-o", work / "none")
    fails(64, "--schedule", "bench", *given, "--mode", "train")
    fails(64, "--schedule", "run", work / "a" / "libresnet1.so", "--schedule", schedule, "--input",
          work / "x.npy", "-o", work / "none.npy")
    fails(64, "--rounds", "tune", *model, "--rounds", 0, "-o", work / "none")
    fails(64, "--json", "tune", *model, "--json", "-o", "-")
    assert not list(work.glob("none*")), list(work.iterdir())


with tempfile.TemporaryDirectory() as folder:
    work = pathlib.Path(folder)
    schedule = work / "tuned.schedule"
    run("init", *model, "-o", work / "w.safetensors")
    tuned = run("tune", *model, "--batch", 3, "--threads", 1, "--rounds", 2, "--json", "-o", schedule)
    rows = [json.loads(line) for line in tuned.stdout.splitlines()]
    progress = tuned.stderr.splitlines()
    assert progress and progress[-1].split()[1] == progress[-1].split()[3], progress
    kernels = check_file(schedule, rows)
    check_use(work, schedule)
    check_refusals(work, schedule)
    table = run("tune", *model, "--threads", 1, "--rounds", 1, "--quiet", "-o", work / "again.schedule")
    assert table.stderr == "" and "cost model" in table.stdout, table
    print(f"{len(kernels)} kernels, {sum(row.get('measured', 0) for row in rows)} choices measured")
