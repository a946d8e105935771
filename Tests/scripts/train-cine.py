#!/usr/bin/env python3
"""Training on real cine images: four images by heart, and beside a PyTorch twin.

`train-cine.py MINUTES` trains resnet4 for so long on all images of two patients instead; it must gain 0.5 dB over
zero-filling in the median over a third one (aim: within 15 minutes on 2 cores). `train-cine.py twin STEPS` runs the
twins for so many steps of whole images.
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np
import torch
from recon_support import REPHASE, check
from safetensors.numpy import load_file
from train_support import need_shared, pairs, save, start, steps, train

import pytorch_networks
import pytorch_training

torch.set_num_threads(1)
need_shared()
work = pathlib.Path(tempfile.mkdtemp(prefix="rephase-cine."))
RESIDUAL = ["resnet4", "--set", "residual=true"]
ADAM = ["--optimizer", "adam", "--lr", "1e-3", "--schedule", "cosine"]


def snr(images, reference):
    """Signal to noise in dB of each image (PAPER.md, equation 9)."""
    axes = (1, 2, 3)
    return 10 * np.log10((reference**2).sum(axes) / ((images - reference) ** 2).sum(axes))


def rephase(*arguments):
    subprocess.run([REPHASE, *map(str, arguments)], check=True)


def gain(weights, inputs, targets):
    """By how many dB weights beat zero-filling, in the median over images."""
    np.save(work / "x.npy", inputs)
    rephase("run", "--weights", weights, "--input", work / "x.npy", "-o", work / "y.npy")
    before, after = snr(inputs, targets), snr(np.load(work / "y.npy"), targets)
    print(f"{weights.parent.name}: median SNR {np.median(before):.2f} dB zero-filled, "
          f"{np.median(after):.2f} dB with the network")  # fmt: skip
    return np.median(after - before)


def two_patients(every):
    patients = [pairs(patient, every) for patient in ("SCD0000101", "SCD0000201")]
    return tuple(np.concatenate(part) for part in zip(*patients, strict=True))


def by_heart():
    """The middle of four slices."""
    inputs, targets = (array[3:11:2, :, 80:112, 48:80] for array in pairs("SCD0000101", every=20))
    save(work / "four.npz", inputs, targets)
    # An epoch is one step here, and a checkpoint after each would take longer than the steps.
    train(["unet", "--set", "filters=32", "--set", "residual=true", "--data", "four.npz", "--loss", "l2",
           "--batch", "4", "--optimizer", "adam", "--lr", "2e-3", "--schedule", "cosine", "--steps", "500",
           "--checkpoint-every", "500", "--log", "four.jsonl", "--quiet", "-o", "four"], work)  # fmt: skip
    losses = [line["loss"] for line in steps(work / "four.jsonl")]
    check(losses[-1] < 1e-5, f"four images were not learnt by heart: L2 {losses[-1]:.2g}")
    print(f"four images by heart: L2 from {losses[0]:.2g} to {losses[-1]:.2g}")


def another_patient(minutes):
    """Better than zero-filling on a patient that the network never saw."""
    save(work / "train.npz", *two_patients(every=1))
    inputs, targets = pairs("SCD0000301", every=5)
    save(work / "validation.npz", inputs, targets)
    process = start([*RESIDUAL, "--data", "train.npz", "--validation", "validation.npz", "--loss", "l1",
                     "--batch", "4", *ADAM, "--steps", "2500", "--log", "patients.jsonl", "--quiet",
                     "-o", "patients"], work)  # fmt: skip
    began = time.monotonic()
    while process.poll() is None and time.monotonic() - began < 60 * minutes:
        time.sleep(1)
    process.terminate()
    process.communicate()
    seconds = time.monotonic() - began
    print((work / "patients" / "epochs.jsonl").read_text())
    best = gain(work / "patients" / "best.safetensors", inputs, targets)
    count = len(steps(work / "patients.jsonl"))
    print(f"after {count} steps in {seconds:.0f} s: {best:+.2f} dB in the median on another patient")
    check(best >= 0.5, f"the network gains {best:.2f} dB only")


def twin(count, inputs, targets, validation):
    """The same weights, data order, losses and steps in PyTorch: equal quality on another patient in the end."""
    save(work / "twin.npz", inputs, targets)
    rephase("init", *RESIDUAL, "--identity", "--seed", 3, "-o", work / "start.safetensors")
    train([*RESIDUAL, "--data", "twin.npz", "--loss", "l1", "--batch", "4", *ADAM, "--steps", count,
           "--init", "start.safetensors", "--no-shuffle", "--log", "twin.jsonl", "--quiet", "-o", "ours"],
          work, seconds=7200)  # fmt: skip
    weights = pytorch_training.train_by_adam(
        load_file(work / "start.safetensors"), inputs, targets, batch=4, steps=count, rate=1e-3)
    ours = gain(work / "ours" / "last.safetensors", *validation)
    restored = [x + pytorch_networks.resnet(weights, x)[0] for x in torch.tensor(validation[0]).split(8)]
    theirs = np.median(snr(torch.cat(restored).numpy(), validation[1]) - snr(*validation))
    print(f"after {count} steps: {ours:+.4f} dB, the PyTorch twin {theirs:+.4f} dB")
    # Rounding errors grow with the number of steps.
    allowed = 0.2 if count > 300 else 0.02
    check(ours > allowed and abs(ours - theirs) < allowed, f"the twins differ by {allowed} dB, or do not gain")


match sys.argv[1:]:
    case ["twin", count]:
        twin(int(count), *two_patients(every=1), pairs("SCD0000301", every=5))
    case [minutes]:
        another_patient(float(minutes))
    case _:
        by_heart()
        middle = (slice(None), slice(None), slice(72, 120), slice(40, 88))
        some = [array[middle] for array in two_patients(every=9)]
        twin(150, *some, [array[middle] for array in pairs("SCD0000301", every=10)])
shutil.rmtree(work)
