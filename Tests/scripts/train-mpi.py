#!/usr/bin/env python3
"""Processes that mpirun starts train as one: the same losses and weights within float rounding, the same bits again."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy as np
from recon_support import REPHASE, check
from safetensors.numpy import load_file
from train_support import steps, train

work = pathlib.Path(tempfile.mkdtemp(prefix="rephase-mpi."))
numbers = np.random.default_rng(1)
target = numbers.random((24, 1, 16, 12), np.float32)
np.savez(work / "data.npz", input=target + 0.1 * numbers.random(target.shape, np.float32), target=target)
np.savez(work / "other.npz", input=target[:5], target=target[:5])
settings = ["resnet2", "--set", "filters=6", "--data", "data.npz", "--validation", "other.npz", "--loss", "l2",
            "--batch", "12", "--threads", "1", "--quiet"]  # fmt: skip
environment = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")


def together(count, arguments, code=0):
    command = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", count, REPHASE, "train", *arguments]
    done = subprocess.run(
        list(map(str, command)), cwd=work, env=environment, capture_output=True, text=True, timeout=600, check=False)
    check(done.returncode == code, f"{count} processes: {done.returncode}, not {code}: {done.stderr}")
    return done.stderr


def loss(name):
    return np.array([line["loss"] for line in steps(work / name)])


def difference(one, other):
    """The largest of any weight; they are about 0.1."""
    first, second = load_file(work / one / "last.safetensors"), load_file(work / other / "last.safetensors")
    return max(np.abs(first[name] - second[name]).max() for name in first)


if shutil.which("mpirun") is None:
    sys.exit("error: no mpirun; run tools/setup")
plan = [*settings, "--steps", "20"]
train([*plan, "--log", "one.jsonl", "-o", "one"], work)
for count in (2, 3):
    name = f"run{count}"
    together(count, [*plan, "--log", f"{name}.jsonl", "-o", name])
    errors = np.abs(loss(f"{name}.jsonl") / loss("one.jsonl") - 1)
    check(errors[0] < 1e-6 and errors.max() < 1e-4, f"{count} processes: the losses differ by {errors}")
    apart = difference("one", name)
    check(apart < 1e-5, f"{count} processes: the weights differ by {apart}")
    print(f"{count} processes: losses within {errors.max():.1e}, weights within {apart:.1e}")

# The same bits in a second run, and in one that was stopped; files are written once.
together(2, [*settings, "--steps", "9", "--log", "parts.jsonl", "-o", "parts"])
together(2, [*plan, "--resume", "--log", "parts.jsonl", "-o", "parts"])
together(2, [*plan, "--log", "again.jsonl", "-o", "again"])
for name in ("parts", "again"):
    same = (work / name / "last.safetensors").read_bytes() == (work / "run2/last.safetensors").read_bytes()
    check(same, f"{name}: the weights are not those of the first run")
    check(np.array_equal(loss(f"{name}.jsonl"), loss("run2.jsonl")), f"{name}: the losses are not the same")

# Statistics of each process alone are another computation.
together(2, [*plan, "--no-sync-batch-norm", "--log", "apart.jsonl", "-o", "apart"])
errors = np.abs(loss("apart.jsonl") / loss("one.jsonl") - 1)
check(errors.max() > 1e-4, "batch norm was synchronized though it was not to be")

# Refusals end all processes.
check("5 processes" in together(5, [*plan, "-o", "five"], code=64), "a batch that cannot be shared")
check("--resume" in together(2, [*plan, "-o", "run2"], code=1), "a run that was started")
check("nofile" in together(2, [*plan, "--init", "nofile", "-o", "init"], code=1), "a missing file")
check(not (work / "init").exists() and not (work / "five").exists(), "a directory was made in vain")
shutil.rmtree(work)
