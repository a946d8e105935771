#!/usr/bin/env python3
"""rephase figure: pixels of the images are where they belong, PNG and SVG show the same, errors are clear."""

import json
import re
import xml.etree.ElementTree

import numpy as np
from PIL import Image
from recon_support import Scratch, check

scratch = Scratch()
random = np.random.default_rng(3)
SCALE = 2  # pixels of the PNG along a point


def save(name, values):
    np.save(scratch.path / name, values)


def draw(*arguments):
    """The picture as an array [row, column, colour]; checks the SVG of the same, and that it is well-formed."""
    scratch.succeed("figure", *arguments, "-o", "f.png")
    first = (scratch.path / "f.png").read_bytes()
    scratch.succeed("figure", *arguments, "-o", "f.png")
    check(first == (scratch.path / "f.png").read_bytes(), "the same command, other bytes")
    scratch.succeed("figure", *arguments, "-o", "f.svg")
    root = xml.etree.ElementTree.parse(scratch.path / "f.svg").getroot()
    picture = np.asarray(Image.open(scratch.path / "f.png").convert("RGB")).astype(float)
    size = [float(root.get(name).removesuffix("pt")) * SCALE for name in ("height", "width")]
    check(size == list(picture.shape[:2]), f"the SVG has {size}, the PNG {picture.shape}")
    return picture


def block(picture, x, y, width, height, rows, columns):
    """The middles of the pixels of an image drawn in a box of points."""
    ys = (SCALE * (y + (np.arange(rows) + 0.5) * height / rows)).astype(int)
    xs = (SCALE * (x + (np.arange(columns) + 0.5) * width / columns)).astype(int)
    return picture[np.ix_(ys, xs)]


def is_grey(got, want, what):
    want = np.clip(want, 0, 1)[..., None] * 255
    error = np.abs(got - want).max()
    check(error <= 1, f"{what}: off by {error} of 255")


def white(image):
    return np.sort(image.ravel())[(image.size - 1) * 998 // 1000]


# Images of 38 x 19 in a box of 190 x 95 points: 10 x 10 pixels each.
truth = random.random((3, 38, 19))
noisy = np.clip(truth + 0.05 * random.standard_normal(truth.shape), 0, 1)
save("truth.npy", truth)
save("noisy.npy", noisy)
picture = draw("comparison", "noisy=noisy.npy", "--reference", "truth.npy", "--frames", "2,0",
               "--inset", "10,5,8x8")  # fmt: skip
width, height, gap, inset = 95, 190, 8, 95
row_height = height + 4 + inset + 4 + height + 18
for row, frame in enumerate((2, 0)):
    level = white(truth[frame])
    top = 26 + row * (row_height + gap)
    for column, image in enumerate((noisy[frame], truth[frame])):
        left = gap + column * (width + gap)
        got = block(picture, left, top, width, height, 38, 19)
        outside = np.ones((38, 19), bool)
        outside[9:19, 4:14] = False  # the inset's frame is drawn here
        is_grey(got[outside], (image / level)[outside], f"image {column} of frame {frame}")
        part = block(picture, left, top + height + 4, width, inset, 8, 8)
        is_grey(part, image[10:18, 5:13] / level, f"inset {column} of frame {frame}")
    error = np.abs(noisy[frame] - truth[frame]) / level * 5
    got = block(picture, gap, top + height + 4 + inset + 4, width, height, 38, 19).sum(-1)
    low, high = got[error < 0.2], got[(error > 0.6) & (error < 1)]
    check(low.max() < high.min(), "errors are not brighter where they are greater")

# Profile of column 7: position downwards, frames to the right, in a box of 170 x 170 points.
picture = draw("profile", "noisy=noisy.npy", "truth=truth.npy", "--line", "column:7")
for place, cine in enumerate((noisy, truth)):
    left = 20 + 85 + place * 180
    got = block(picture, left, 26, 170, 170, 38, 3)
    top = max(noisy[:, :, 7].max(), truth[:, :, 7].max())
    is_grey(got, cine[:, :, 7].T / top, f"profile {place}")

lines = [{"step": s, "loss": 1 / s} | ({"validation_loss": 1.2 / s} if s % 50 == 0 else {}) for s in range(1, 1001)]
(scratch.path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
for options in ([], ["--log"]):
    picture = draw("curves", "run=log.jsonl", *options)
    blue = (np.abs(picture - [0, 114, 178]).max(-1) < 3).sum()
    check(blue > 500, f"the curve is not there: {blue} pixels")
# Twelve runs, whose strokes all differ, of losses with long numbers.
lines = [{"step": s, "loss": 1000.0001 + 1e-6 * s, "validation_loss": 1000.0002 - 1e-6 * s} for s in range(1, 9)]
(scratch.path / "long.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
runs = [f"run {number}=long.jsonl" for number in range(12)]
draw("curves", *runs)
scratch.succeed("figure", "curves", *runs, "-o", "many.svg")
strokes = re.findall(r'style="[^"]*stroke-width:2;[^"]*"', (scratch.path / "many.svg").read_text())
looks = {tuple(re.findall(r"stroke(?:-dasharray)?:([^;]*);", stroke)) for stroke in strokes}
check(len(strokes) == len(looks) == 24, f"{len(looks)} strokes of {len(strokes)} differ")
save("a.npy", random.standard_normal(100))
save("b.npy", random.standard_normal(100) + 1)
draw("boxes", "a=a.npy", "b & <c>=b.npy", "--label", "SNR (dB)")

for arguments, code, word in [
    (["comparison", "a=truth.npy", "--frames", "3"], 1, "no frame 3"),
    (["comparison", "a=truth.npy", "--frames", "x"], 64, "--frames"),
    (["comparison", "a=truth.npy", "--inset", "0,0,39x1"], 1, "inset"),
    (["comparison", "a=truth.npy", "--inset", "1,2"], 64, "--inset"),
    (["comparison", "a=truth.npy", "b=a.npy"], 1, "shape"),
    (["profile", "a=truth.npy", "--line", "row:38"], 1, "no such line"),
    (["profile", "a=truth.npy", "--line", "38"], 64, "--line"),
    (["curves", "a=a.npy"], 1, "a.npy:1"),
    (["curves", "a=log.jsonl", "a=long.jsonl"], 64, "two files are named 'a'"),
    (["boxes", "a=missing.npy"], 1, "missing.npy"),
]:
    done = scratch.run("figure", *arguments, "-o", "bad.png")
    check(done.returncode == code and word in done.stderr, f"{arguments}: {done.returncode} {done.stderr}")
    check(not (scratch.path / "bad.png").exists(), f"{arguments}: written all the same")
done = scratch.run("figure", "boxes", "a=a.npy", "-o", "bad.gif")
check(done.returncode == 64, f"an unknown ending: {done.stderr}")
print("figures show what they are given")
