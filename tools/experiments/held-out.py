#!/usr/bin/env python3
"""What a network gains on scans that it was never trained on.

`held-out.py REPHASE SCAN [--sampling CROP:AXIS] [recon options...]` under-samples a scan of magnitude images 4 times with
22 central lines (along columns and rows; cropped to 192x128 before or after; or one of these alone, as for a cascade
`before:columns`), and prints medians over its frames of SNR and SSIM: zero-filled, the network (`--model resnet4` unless
options name another), with `--consistency hard`, and, where `bart` is installed, compressed sensing with total
variation (the regularization that is best for SNR, from a list, on every tenth frame).
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "Tests" / "scripts"))
from recon_support import crop, forward, inverse, kept

REGULARIZATIONS = [0.001, 0.002, 0.003, 0.005, 0.01, 0.02]
HEIGHT, WIDTH = 192, 128


class Scores:
    """Medians of SNR (dB) and SSIM by `rephase evaluate`."""

    def __init__(self, rephase, folder, truth):
        self.rephase, self.folder = rephase, folder
        np.save(folder / "truth.npy", truth.astype(np.float32))

    def of(self, images, frames=slice(None)):
        np.save(self.folder / "x.npy", images.astype(np.float32))
        truth = np.load(self.folder / "truth.npy")[frames]
        np.save(self.folder / "t.npy", truth)
        command = [self.rephase, "evaluate", "--reference", self.folder / "t.npy", "--image", self.folder / "x.npy",
                   "--data-range", "reference", "--json"]  # fmt: skip
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        return {"snr": np.array(found["snr_db"]), "ssim": np.array(found["ssim"])}


def recon(rephase, scan, folder, *options):
    out = folder / "recon.npy"
    command = [rephase, "recon", scan, *options, "--quiet", "-o", out]
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)
    return np.load(out)


def write_cfl(path, values):
    values = np.asarray(values, np.complex64)
    extents = list(values.shape) + [1] * (16 - values.ndim)
    path.with_suffix(".hdr").write_text("# Dimensions\n" + " ".join(map(str, extents)) + "\n")
    values.ravel(order="F").tofile(path.with_suffix(".cfl"))


def total_variation(kspace, regularization, folder):
    """BART's images of single-coil k-space [frame, row, column]."""
    images = []
    for frame in kspace:
        scale = np.abs(inverse(frame)).max()
        write_cfl(folder / "k", frame[:, :, None, None] / scale)
        write_cfl(folder / "s", np.ones((*frame.shape, 1, 1)))
        command = ["bart", "pics", "-w1", "-R", f"T:3:0:{regularization}", "-i200", "-u0.1"]
        command += [str(folder / name) for name in "kso"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        image = np.fromfile(folder / "o.cfl", np.complex64).reshape(frame.shape, order="F")
        images.append(np.abs(image) * scale)
    return crop(np.array(images), HEIGHT, WIDTH)


def row(name, scores, zero):
    gains = {key: np.median(scores[key] - zero[key]) for key in scores}
    print(f"| {name} | {np.median(scores['snr']):.2f} | {gains['snr']:+.2f} "
          f"| {np.median(scores['ssim']):.4f} | {gains['ssim']:+.4f} |", flush=True)  # fmt: skip


def compare(rephase, scan, images, options, axis, time, folder):
    whole = crop(images, HEIGHT, WIDTH) if time == "before" else images
    scores = Scores(rephase, folder, crop(whole, HEIGHT, WIDTH))
    sampling = ["--axis", axis, "--crop", time]
    lines = whole.shape[2] if axis == "columns" else whole.shape[1]
    mask = kept(*whole.shape[1:], axis)
    print(f"\n{int(mask.any(axis=0 if axis == 'columns' else 1).sum())} of {lines} {axis}, "
          f"cropped {time} under-sampling, medians over {len(whole)} frames\n")  # fmt: skip
    print("| | SNR (dB) | gain | SSIM | gain |\n| --- | --- | --- | --- | --- |")
    zero = scores.of(recon(rephase, scan, folder, "--model", "none", *sampling))
    row("zero-filled", zero, zero)
    row("network", scores.of(recon(rephase, scan, folder, *options, *sampling)), zero)
    consistent = recon(rephase, scan, folder, *options, *sampling, "--consistency", "hard")
    row("network, measured lines put back", scores.of(consistent), zero)
    if not shutil.which("bart"):
        return
    some = slice(None, None, 10)
    kspace = forward(whole[some]) * mask
    found = [scores.of(total_variation(kspace, value, folder), some) for value in REGULARIZATIONS]
    best = max(range(len(found)), key=lambda i: np.median(found[i]["snr"]))
    zero = {key: value[some] for key, value in zero.items()}
    row(f"BART, total variation {REGULARIZATIONS[best]} (every tenth frame)", found[best], zero)


def main():
    samplings = [f"{time}:{axis}" for time in ("before", "after") for axis in ("columns", "rows")]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rephase")
    parser.add_argument("scan")
    parser.add_argument("--sampling", action="append", choices=samplings)
    arguments, options = parser.parse_known_args()
    rephase, scan = arguments.rephase, arguments.scan
    images = np.load(scan)
    images = images if isinstance(images, np.ndarray) else images["images"]
    images = images.reshape(-1, *images.shape[-2:]).astype(np.float64)
    with tempfile.TemporaryDirectory(prefix="rephase-held-out.") as name:
        for sampling in arguments.sampling or samplings:
            time, axis = sampling.split(":")
            compare(rephase, scan, images, options or ["--model", "resnet4"], axis, time, pathlib.Path(name))


if __name__ == "__main__":
    main()
