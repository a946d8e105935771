"""What the recon tests share: running rephase in a scratch folder, and NumPy's own reconstruction."""

import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
REPHASE = os.environ.get("REPHASE") or str(ROOT / ".build/debug/rephase")
SHARED = os.environ.get("REPHASE_SHARED_DATA")
HEIGHT, WIDTH = 192, 128


class Scratch:
    """A temporary folder in which rephase runs."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="rephase-recon.")
        self.path = pathlib.Path(self._folder.name)

    def run(self, *arguments, seconds=300, folder="."):
        """The finished process, in a folder of this one; a signal or a hang ends the test."""
        command = [REPHASE, *map(str, arguments)]
        done = subprocess.run(
            command, cwd=self.path / folder, capture_output=True, text=True, timeout=seconds, check=False
        )
        if done.returncode < 0:
            sys.exit(f"error: signal {-done.returncode}: {' '.join(command)}\n{done.stderr}")
        return done

    def succeed(self, *arguments, **options):
        done = self.run(*arguments, **options)
        if done.returncode != 0:
            sys.exit(f"error: {arguments} ended with {done.returncode}\n{done.stderr}")
        return done


def check(condition, message):
    if not condition:
        sys.exit(f"error: {message}")


def close(got, want, tolerance, what):
    """Compares arrays, in units of the greatest magnitude wanted."""
    check(got.shape == want.shape, f"{what}: shape {got.shape}, not {want.shape}")
    error = np.abs(got.astype(np.float64) - want).max() / np.abs(want).max()
    check(error <= tolerance, f"{what}: error {error:.3g} of the maximum, more than {tolerance}")
    print(f"{what}: error {error:.2g} of the maximum")


def forward(image):
    shifted = np.fft.ifftshift(image, axes=(-2, -1))
    return np.fft.fftshift(np.fft.fft2(shifted, norm="ortho"), axes=(-2, -1))


def inverse(kspace):
    shifted = np.fft.ifftshift(kspace, axes=(-2, -1))
    return np.fft.fftshift(np.fft.ifft2(shifted, norm="ortho"), axes=(-2, -1))


def kept(rows, columns, axis, every=4, centre=22):
    """The mask of regular sampling, [row, column]."""
    count = rows if axis == "rows" else columns
    lines = np.zeros(count, bool)
    lines[::every] = True
    start = count // 2 - centre // 2
    lines[start : start + centre] = True
    return np.repeat(lines[:, None], columns, 1) if axis == "rows" else np.tile(lines, (rows, 1))


def window(extent, target):
    """The parts of source and result that lie over each other when their centres n/2 do."""
    shift = extent // 2 - target // 2
    low, high = max(0, -shift), min(target, extent - shift)
    return slice(low + shift, high + shift), slice(low, high)


def crop(image, height=HEIGHT, width=WIDTH):
    """Cuts or pads [.., row, column] about the centre."""
    (from_rows, to_rows), (from_columns, to_columns) = (
        window(image.shape[-2], height),
        window(image.shape[-1], width),
    )
    result = np.zeros((*image.shape[:-2], height, width), image.dtype)
    result[..., to_rows, to_columns] = image[..., from_rows, from_columns]
    return result
