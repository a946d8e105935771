#!/usr/bin/env python3
"""The same command in another process, folder and hash seed writes the same bytes: stages, libraries, runs, reports."""

import concurrent.futures
import hashlib
import itertools

import numpy as np
from recon_support import Scratch, check

PROCESSES = 3
SMALL = ["--size", "32x24", "--batch", "2"]
RESNET = ["resnet2", "--set", "filters=8", *SMALL]
UNET = ["unet", "--set", "filters=4", *SMALL]


def commands():
    """Names and commands whose files, and what they print, must be the same; `-o` is of the process' own folder."""
    for name, model in [("resnet", RESNET), ("unet", UNET)]:
        for stage in ("optimized", "loops", "scheduled", "llvm", "asm"):
            yield f"{name} {stage}", ["emit", *model, "--stage", stage, "-o", "out.rir"]
        # LLVM makes the U-Net's assembly from the same text, which takes as long as all else of two losses.
        losses = ("l2", "dssim", "perceptual+0.1*l1")
        for loss, stage in itertools.product(losses, ("graph", "scheduled", "llvm", "asm")):
            if stage == ("asm" if name == "unet" and loss in losses[:2] else "llvm"):
                continue
            yield f"{name}, {loss} {stage}", ["emit", *model, "--train", loss, "--stage", stage, "-o", "out.rir"]
        more = ["--train", "l1", "--recompute", "--optimizer", "adam", "--stage", "scheduled"]
        yield f"{name}, recomputed", ["emit", *model, *more, "-o", "out.rir"]
        for target, precision in [("sm_80", "standard"), ("sm_90", "standard"), ("sm_90", "strict"),
                                  ("sm_90", "tf32"), ("sm_90", "bf16")]:  # fmt: skip
            more = ["--target", target, "--precision", precision, "--stage", "ptx"]
            yield f"{name} {target} {precision}", ["emit", *model, *more, "-o", "out.ptx"]
        weights = ["--weights", f"../{name}.safetensors", "--weights-mode", "separate", "--quiet", "-o", "lib"]
        for target in ("x86-64-v3", "sm_90"):
            yield f"{name} library, {target}", ["compile", *model, "--target", target, *weights]
    yield "choices to try", ["tune", *RESNET, "--target", "sm_90", "--list", "-o", "out.schedule"]
    yield "operations", ["operations", "-o", "out.md"]
    yield "networks", ["models", "--json"]
    yield "an experiment", ["experiment", "../experiment.yaml", "--quiet", "-o", "out"]
    yield "an evaluation", ["evaluate", "--reference", "../a.npy", "--image", "../b.npy", "--json"]
    yield "readings", ["rank", "make", "a=../a.npy", "b=../b.npy", "c=../c.npy", "--readers", "2", "-o", "out"]
    yield "a ranking", ["rank", "analyse", "../ranks.csv", "-o", "out"]
    yield "a figure", ["figure", "comparison", "a=../a.npy", "b=../b.npy", "--reference", "../c.npy", "-o", "out.svg"]


def contents(scratch, folder, command):
    """The hash of each file that the command wrote, and of what it printed."""
    path = scratch.path / folder
    path.mkdir()
    done = scratch.succeed(*command, folder=folder)
    files = {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}
    files["what it printed"] = done.stdout.encode()
    check(len(files) > 1 or done.stdout, f"{command} wrote nothing")
    return {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}


scratch = Scratch()
draw = np.random.default_rng(1)
for name in "abc":
    np.save(scratch.path / f"{name}.npy", draw.random((2, 32, 24), np.float32))
for name, model in [("resnet", RESNET), ("unet", UNET)]:
    scratch.succeed("init", *model, "-o", f"{name}.safetensors")
(scratch.path / "scans").mkdir()
for number in range(3):
    scratch.succeed("phantom", "--frames", 4, "--rows", 48, "--columns", 40, "--noise", 0.01, "--seed", number,
                    "-o", f"scans/s{number}.npz")  # fmt: skip
(scratch.path / "experiment.yaml").write_text(
    "data: ../scans\nprepare: {size: 32x24, validation: s1, test: s2}\nnetworks: {resnet1: {filters: 4}}\n"
    "losses: [l1, dssim]\ntrain: {batch: 2, steps: 3}\n")
rows = [f"{case},{name},{(case + rank) % 3 + 1}" for case in range(6) for rank, name in enumerate("abc")]
(scratch.path / "ranks.csv").write_text("\n".join(["case,technique,rank", *rows, ""]))

count = 0
workers = concurrent.futures.ThreadPoolExecutor(PROCESSES)
for number, (name, command) in enumerate(commands()):
    folders = [f"{number}-{process}" for process in range(PROCESSES)]
    first, *others = workers.map(lambda folder: contents(scratch, folder, command), folders)
    for other in others:
        differ = sorted(file for file in first.keys() | other.keys() if first.get(file) != other.get(file))
        check(not differ, f"{name}: {', '.join(differ)} differ from process to process")
    count += len(first)
print(f"{count} files and outputs of {number + 1} commands are the same in {PROCESSES} processes")
