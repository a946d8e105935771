#!/usr/bin/env python3
"""20 steps of `rephase train` beside PyTorch, from the same weights and batches, with TensorFlow 1's RMSProp.

Both networks and all four losses, and a small varnet for two coils. The loss of step 1 is held to 1e-4, of all 20 to 1e-2 (relative),
every weight after step 1 to 1e-5.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy
import torch
from safetensors.numpy import load, load_file

import pytorch_networks
import pytorch_training

REPHASE = os.environ.get("REPHASE") or sys.exit("error: REPHASE must name the command to test")
STEPS, BATCH, HEIGHT, WIDTH, RATE = 20, 4, 36, 24, 1e-3
FIRST, ALL, WEIGHTS = 1e-4, 1e-2, 1e-5


def rephase(*arguments):
    done = subprocess.run(
        [REPHASE, *map(str, arguments)], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    if done.returncode != 0:
        sys.exit(f"error: rephase {' '.join(map(str, arguments))}: {done.stderr}")


# Settings of init, then what PyTorch's varnet takes.
MASK = {"mask": "regular:4:8"}
VARNET = {"coils": 2, "cascades": 2, "filters": 3, "pools": 2, "sens_filters": 2, "sens_pools": 2, **MASK}


def data(folder, net):
    """Zero-filled frames and what they are made of, 0-1; for varnet, images of two coils and their root sum of squares."""
    count = STEPS * BATCH
    frames = pytorch_networks.cine(count)
    if frames is None:
        frames = pytorch_networks.smooth(count, HEIGHT, WIDTH)
    top, left = (frames.shape[1] - HEIGHT) // 2, (frames.shape[2] - WIDTH) // 2
    frames = frames[:, top : top + HEIGHT, left : left + WIDTH]
    frames = frames / frames.max(axis=(1, 2), keepdims=True)
    if net == "varnet":
        x, y = pytorch_networks.coil_images(frames, 2, MASK["mask"], "columns")
    else:
        x = pytorch_networks.zero_filled(frames, 1)
        y = numpy.ascontiguousarray(frames[:, None], dtype=numpy.float32)
    numpy.savez(folder / f"{net}.npz", input=x, target=y)
    return x, y


def options(net):
    return [part for key, value in VARNET.items() for part in ("--set", f"{key}={value}")] if net == "varnet" else []


def checkpoint(run, step):
    """The weights in a checkpoint, which is a safetensors file after a magic word and a digest."""
    content = (run / "checkpoints" / f"step-{step:09}.checkpoint").read_bytes()[21 + 32 :]
    return {key.removeprefix("weights/"): value for key, value in load(content).items() if key.startswith("weights/")}


def train(folder, net, loss):
    """The losses of a run, and the weights after its first step."""
    run = folder / f"{net}-{loss}"
    vgg = ["--vgg", folder / "vgg.safetensors"] if loss == "perceptual" else []
    rephase(
        "train", net, *options(net), "--data", folder / f"{net}.npz", "--loss", loss, *vgg, "--steps", STEPS,
        "--batch", BATCH, "--lr", RATE, "--init", folder / f"{net}.safetensors", "--no-shuffle",
        "--checkpoint-every", 1, "--keep", STEPS, "--log", run.with_suffix(".jsonl"), "--quiet", "-o", run,
    )  # fmt: skip
    lines = [json.loads(line) for line in run.with_suffix(".jsonl").read_text().splitlines()]
    losses = {line["step"]: line["loss"] for line in lines if "step" in line and "loss" in line}
    last, end = load_file(run / "last.safetensors"), checkpoint(run, STEPS)
    if sorted(last) != sorted(end) or any(last[key].tobytes() != end[key].tobytes() for key in last):
        sys.exit(f"error: {net} {loss}: the last checkpoint has other weights than last.safetensors")
    first = checkpoint(run, 1)
    shutil.rmtree(run)
    return [losses[step] for step in sorted(losses)], first


def compare(folder, net, loss, x, y):
    """The three distances of one case, each over its limit."""
    weights = load_file(folder / f"{net}.safetensors")
    vgg = load_file(folder / "vgg.safetensors")
    peer = pytorch_training.Training(net, weights, loss, vgg, settings=MASK if net == "varnet" else None)
    batches = [slice(step * BATCH, (step + 1) * BATCH) for step in range(STEPS)]
    expected, after_first = [], {}
    for step, batch in enumerate(batches):
        expected.append(peer.step(torch.from_numpy(x[batch]), torch.from_numpy(y[batch]), RATE))
        if step == 0:
            after_first = {key: value.detach().numpy().copy() for key, value in peer.weights.items()}
    losses, ours = train(folder, net, loss)
    if len(losses) != STEPS or sorted(ours) != sorted(after_first):
        sys.exit(f"error: {net} {loss}: {len(losses)} losses, {len(ours)} weights")
    errors = [abs(a - b) / b for a, b in zip(losses, expected)]
    distance = max(abs(ours[key] - after_first[key]).max() for key in ours)
    # The first cascade gets the measured lines as they are, so that their weight changes nothing there.
    unchanged = [
        key for key in ours if numpy.array_equal(ours[key], weights[key]) and key != "cascades.0.dc_weight"]
    if unchanged:
        sys.exit(f"error: {net} {loss}: step 1 left {', '.join(unchanged)} as it was")
    print(
        f"{net:8} {loss:11} loss {losses[0]:.5f} -> {losses[-1]:.5f}  step 1 {errors[0]:.1e}"
        f"  20 steps {max(errors):.1e}  weights {distance:.1e}", flush=True)
    return errors[0] <= FIRST, max(errors) <= ALL, distance <= WEIGHTS


def main():
    torch.set_num_threads(1)
    wrong = 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        rephase("init", "vgg16-features", "--seed", 3, "-o", folder / "vgg.safetensors")
        for net in ["resnet4", "unet", "varnet"]:
            x, y = data(folder, net)
            rephase("init", net, *options(net), "--seed", 7, "-o", folder / f"{net}.safetensors")
            for loss in ["l1", "dssim"] if net == "varnet" else pytorch_training.LOSSES:
                wrong += compare(folder, net, loss, x, y) != (True, True, True)
    if wrong:
        sys.exit(f"error: {wrong} cases are past {FIRST}, {ALL} or {WEIGHTS}")


if __name__ == "__main__":
    main()
