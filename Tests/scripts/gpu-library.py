#!/usr/bin/env python3
"""Libraries for NVIDIA GPUs, without one: the statuses where driver, GPU or memory are missing, the calls that a
stand-in for the driver records, machine code beside PTX, and the self-test."""

import collections
import json
import os
import pathlib
import re
import subprocess
import sys
import sysconfig
import tempfile

import numpy

root = pathlib.Path(__file__).resolve().parents[2]
rephase = os.environ["REPHASE"]
ptxas = pathlib.Path(sysconfig.get_paths()["purelib"]) / "nvidia/cu13/bin/ptxas"
# Without NVIDIA's assembler, whatever the search path has.
alone = ("--ptxas", "none")
failures = []


def run(*command, **environment):
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True,
        env={**os.environ, **{key: str(value) for key, value in environment.items()}})


def expect(holds, what, detail=""):
    print(("ok    " if holds else "WRONG ") + what, detail if not holds else "", flush=True)
    if not holds:
        failures.append(what)


def compile_command(folder, *options, **environment):
    weights = folder / "weights.safetensors"
    if not weights.exists():
        made = run(rephase, "init", "unet", "--set", "filters=4", "--seed", "1", "-o", weights)
        assert made.returncode == 0, made.stderr
    return run(
        rephase, "compile", "unet", "--set", "filters=4", "--size", "24x20", "--weights", weights, "--target",
        "sm_90", "--precision", "strict", *options, "-o", folder / "lib", **environment)


def compile_library(folder, *options, **environment):
    made = compile_command(folder, *options, **environment)
    expect(made.returncode == 0, "a library for sm_90 is compiled", made.stderr)
    return folder / "lib/libunet.so", folder / "weights.safetensors"


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
    return [f"launch k_{name} {grids[name][0]} {grids[name][1]}" for name in calls]


# A program of its own, so that the stand-in is found: what a context says of itself, and its self-test.
HOST = """
import ctypes, json, sys
library = ctypes.CDLL(sys.argv[1])
class Info(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t)] + [
        (name, ctypes.c_int32) for name in "device capability code graph code_error graph_error".split()]
library.unet_status_text.restype = ctypes.c_char_p
for name in ("context_bytes", "workspace_bytes"):
    getattr(library, "unet_" + name).restype = ctypes.c_size_t
size = library.unet_context_bytes()
memory = ctypes.create_string_buffer(size + 16)
context = ctypes.c_void_p((ctypes.addressof(memory) + 15) // 16 * 16)
status = library.unet_create(context, ctypes.c_size_t(size), None, ctypes.c_size_t(0), None)
assert status == 0, library.unet_status_text(status)
info = Info(size=ctypes.sizeof(Info))
assert library.unet_device_info(context, ctypes.byref(info)) == 0
test = library.unet_selftest(context, None, ctypes.c_size_t(0))
library.unet_destroy(context)
print(json.dumps(dict(
    {name: getattr(info, name) for name, _ in Info._fields_}, selftest=test, workspace=library.unet_workspace_bytes(),
    text=library.unet_status_text(test).decode())))
"""


def host(library, **environment):
    done = run(sys.executable, "-c", HOST, library, **environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def splitmix(count, seed):
    """Input number `seed` of a self-test, after selftest.h."""
    with numpy.errstate(over="ignore"):
        z = numpy.uint64(seed) + numpy.arange(1, count + 1, dtype="u8") * numpy.uint64(0x9E3779B97F4A7C15)
        z = (z ^ z >> numpy.uint64(30)) * numpy.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ z >> numpy.uint64(27)) * numpy.uint64(0x94D049BB133111EB)
        return ((z ^ z >> numpy.uint64(31)) >> numpy.uint64(40)).astype("f4") / numpy.float32(2**24)


def check_selftest(folder, library, weights, fake):
    """The output that the reference gives for the built-in input passes, within the promise, and others do not."""
    shape = (1, 1, 24, 20)
    numpy.save(folder / "built-in.npy", splitmix(480, 0).reshape(shape))
    made = run(
        rephase, "run", "unet", "--set", "filters=4", "--weights", weights, "--engine", "reference", "--input",
        folder / "built-in.npy", "-o", folder / "reference.npy")
    assert made.returncode == 0, made.stderr
    right = numpy.load(folder / "reference.npy")
    unit = numpy.abs(right).max() * 2.0**-23
    close, off, gap = right + numpy.float32(10 * unit), right + numpy.float32(40 * unit), right.copy()
    gap.flat[333] = numpy.nan
    for output, status, what in (
            (right, 0, "the reference's output"), (close, 0, "one within the promise"),
            (off, 17, "one that is off"), (gap, 17, "one with a number missing")):
        output.astype("f4").tofile(folder / "output")
        found = host(library, LD_LIBRARY_PATH=fake, FAKE_CUDA_OUTPUT=folder / "output")
        expect(found["selftest"] == status, f"the self-test of {what} gives {status}", found)
    found = host(library, LD_LIBRARY_PATH=fake)
    expect(found["selftest"] == 17 and "differ" in found["text"], "a GPU that computes nothing fails it", found)
    expect(found["workspace"] == 0, "no workspace is needed", found)


def check_machine_code(folder, fake):
    """A cubin beside the PTX: which is loaded, that it is said, and that bytes are the same each time."""
    library, _ = compile_library(folder, "--ptxas", ptxas)
    manifest = json.loads((folder / "lib/unet.json").read_text())
    code = manifest["gpu_code"]
    expect(
        code["machine_code"] == "sm_90" and re.fullmatch(r"\d+\.\d+\.\d+", code["ptxas"]) is not None,
        "the manifest tells of machine code and its assembler", code)
    before = library.read_bytes()
    for options in (("--ptxas", ptxas), ()):
        environment = {} if options else {"PATH": f"{ptxas.parent}:{os.environ['PATH']}"}
        compile_library(folder, *options, **environment)
        expect(library.read_bytes() == before, f"the same bytes with {options or 'the assembler of the search path'}")
    log = folder / "cubin-log"
    for environment, code, error, lines in (
            ({}, 1, 0, ["loaded machine code"]),
            ({"FAKE_CUDA_FAIL_CUBIN": 209}, 0, 209, ["loaded PTX"]),
            ({"FAKE_CUDA_CAPABILITY": 120}, 0, 0, ["loaded PTX"])):
        log.unlink(missing_ok=True)
        found = host(library, LD_LIBRARY_PATH=fake, FAKE_CUDA_LOG=log, **environment)
        loaded = [line for line in log.read_text().split("\n") if line.startswith("loaded ")]
        expect(
            (found["code"], found["code_error"], loaded) == (code, error, lines),
            f"{environment or 'the same GPU'}: {lines[0]}", found)
        launches = [line for line in log.read_text().split("\n") if line.startswith("launch ")]
        expect(len(launches) > 5, f"{environment or 'the same GPU'}: kernels are launched")

    tool = folder / "ptxas"
    for text, words in (("exit 0", "does not tell its version"), ("echo V1.2.3; test $1 = --version", "--ptxas another")):
        tool.write_text(f"#!/bin/sh\n{text}\n")
        tool.chmod(0o755)
        made = compile_command(folder, "--ptxas", tool)
        expect(made.returncode == 1 and words in made.stderr, f"{text} is no assembler", made.stderr)
    made = compile_command(folder, "--ptxas", folder / "nothing")
    expect(made.returncode == 1 and "not installed" in made.stderr, "a missing assembler is said", made.stderr)
    made = run(rephase, "compile", "unet", "--weights", folder / "weights.safetensors", *alone, "-o", folder / "cpu")
    expect(made.returncode == 64 and "--ptxas" in made.stderr, "CPUs have no --ptxas", made.stderr)


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        library, weights = compile_library(folder, *alone)
        numpy.save(folder / "x.npy", numpy.random.default_rng(1).random((1, 1, 24, 20), dtype="f4"))
        command = (rephase, "run", library, "--input", folder / "x.npy", "-o", folder / "y.npy")

        if not run("sh", "-c", "ldconfig -p | grep -q libcuda.so.1").returncode == 0:
            failed = run(*command)
            expect(
                failed.returncode == 1 and "libcuda.so.1" in failed.stderr, "no driver is said to be missing", failed.stderr)
            expect(not (folder / "y.npy").exists(), "no output is left")
        manifest = json.loads((folder / "lib/unet.json").read_text())
        expect(manifest["target"] == "sm_90", "the manifest names the target", manifest)
        expect(list(manifest["gpu_code"]) == ["ptx_sha256"], "and says that there is PTX alone", manifest)

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
        expect(calls["cuGraphLaunch"] == 1 and calls["cuLaunchKernel"] == 0, "a run is one launch of a graph", calls)
        for made, ended in (
                ("cuGraphInstantiateWithFlags", "cuGraphExecDestroy"), ("cuGraphCreate", "cuGraphDestroy"),
                ("cuEventCreate", "cuEventDestroy_v2"),
                ("cuCtxPushCurrent_v2", "cuCtxPopCurrent_v2"), ("cuStreamCreate", "cuStreamDestroy_v2"),
                ("cuModuleLoadData", "cuModuleUnload"),
                ("cuDevicePrimaryCtxRetain", "cuDevicePrimaryCtxRelease_v2")):
            expect(calls[made] == calls[ended] > 0, f"{made} is paired", calls)
        output = numpy.load(folder / "y.npy")
        expect(output.shape == (1, 1, 24, 20) and output.flat[0] == 1, "the output comes from the device")

        for call, code, words in (
                ("cuInit", 100, "no GPU"), ("cuModuleLoadData", 222, "too old"), ("cuMemAlloc_v2", 2, "too little memory"),
                ("cuGraphLaunch", 700, "driver reports an error"), ("cuStreamSynchronize", 700, "reports an error"),
                ("cuDevicePrimaryCtxRetain", 2, "too little memory"), ("cuModuleGetFunction", 500, "reports an error")):
            (folder / "y.npy").unlink(missing_ok=True)
            log.unlink()
            failed = run(*command, LD_LIBRARY_PATH=fake, FAKE_CUDA_LOG=log, FAKE_CUDA_FAIL=f"{call}={code}")
            calls = collections.Counter(log.read_text().split("\n"))
            expect(failed.returncode == 1 and words in failed.stderr, f"{call} fails with '{words}'", failed.stderr)
            taken = calls["cuDevicePrimaryCtxRetain"] - (call == "cuDevicePrimaryCtxRetain")
            expect(taken == calls["cuDevicePrimaryCtxRelease_v2"], f"after {call} the context is given back", calls)
            expect(not (folder / "y.npy").exists(), f"after {call} no output is left")
        for call in ("cuGraphCreate", "cuGraphInstantiateWithFlags"):
            log.unlink()
            done = run(*command, LD_LIBRARY_PATH=fake, FAKE_CUDA_LOG=log, FAKE_CUDA_FAIL=f"{call}=801")
            launches = [line for line in log.read_text().split("\n") if line.startswith("launch ")]
            expect(
                done.returncode == 0 and launches == expected_launches(weights),
                f"without {call} the kernels are launched one by one", done.stderr)
        old = run(*command, LD_LIBRARY_PATH=fake, FAKE_CUDA_CAPABILITY=80)
        expect(old.returncode == 1 and "too old" in old.stderr, "an older GPU is refused", old.stderr)

        before = library.read_bytes()
        compile_library(folder, *alone)
        expect(library.read_bytes() == before, "the same input gives the same bytes")
        compile_library(folder, *alone, "--weights-mode", "separate")
        given = run(*command, "--weights", folder / "lib/unet.weights", LD_LIBRARY_PATH=fake)
        expect(given.returncode == 0, "weights may be separate", given.stderr)
        compile_library(folder, *alone)
        check_selftest(folder, library, weights, fake)
        check_machine_code(folder, fake)
    sys.exit(f"{len(failures)} failed" if failures else 0)


main()
