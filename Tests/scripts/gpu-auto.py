#!/usr/bin/env python3
"""--target auto: the GPU that NVIDIA's driver finds, by a stand-in for it, and otherwise the CPU; always with a reason.
And commands that run a model on that GPU."""

import json
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

        # Every command that takes a target; some use the CPU alone.
        weights, image, data = folder / "w.safetensors", folder / "x.npy", folder / "data.npz"
        run("init", "resnet1", "--set", "filters=4", "--seed", "1", "-o", weights)
        numpy.save(image, numpy.random.default_rng(1).random((1, 1, 8, 8), dtype="f4"))
        pair = numpy.random.default_rng(2).random((2, 1, 16, 16), dtype="f4")
        numpy.savez(data, input=pair, target=pair)
        (folder / "scan.npy").write_bytes(image.read_bytes())
        model = (*small, "--weights", weights, "--target", "auto")
        loops = folder / "loops.rir"
        run("emit", *small, "--stage", "loops", "-o", loops)
        recon = (
            "recon", image, "--model", "resnet1", "--set", "filters=4", "--size", "8x8", "--weights", weights, "--mask",
            "none", "--scale", "none", "--target")
        on_gpu = [
            ("compile", *model, "-o", folder / "lib"), ("opt", loops, "--target", "auto", "-o", folder / "o.rir"),
            ("verify", *model, "--emulate", "--precision", "strict"),
            ("run", *model, "--input", image, "-o", folder / "y.npy"),
            (*recon, "auto", "-o", folder / "r.npy", "--quiet"), ("bench", *model, "--rounds", 1),
            ("tune", *model, "--rounds", 1, "--quiet", "-o", folder / "s.txt"),
            ("train", "resnet1", "--set", "filters=4", "--data", data, "--loss", "l2", "--steps", 1, "--batch", 1,
             "--target", "auto", "--quiet", "-o", folder / "run"),
            ("bench", *small, "--mode", "train", "--target", "auto", "--rounds", 1)]
        on_cpu = [("bench", *model, "--rounds", 1, "--layers")]
        for command in on_gpu + on_cpu:
            target = "sm_90" if command in on_gpu else "native"
            done = run(*command, **gpu)
            said = lines(done)
            expect(
                done.returncode == 0 and len(said) == 1 and said[0].startswith(f"target auto: {target}, "),
                f"{command[0]} takes {target}", done.stderr)
            if command in on_cpu:
                expect("uses the CPU" in done.stderr, f"{command[0]} says why", done.stderr)

        # What runs is the library's code: the stand-in adds 1 to the first element of an output of zeros.
        expected = numpy.zeros((1, 1, 8, 8), "f4")
        expected.flat[0] = 1
        expect((numpy.load(folder / "y.npy") == expected).all(), "the output of run is the GPU's")
        expect((numpy.load(folder / "r.npy") == expected[0]).all(), "the output of recon is the GPU's")
        log = folder / "log"
        timed = run(
            "bench", *small, "--batch", 3, "--target", "sm_90", "--rounds", 4, "--json", FAKE_CUDA_LOG=log, **gpu)
        found = json.loads(timed.stdout)
        expect(
            found["batch"] == 3 and len(found["times_s"]) == 4 and min(found["times_s"]) > 0, "bench times runs", found)
        expect(log.read_text().count("cuGraphLaunch\n") == 6, "after two that are not counted")
        wrong = run("verify", *small, "--weights", weights, "--target", "sm_90", **gpu)
        expect(wrong.returncode == 1 and "past the promise" in wrong.stderr, "verify sees what is wrong", wrong.stderr)
        output = folder / "output"
        run("run", *small, "--weights", weights, "--input", image, "--engine", "reference", "-o", folder / "right.npy")
        numpy.load(folder / "right.npy").astype("f4").tofile(output)
        run("run", *model, "--input", image, "-o", folder / "y.npy", FAKE_CUDA_OUTPUT=output, **gpu)
        expect(
            (numpy.load(folder / "y.npy") == numpy.load(folder / "right.npy")).all(), "the whole output is the GPU's")
        for setting, words in (
                (dict(FAKE_CUDA_FAIL="cuInit=100"), "finds no GPU"), (dict(FAKE_CUDA_CAPABILITY=80), "capability 8.0"),
                (dict(FAKE_CUDA_FAIL="cuMemAlloc_v2=2"), "too little memory")):
            (folder / "y.npy").unlink(missing_ok=True)
            refused = run(
                "run", *small, "--weights", weights, "--target", "sm_90", "--input", image, "-o", folder / "y.npy",
                **gpu, **setting)
            expect(
                refused.returncode == 1 and words in refused.stderr and not (folder / "y.npy").exists(),
                f"run says '{words}'", refused.stderr)
        for command in on_cpu:
            refused = run(*["sm_90" if part == "auto" else part for part in command], **gpu)
            expect(refused.returncode == 1 and "help: " in refused.stderr, f"{command[0]} refuses sm_90", refused.stderr)
    sys.exit(f"{len(failures)} failed" if failures else 0)


main()
