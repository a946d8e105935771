#!/usr/bin/env python3
"""--target auto: the GPU that NVIDIA's driver finds, by a stand-in for it, and otherwise the CPU; always with a reason."""

import os
import pathlib
import subprocess
import sys
import tempfile

import numpy

root = pathlib.Path(__file__).resolve().parents[2]
rephase = os.environ["REPHASE"]
failures = []


def run(*command, **environment):
    return subprocess.run(
        [rephase, *map(str, command)], capture_output=True, text=True,
        env={**os.environ, **{key: str(value) for key, value in environment.items()}})


def expect(holds, what, detail=""):
    print(("ok    " if holds else "WRONG ") + what, detail if not holds else "", flush=True)
    if not holds:
        failures.append(what)


def lines(result):
    return [line for line in result.stderr.splitlines() if line.startswith("target auto: ")]


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        fake = folder / "fake"
        fake.mkdir()
        subprocess.run(
            ["cc", "-shared", "-fPIC", "-o", fake / "libcuda.so.1", root / "Tests/runtime/fake_cuda.c"], check=True)
        gpu = {"LD_LIBRARY_PATH": fake}
        small = ("resnet1", "--set", "filters=4", "--size", "8x8")

        # What it is, seen in the dumps.
        dump = ("emit", *small, "--stage", "scheduled", "--precision", "strict", "--target")
        native = run(*dump, "native").stdout
        no_driver = subprocess.run("ldconfig -p | grep -q libcuda.so.1", shell=True).returncode != 0
        cases = [
            (dict(gpu, FAKE_CUDA_CAPABILITY=90), "sm_90", "compute capability 9.0"),
            (dict(gpu, FAKE_CUDA_CAPABILITY=80), "sm_80", "compute capability 8.0"),
            (dict(gpu, FAKE_CUDA_CAPABILITY=120), "sm_90", "compute capability 12.0"),
            (dict(gpu, FAKE_CUDA_CAPABILITY=75), "native", "compute capability 7.5, which no target is for"),
            (dict(gpu, FAKE_CUDA_FAIL="cuInit=100"), "native", "the NVIDIA driver finds no GPU"),
            (dict(gpu, FAKE_CUDA_FAIL="cuDeviceGetAttribute=999"), "native", "the NVIDIA driver reports an error"),
            *([({}, "native", "libcuda.so.1) cannot be loaded")] if no_driver else []),
        ]
        for environment, target, reason in cases:
            found = run(*dump, "auto", **environment)
            said = lines(found)
            expect(
                found.returncode == 0 and len(said) == 1 and said[0].startswith(f"target auto: {target}, because ")
                and reason in said[0], f"{reason}: {target}", found.stderr)
            expect(found.stdout == (native if target == "native" else run(*dump, target).stdout), f"code for {target}")

        # Every command that takes a target: those that only write code, and those that run it.
        weights, image, data = folder / "w.safetensors", folder / "x.npy", folder / "data.npz"
        run("init", "resnet1", "--set", "filters=4", "--seed", "1", "-o", weights)
        numpy.save(image, numpy.random.default_rng(1).random((1, 1, 8, 8), dtype="f4"))
        pair = numpy.random.default_rng(2).random((2, 1, 16, 16), dtype="f4")
        numpy.savez(data, input=pair, target=pair)
        (folder / "scan.npy").write_bytes(image.read_bytes())
        model = (*small, "--weights", weights, "--target", "auto")
        loops = folder / "loops.rir"
        run("emit", *small, "--stage", "loops", "-o", loops)
        writing = [
            ("compile", *model, "-o", folder / "lib"), ("opt", loops, "--target", "auto", "-o", folder / "o.rir"),
            ("verify", *model, "--emulate", "--precision", "strict")]
        running = [
            ("run", *model, "--input", image, "-o", folder / "y.npy"), ("verify", *model),
            ("bench", *model, "--rounds", 1), ("tune", *model, "--rounds", 1, "--quiet", "-o", folder / "s.txt"),
            ("recon", image, "--model", "resnet1", "--set", "filters=4", "--size", "8x8", "--weights", weights,
             "--mask", "none", "--target", "auto", "-o", folder / "r.npy", "--quiet"),
            ("train", "resnet1", "--set", "filters=4", "--data", data, "--loss", "l2", "--steps", 1, "--batch", 1,
             "--target", "auto", "--quiet", "-o", folder / "run")]
        for command in writing + running:
            target = "sm_90" if command in writing else "native"
            done = run(*command, **gpu)
            said = lines(done)
            expect(
                done.returncode == 0 and len(said) == 1 and said[0].startswith(f"target auto: {target}, "),
                f"{command[0]} takes {target}", done.stderr)
            if command in running:
                expect("its own process" in done.stderr, f"{command[0]} says why", done.stderr)
    sys.exit(f"{len(failures)} failed" if failures else 0)


main()
