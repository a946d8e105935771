"""What the training tests share: real pairs of images, and running rephase train."""

import json
import pathlib
import resource
import subprocess
import sys

import numpy as np
from recon_support import REPHASE, SHARED, check, crop, forward, inverse, kept


def need_shared():
    """Ends as a skipped test where the shared MR data is not there."""
    if not SHARED:
        print("skipped: no REPHASE_SHARED_DATA")
        sys.exit(77)


def pairs(patient, every=1):
    """Zero-filled and full images of a patient as PAPER.md section 4 has them, every so many frames.

    Frames are cropped to 192x128, so that 49 of 128 lines are left when their k-space is under-sampled 4
    times with 22 central columns; both images are scaled by the maximum of the zero-filled one.
    """
    images = np.load(pathlib.Path(SHARED, "scd_cine", f"{patient}.npz"))["images"].astype(np.float64)
    target = crop(images.reshape(-1, *images.shape[-2:])[::every])
    mask = kept(*target.shape[-2:], "columns")
    zero_filled = np.abs(inverse(forward(target) * mask))
    scale = zero_filled.max(axis=(1, 2), keepdims=True)
    scaled = (zero_filled / scale)[:, None], (target / scale)[:, None]
    return tuple(array.astype(np.float32) for array in scaled)


def save(path, inputs, targets):
    np.savez(path, input=inputs, target=targets)


def start(arguments, cwd, **options):
    command = [REPHASE, "train", *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def train(arguments, cwd, code=0, seconds=900, **options):
    """What a run that ends with `code` says."""
    process = start(arguments, cwd, **options)
    out, error = process.communicate(timeout=seconds)
    check(process.returncode == code, f"{arguments}: {process.returncode}, not {code}\n{error}")
    check(out == "", f"{arguments}: something on standard output: {out}")
    if code:
        check(error.count("error: ") == 1, f"{arguments}: not one error: {error}")
    return error


def steps(path):
    """The lines of a log, which must count up from 1."""
    lines = [json.loads(line) for line in pathlib.Path(path).read_text().splitlines()]
    check([line["step"] for line in lines] == list(range(1, len(lines) + 1)), f"{path}: steps are missing")
    return lines


def file_limit(size):
    """For `preexec_fn`: files may have `size` bytes only, so that writing fails as on a full disk."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
