#!/usr/bin/env python3
"""`rephase tune` for GPUs and the commands that take its file, by a stand-in for the driver, whose times are made up:
what it writes is what was measured, compiles, and computes the same in the emulator; failures are one clear error."""

import json
import os
import pathlib
import subprocess
import sys
import sysconfig
import tempfile

root = pathlib.Path(__file__).resolve().parents[2]
rephase = os.environ["REPHASE"]
RESNET = ("resnet1", "--set", "filters=16", "--size", "18x20")
# Where it is not the tiles that matter.
SMALL = ("resnet1", "--set", "filters=8", "--size", "10x12")
UNET = ("unet", "--set", "filters=8", "--size", "16x12", "--batch", 2)
NARROW_UNET = ("unet", "--set", "filters=4", "--size", "16x12", "--batch", 2)


def call(*command, **environment):
    return subprocess.run(
        [rephase, *map(str, command)], capture_output=True, text=True,
        env={**os.environ, **{key: str(value) for key, value in environment.items()}})


def run(*command, **environment):
    done = call(*command, **environment)
    if done.returncode:
        sys.exit(f"{command}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def fails(code, message, *command, **environment):
    done = call(*command, **environment)
    assert done.returncode == code and message in done.stderr, (command, done)
    assert done.stderr.count("error: ") == 1, done.stderr


def ptx(work, *arguments):
    run("emit", *arguments, "--stage", "ptx", "-o", work / "model.ptx")
    return (work / "model.ptx").read_text()


def choices(path):
    """What the file says of each kernel, without remarks."""
    lines = [line.split("//")[0].split() for line in path.read_text().splitlines() if line.startswith("kernel ")]
    return {words[1][1:]: " ".join(words[2:]) for words in lines}


def check_tuned(work, gpu, model, precision, seed):
    """The file is what was measured; the kernels by it differ, and keep the promise."""
    weights, schedule = work / "w.safetensors", work / f"{model[0]}-{precision}.schedule"
    run("init", *model[:3], "-o", weights)
    given = (*model, "--target", "sm_90", "--precision", precision)
    tuned = run("tune", *given, "--rounds", 2, "--json", "-o", schedule, **gpu, FAKE_CUDA_TIMES=seed)
    *rows, whole = map(json.loads, tuned.stdout.splitlines())
    assert tuned.stderr.splitlines()[-1].startswith("measured "), tuned.stderr
    assert "left out" not in tuned.stderr, tuned.stderr
    assert choices(schedule) == {row["kernel"]: row["choice"] for row in rows}, (choices(schedule), rows)
    assert all(row["measured"] >= 24 for row in rows), rows
    assert all((row["median_s"] < row["standard_s"]) == (row["choice"] != row["standard"]) for row in rows), rows
    assert whole["gpu"] == "stand-in" and whole["median_s"] < whole["standard_s"] and "threads" not in whole, whole
    # Among so many tiles with times by chance, some other than the cost model's is the fastest.
    assert any(row["choice"] != row["standard"] for row in rows), rows
    with_file = (*given, "--weights", weights, "--schedule", schedule)
    assert ptx(work, *with_file) != ptx(work, *given, "--weights", weights)
    verified = run("verify", *with_file, "--emulate")
    print(f"{model[0]} {precision}: {verified.stdout.splitlines()[-1]}", flush=True)
    return schedule


def check_equal_times(work, gpu):
    """Where nothing is faster, the file says what the cost model chooses, which is the same code."""
    schedule = work / "equal.schedule"
    given = (*SMALL, "--target", "auto", "--precision", "bf16")
    table = run("tune", *given, "--rounds", 1, "--quiet", "-o", schedule, **gpu)
    assert "target auto: sm_90" in table.stderr and "cost model" in table.stdout, table
    assert schedule.read_text().count(", as the cost model chooses") == 4, schedule.read_text()
    given = (*SMALL, "--target", "sm_90", "--precision", "bf16")
    assert ptx(work, *given, "--schedule", schedule) == ptx(work, *given)


def check_code(work, gpu):
    """Machine code where there is an assembler, PTX where the driver refuses that; what cannot be loaded is left out."""
    ptxas, log = pathlib.Path(sysconfig.get_paths()["purelib"]) / "nvidia/cu13/bin", work / "log"
    tune = ("tune", *SMALL, "--target", "sm_90", "--precision", "tf32", "--rounds", 1, "--quiet", "-o", work / "code")
    assert (ptxas / "ptxas").exists(), ptxas
    for settings, loaded in (({}, "machine code"), ({"FAKE_CUDA_FAIL_CUBIN": 209}, "PTX")):
        log.unlink(missing_ok=True)
        done = run(*tune, **gpu, **settings, FAKE_CUDA_LOG=log, PATH=f"{ptxas}:{os.environ['PATH']}")
        kinds = {line for line in log.read_text().splitlines() if line.startswith("loaded ")}
        assert kinds == {"loaded " + loaded} and done.stderr == "", (kinds, done)
    done = run(*tune, **gpu, FAKE_CUDA_FAIL="cuModuleLoadData=218", FAKE_CUDA_FAIL_AFTER=9, FAKE_CUDA_TIMES=1)
    assert done.stderr.startswith("groups of choices left out: ") and done.stderr.count("\n") == 1, done
    assert "because loading code on the GPU failed: the driver reports error 218" in done.stderr, done
    run("emit", *SMALL, "--target", "sm_90", "--precision", "tf32", "--schedule", work / "code", "--stage", "ptx", "-o",
        work / "model.ptx")


def check_time(work, gpu):
    """What was found when time is up is written; what was not tried is said."""
    schedule = work / "short.schedule"
    given = (*RESNET, "--target", "sm_90", "--precision", "tf32", "--rounds", 1, "-o", "-")
    done = run("tune", *given, "--quiet", "--seconds", 1, **gpu, FAKE_CUDA_TIMES=1)
    assert done.stderr.count("because the time for tuning was over") == 1, done
    assert done.stdout.startswith("rephase_schedule 1\n// resnet1, stand-in: "), done.stdout
    schedule.write_text(done.stdout)
    assert len(choices(schedule)) == 4
    for option in (("--seconds", 1), ("--list",)):
        fails(64, "--seconds and --list are for GPUs", "tune", *SMALL, *option, "-o", "-")
    fails(64, "--seconds must lie between", "tune", *SMALL, "--seconds", 0, "-o", "-")


def check_refusals(work, gpu, schedule):
    # A few choices are enough to fail by.
    tune = ("tune", *SMALL, "--target", "sm_90", "--rounds", 1, "--seconds", 2, "--quiet", "-o", work / "none")
    if subprocess.run("ldconfig -p | grep -q libcuda.so.1", shell=True).returncode != 0:
        fails(1, "code for sm_90 cannot run here: NVIDIA's driver (libcuda.so.1) cannot be loaded", *tune)
    fails(1, "the NVIDIA driver finds no GPU", *tune, **gpu, FAKE_CUDA_DEVICES=0)
    fails(1, "compute capability 8.0", *tune, **gpu, FAKE_CUDA_CAPABILITY=80)
    for function, code, message in (
            ("cuDevicePrimaryCtxRetain", 999, "kernels cannot be timed on a GPU here"),
            ("cuEventCreate", 2, "too little memory"),
            ("cuMemAlloc_v2", 2, "choose a smaller batch"),
            ("cuModuleLoadData", 218, "loading code on the GPU failed: the driver reports error 218"),
            ("cuGraphInstantiateWithFlags", 801, "making a graph of launches on the GPU failed"),
            ("cuGraphLaunch", 719, "running kernels on the GPU failed: the driver reports error 719")):
        fails(1, message, *tune, **gpu, FAKE_CUDA_FAIL=f"{function}={code}")
    fails(1, "note: by @convolution3x3_1_1x8x10x12 ", *tune, **gpu, FAKE_CUDA_FAIL="cuGraphLaunch=719",
          FAKE_CUDA_FAIL_AFTER=5)
    given = ("verify", *RESNET, "--weights", work / "w16.safetensors", "--emulate", "--schedule", schedule)
    run("init", *RESNET[:3], "-o", work / "w16.safetensors")
    fails(1, "the schedule was measured for the target 'sm_90'", *given, "--target", "sm_80", "--precision", "tf32")
    fails(1, "the schedule is one for the precision 'tf32'", *given, "--target", "sm_90", "--precision", "bf16")
    fails(1, "the schedule was measured for", *given[:-3], "--schedule", schedule)
    for old, new, message in (
            ("matrix {tiles = ", "matrix {tiles = 7", "cannot be computed as matrix {tiles = 7"),
            ("matrix {tiles = ", "matrix {rows = ", "expected 'tiles'"),
            ("ahead = ", "ahead = 9", "cannot be computed as "),
            ("@convolution3x3_16_add", "@convolution3x3_17_add", "has no kernel @convolution3x3_17_add")):
        wrong = work / "wrong.schedule"
        wrong.write_text(schedule.read_text().replace(old, new))
        assert wrong.read_text() != schedule.read_text(), schedule.read_text()
        done = call(*given[:-1], wrong, "--target", "sm_90", "--precision", "tf32")
        assert done.returncode == 1 and message in done.stderr and "wrong.schedule:" in done.stderr, done
        assert "help: " in done.stderr or "expected" in message, done.stderr
    assert not list(work.glob("none*")), list(work.iterdir())


def main():
    with tempfile.TemporaryDirectory() as name:
        work = pathlib.Path(name)
        (work / "fake").mkdir()
        subprocess.run(
            ["cc", "-shared", "-fPIC", "-o", work / "fake/libcuda.so.1", root / "Tests/runtime/fake_cuda.c"], check=True)
        gpu = {"LD_LIBRARY_PATH": work / "fake"}
        schedule = check_tuned(work, gpu, RESNET, "tf32", 1)
        for seed, (model, precision) in enumerate(
                ((RESNET, "strict"), (RESNET, "standard"), (NARROW_UNET, "standard"), (UNET, "bf16")), 2):
            check_tuned(work, gpu, model, precision, seed)
        check_equal_times(work, gpu)
        check_code(work, gpu)
        check_time(work, gpu)
        check_refusals(work, gpu, schedule)


main()
