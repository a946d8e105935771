#!/usr/bin/env python3
"""Training for NVIDIA GPUs, without one: a stand-in for the driver runs the kernels by the PTX emulator, and losses,
weights and interruptions are those of training on the CPU; what cannot be is refused."""

import json
import os
import pathlib
import subprocess
import tempfile

import numpy as np
from safetensors.numpy import load_file

root = pathlib.Path(__file__).resolve().parents[2]
rephase = pathlib.Path(os.environ["REPHASE"])
emulator = rephase.parent / "libEmulatedKernels.so"
folder = tempfile.TemporaryDirectory(prefix="rephase-gpu-training.")
work = pathlib.Path(folder.name)
fake = work / "fake"

# Networks and options, the precision, how far losses and weights may be off: relative to the CPU's loss, and to a step
# of the optimizer. Their kernels are of every kind that a training step has.
CASES = [
    ("resnet1 --set filters=8 --loss l2", "standard", 1e-5, 0.05),
    ("resnet1 --set filters=16 --loss l1 --optimizer adam --recompute", "strict", 1e-5, 0.05),
    ("resnet1 --loss dssim --optimizer adam --clip 1 --weight-decay 1e-4", "standard", 1e-5, 0.05),
    ("resnet1 --set filters=16 --loss l2 --optimizer rmsprop-pytorch", "tf32", 5e-3, None),
    ("resnet1 --set filters=16 --loss l2", "bf16", 5e-2, None),
    ("unet --set filters=16 --loss l2", "standard", 1e-5, 0.05),
    ("unet --set filters=8 --loss perceptual --vgg random:1", "tf32", 1e-2, None),
]


def run(*command, **environment):
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, cwd=work,
        env={**os.environ, **{key: str(value) for key, value in environment.items()}})


def on_gpu(*command, **environment):
    """With PTX alone: machine code cannot be emulated."""
    return run(
        rephase, *command, "--target", "sm_90", LD_LIBRARY_PATH=fake, FAKE_CUDA_EMULATOR=emulator,
        FAKE_CUDA_FAIL_CUBIN=209, **environment)


def expect(done, what):
    assert done.returncode == 0, f"{what}: {done.stderr}"
    return done


def losses(name):
    return [json.loads(line)["loss"] for line in (work / name).read_text().splitlines()]


def compare(number, command, precision, loss_bound, weight_bound):
    arguments = ["train", *command.split(), "--data", "data.npz", "--batch", "2", "--steps", "2", "--quiet"]
    expect(on_gpu(*arguments, "--precision", precision, "--log", f"g{number}", "-o", f"gpu{number}"), command)
    expect(run(rephase, *arguments, "--log", f"c{number}", "-o", f"cpu{number}"), command)
    ours, theirs = losses(f"g{number}"), losses(f"c{number}")
    off = max(abs(a - b) / abs(b) for a, b in zip(ours, theirs, strict=True))
    assert off < loss_bound, f"{command}, {precision}: losses {ours}, on the CPU {theirs}"
    ours, theirs = (load_file(work / f"{on}{number}" / "last.safetensors") for on in ("gpu", "cpu"))
    assert ours.keys() == theirs.keys()
    step = 1e-3 * 2
    # Where a gradient is nearly zero its sign, and with it the update's, is chance: so before a batch norm.
    far = {name: np.quantile(np.abs(ours[name] - theirs[name]), 0.9) / step for name in ours
           if not (name.startswith("blocks.") and name.endswith("bias") and "conv" in name)}  # fmt: skip
    worst = max(far, key=far.get)
    print(f"{command}, {precision}: losses within {off:.1e}, {worst} within {far[worst]:.1e} of a step", flush=True)
    assert weight_bound is None or far[worst] < weight_bound, f"{command}: {worst} is off by {far[worst]} steps"
    assert not any((ours[name] == 0).all() and (theirs[name] != 0).any() for name in ours)


def goes_on():
    """Stopped after a step and resumed, a run ends with the bytes of one that went through."""
    arguments = ["train", "resnet1", "--set", "filters=8", "--data", "data.npz", "--validation", "data.npz", "--batch",
                 "2", "--loss", "l2", "--checkpoint-every", "1", "--quiet"]
    expect(on_gpu(*arguments, "--steps", "4", "-o", "whole"), "four steps")
    expect(on_gpu(*arguments, "--steps", "1", "-o", "parts"), "one step")
    expect(on_gpu(*arguments, "--steps", "4", "-o", "parts", "--resume"), "the other three")
    for name in ("last.safetensors", "best.safetensors"):
        assert (work / "parts" / name).read_bytes() == (work / "whole" / name).read_bytes(), name
    validation = json.loads((work / "whole/epochs.jsonl").read_text().splitlines()[-1])
    assert 0 < validation["validation_loss"] < 10, validation


def refuses():
    arguments = ["train", "resnet1", "--data", "data.npz", "--batch", "2", "--loss", "l2", "--steps", "1", "-o", "no"]
    missing = on_gpu(*arguments, FAKE_CUDA_FAIL="cuInit=100")
    assert missing.returncode == 1 and "the NVIDIA driver finds no GPU" in missing.stderr, missing
    memory = on_gpu(*arguments, FAKE_CUDA_FAIL="cuMemAlloc_v2=2")
    assert memory.returncode == 1 and "help: choose a smaller batch" in memory.stderr, memory.stderr
    launch = on_gpu(*arguments[:-1], "broken", FAKE_CUDA_FAIL="cuGraphLaunch=700")
    assert launch.returncode == 1 and "help: update NVIDIA's driver" in launch.stderr, launch.stderr
    for after in (1, 60):
        copies = on_gpu(*arguments[:-1], f"broken{after}", FAKE_CUDA_FAIL="cuMemcpyHtoDAsync_v2=700", FAKE_CUDA_FAIL_AFTER=after)
        assert copies.returncode == 1 and copies.stderr.startswith("error: "), copies.stderr
    together = run(
        "mpirun", "--oversubscribe", "--bind-to", "none", "-n", "2", rephase, *arguments, "--target", "sm_90",
        OMPI_ALLOW_RUN_AS_ROOT=1, OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1)
    assert together.returncode == 64 and "cannot train together on GPUs" in together.stderr, together
    for option in ("bf16", "tf32"):
        refused = run(rephase, *arguments, "--precision", option)
        assert refused.returncode == 64 and option in refused.stderr, refused.stderr
    layers = run(rephase, "bench", "resnet1", "--mode", "train", "--layers", "--target", "sm_90")
    assert layers.returncode == 1 and "this command cannot run code for sm_90" in layers.stderr, layers.stderr
    assert not (work / "no").exists()


def steps_verify():
    """Dumps of training steps keep the promise of gradients, on images whose squares float32 holds."""
    step = ("--set", "filters=4", "--train", "l1", "--size", "16x12", "--batch", "2")
    expect(run(rephase, "emit", "unet", *step, "-o", "step.rir"), "emit")
    expect(run(rephase, "compile", "step.rir", "--name", "step", "-o", "lib"), "compile")
    assert json.loads((work / "lib/step.json").read_text())["promise_ulps"] == 256
    for target in ((), ("--target", "sm_90", "--emulate")):
        done = expect(run(rephase, "verify", "step.rir", *target), f"verify {target}")
        last = done.stdout.splitlines()[-1]
        assert last.endswith("the promise is 256.0"), done.stdout
        assert done.stderr.startswith("huge: left out, since"), done.stderr
        print("a step of the U-Net", *target, last, flush=True)


def times():
    done = on_gpu("bench", "resnet1", "--set", "filters=8", "--size", "16x12", "--mode", "train", "--rounds", "2", "--json")
    line = json.loads(expect(done, "bench").stdout)
    assert line["mode"] == "train" and len(line["times_s"]) == 2 and line["threads"] == 1, line


def main():
    fake.mkdir()
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-O1", "-o", fake / "libcuda.so.1", root / "Tests/runtime/fake_cuda.c"], check=True)
    numbers = np.random.default_rng(1)
    target = numbers.random((5, 1, 16, 12), np.float32)
    np.savez(work / "data.npz", input=target + 0.1 * numbers.random(target.shape, np.float32), target=target)
    for number, case in enumerate(CASES):
        compare(number, *case)
    goes_on()
    refuses()
    steps_verify()
    times()


main()
