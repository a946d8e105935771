#!/usr/bin/env python3
"""Training on real cine images: a network learns four images by heart.

`train-cine.py MINUTES` also trains resnet4 for so long on all images of two patients; it must gain 0.5 dB over
zero-filling in the median over a third one (aim: within 15 minutes on 2 cores).
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np
from recon_support import REPHASE, check
from train_support import need_shared, pairs, save, start, steps, train

need_shared()
minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 0
work = pathlib.Path(tempfile.mkdtemp(prefix="rephase-cine."))


def snr(images, reference):
    """Signal to noise in dB of each image (PAPER.md, equation 9)."""
    axes = (1, 2, 3)
    return 10 * np.log10((reference**2).sum(axes) / ((images - reference) ** 2).sum(axes))


def gain(run, inputs, targets):
    """By how many dB the best weights of a run beat zero-filling, in the median over images."""
    np.save(work / "x.npy", inputs)
    command = ["run", "--weights", work / run / "best.safetensors", "--input", work / "x.npy", "-o", work / "y.npy"]
    subprocess.run([REPHASE, *map(str, command)], check=True)
    before, after = snr(inputs, targets), snr(np.load(work / "y.npy"), targets)
    print(f"{run}: median SNR {np.median(before):.2f} dB zero-filled, {np.median(after):.2f} dB with the network")
    return np.median(after - before)


# Four images by heart: the middle of four slices.
inputs, targets = (array[3:11:2, :, 80:112, 48:80] for array in pairs("SCD0000101", every=20))
save(work / "four.npz", inputs, targets)
train(["unet", "--set", "filters=32", "--set", "residual=true", "--data", "four.npz", "--loss", "l2", "--batch", "4",
       "--optimizer", "adam", "--lr", "2e-3", "--schedule", "cosine", "--steps", "1500", "--log", "four.jsonl",
       "--quiet", "-o", "four"], work)  # fmt: skip
losses = [line["loss"] for line in steps(work / "four.jsonl")]
check(losses[-1] < 1e-5, f"four images were not learnt by heart: L2 {losses[-1]:.2g}")
print(f"four images by heart: L2 from {losses[0]:.2g} to {losses[-1]:.2g}")

if minutes:
    # Better than zero-filling on a patient that the network never saw.
    patients = [pairs(patient) for patient in ("SCD0000101", "SCD0000201")]
    save(work / "train.npz", *(np.concatenate(part) for part in zip(*patients, strict=True)))
    inputs, targets = pairs("SCD0000301", every=5)
    save(work / "validation.npz", inputs, targets)
    process = start(["resnet4", "--set", "residual=true", "--data", "train.npz", "--validation", "validation.npz",
                     "--loss", "l1", "--batch", "4", "--log", "patients.jsonl", "--quiet", "-o", "patients"], work)  # fmt: skip
    began = time.monotonic()
    while process.poll() is None and time.monotonic() - began < 60 * minutes:
        time.sleep(1)
    process.terminate()
    process.communicate()
    best = gain("patients", inputs, targets)
    print(f"after {len(steps(work / 'patients.jsonl'))} steps: {best:+.2f} dB in the median on another patient")
    check(best >= 0.5, f"the network gains {best:.2f} dB only")
shutil.rmtree(work)
