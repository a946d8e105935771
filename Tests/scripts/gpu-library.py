#!/usr/bin/env python3
"""Libraries for NVIDIA GPUs, without one: the statuses where driver, GPU or memory are missing, and the calls that a
stand-in for the driver records."""

import collections
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy

root = pathlib.Path(__file__).resolve().parents[2]
rephase = os.environ["REPHASE"]
failures = []


def run(*command, **environment):
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True,
        env={**os.environ, **{key: str(value) for key, value in environment.items()}})


def expect(holds, what, detail=""):
    print(("ok    " if holds else "WRONG ") + what, detail if not holds else "", flush=True)
    if not holds:
        failures.append(what)


def compile_library(folder, *options):
    weights = folder / "weights.safetensors"
    made = run(rephase, "init", "unet", "--set", "filters=4", "--seed", "1", "-o", weights)
    assert made.returncode == 0, made.stderr
    made = run(
        rephase, "compile", "unet", "--set", "filters=4", "--size", "24x20", "--weights", weights, "--target",
        "sm_90", "--precision", "strict", *options, "-o", folder / "lib")
    expect(made.returncode == 0, "a library for sm_90 is compiled", made.stderr)
    return folder / "lib/libunet.so", weights


def expected_launches(weights):
    """Names and grids in the order in which the PTX dump's interface has them."""
    dump = run(
        rephase, "emit", "unet", "--set", "filters=4", "--size", "24x20", "--target", "sm_90", "--precision",
        "strict", "--stage", "ptx", "-o", "-").stdout
    grids = {
        name: (int(blocks), int(threads)) for name, blocks, threads in re.findall(
            r"kernel @(\S+)\([^\n]*\n//\|\s+gpu_block for %\S+ in 0 \.\.< (\d+) \{\n//\|\s+gpu_thread for %\S+ in 0 \.\.< (\d+)",
            dump)}
    calls = re.findall(r"call @(\S+)\(", dump[dump.index("run {"):])
    return [f"launch k_{name} {grids[name][0]} 1 1 {grids[name][1]} 1 1 0" for name in calls]


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        library, weights = compile_library(folder)
        numpy.save(folder / "x.npy", numpy.random.default_rng(1).random((1, 1, 24, 20), dtype="f4"))
        command = (rephase, "run", library, "--input", folder / "x.npy", "-o", folder / "y.npy")

        if not run("sh", "-c", "ldconfig -p | grep -q libcuda.so.1").returncode == 0:
            alone = run(*command)
            expect(alone.returncode == 1 and "libcuda.so.1" in alone.stderr, "no driver is said to be missing", alone.stderr)
            expect(not (folder / "y.npy").exists(), "no output is left")
        manifest = json.loads((folder / "lib/unet.json").read_text())
        expect(manifest["target"] == "sm_90", "the manifest names the target", manifest)

        fake = folder / "fake"
        fake.mkdir()
        built = run("cc", "-shared", "-fPIC", "-O1", "-o", fake / "libcuda.so.1", root / "Tests/runtime/fake_cuda.c")
        assert built.returncode == 0, built.stderr
        log = folder / "log"
        done = run(*command, LD_LIBRARY_PATH=fake, FAKE_CUDA_LOG=log)
        expect(done.returncode == 0, "it runs on the stand-in", done.stderr)
        lines = log.read_text().split("\n")
        launches = [line for line in lines if line.startswith("launch ")]
        expect(launches == expected_launches(weights), "the launches are those of the dump", launches)
        calls = collections.Counter(lines)
        expect(calls["cuMemAlloc_v2"] == calls["cuMemFree_v2"] == 4, "memory is given back", calls)
        for made, ended in (
                ("cuCtxPushCurrent_v2", "cuCtxPopCurrent_v2"), ("cuStreamCreate", "cuStreamDestroy_v2"),
                ("cuModuleLoadData", "cuModuleUnload"),
                ("cuDevicePrimaryCtxRetain", "cuDevicePrimaryCtxRelease_v2")):
            expect(calls[made] == calls[ended] > 0, f"{made} is paired", calls)
        output = numpy.load(folder / "y.npy")
        expect(output.shape == (1, 1, 24, 20) and output.flat[0] == 1, "the output comes from the device")

        for call, code, words in (
                ("cuInit", 100, "no GPU"), ("cuModuleLoadData", 222, "too old"), ("cuMemAlloc_v2", 2, "too little memory"),
                ("cuLaunchKernel", 700, "driver reports an error"), ("cuStreamSynchronize", 700, "reports an error"),
                ("cuDevicePrimaryCtxRetain", 2, "too little memory"), ("cuModuleGetFunction", 500, "reports an error")):
            (folder / "y.npy").unlink(missing_ok=True)
            log.unlink()
            failed = run(*command, LD_LIBRARY_PATH=fake, FAKE_CUDA_LOG=log, FAKE_CUDA_FAIL=f"{call}={code}")
            calls = collections.Counter(log.read_text().split("\n"))
            expect(failed.returncode == 1 and words in failed.stderr, f"{call} fails with '{words}'", failed.stderr)
            taken = calls["cuDevicePrimaryCtxRetain"] - (call == "cuDevicePrimaryCtxRetain")
            expect(taken == calls["cuDevicePrimaryCtxRelease_v2"], f"after {call} the context is given back", calls)
            expect(not (folder / "y.npy").exists(), f"after {call} no output is left")
        old = run(*command, LD_LIBRARY_PATH=fake, FAKE_CUDA_CAPABILITY=80)
        expect(old.returncode == 1 and "too old" in old.stderr, "an older GPU is refused", old.stderr)

        before = library.read_bytes()
        compile_library(folder)
        expect(library.read_bytes() == before, "the same input gives the same bytes")
        compile_library(folder, "--weights-mode", "separate")
        given = run(*command, "--weights", folder / "lib/unet.weights", LD_LIBRARY_PATH=fake)
        expect(given.returncode == 0, "weights may be separate", given.stderr)
    sys.exit(f"{len(failures)} failed" if failures else 0)


main()
