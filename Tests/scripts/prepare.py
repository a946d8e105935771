#!/usr/bin/env python3
"""rephase prepare against NumPy: pairs, scaling, split by subject, choice of images, hashes, memory, refusals."""

import hashlib
import json
import resource
import shutil

import h5py
import numpy as np
from recon_support import SHARED, Scratch, check, close, crop, forward, inverse, kept

scratch = Scratch()
ROWS, COLUMNS, HEIGHT, WIDTH = 60, 52, 48, 40
random = np.random.default_rng(3)


def subject(name, frames, seed):
    """Ellipses of random place and contrast."""
    draw = np.random.default_rng(seed)
    y, x = np.mgrid[-1 : 1 : ROWS * 1j, -1 : 1 : COLUMNS * 1j]
    images = np.zeros((frames, ROWS, COLUMNS), np.float32)
    for image in images:
        for _ in range(5):
            cy, cx, ry, rx = draw.uniform(-0.6, 0.6, 2).tolist() + draw.uniform(0.1, 0.5, 2).tolist()
            image += draw.uniform(50, 200) * (((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 < 1)
        image += draw.random(image.shape)
    np.savez(scratch.path / f"{name}.npz", images=images)
    return images


def prepare(*arguments, out="set"):
    shutil.rmtree(scratch.path / out, ignore_errors=True)
    done = scratch.succeed("prepare", *arguments, "--size", f"{HEIGHT}x{WIDTH}", "-o", out, "--quiet")
    check(done.stderr == "", f"--quiet is not silent: {done.stderr}")
    manifest = json.loads((scratch.path / out / "manifest.json").read_text())
    digest = hashlib.sha256((scratch.path / out / "images.h5").read_bytes()).hexdigest()
    check(manifest["imagesSHA256"] == digest, "the hash of the images is wrong")
    with h5py.File(scratch.path / out / "images.h5") as file:
        parts = {part: {k: v[:] for k, v in file[part].items()} for part in file}
    return manifest, parts


def pairs(images, axis="columns", separate=False):
    mask = kept(*images.shape[1:], axis, 4, 8)
    inputs = crop(np.abs(inverse(forward(images.astype(float)) * mask)), HEIGHT, WIDTH)
    targets = crop(images.astype(float), HEIGHT, WIDTH)
    low, high = (f(inputs, axis=(1, 2), keepdims=True) for f in (np.min, np.max))
    if separate:
        mine, top = (f(targets, axis=(1, 2), keepdims=True) for f in (np.min, np.max))
        return (inputs - low) / (high - low), (targets - mine) / (top - mine), low, high - low
    return (inputs - low) / (high - low), (targets - low) / (high - low), low, high - low


subjects = {name: subject(name, frames, seed) for seed, (name, frames) in enumerate(
    [("ada", 4), ("bea", 3), ("cyd", 5), ("dot", 2)])}  # fmt: skip
files = [f"{name}.npz" for name in subjects]
mask = ["--mask", "regular:4:8"]
split = ["--validation", "bea", "--test", "dot"]
names = {"train": ["ada", "cyd"], "validation": ["bea"], "test": ["dot"]}

for scale, axis in [("input", "columns"), ("input", "rows"), ("minmax", "columns")]:
    manifest, parts = prepare(*files, *mask, *split, "--scale", scale, "--axis", axis)
    for part, members in names.items():
        images = np.concatenate([subjects[name] for name in members])
        inputs, targets, offset, factor = pairs(images, axis, scale == "minmax")
        got = parts[part]
        what = f"{part}, {scale}, {axis}"
        check(got["input"].dtype == np.float32, f"{got['input'].dtype}")
        close(got["input"][:, 0], inputs, 1e-5, f"{what}: inputs")
        close(got["target"][:, 0], targets, 1e-5, f"{what}: targets")
        close(got["scale"], factor.ravel(), 1e-5, f"{what}: scale")
        close(got["target"][:, 0] * got["target_scale"][:, None, None] + got["target_offset"][:, None, None],
              crop(images.astype(float), HEIGHT, WIDTH), 1e-5, f"{what}: back to units")  # fmt: skip
        numbers = [sorted(subjects).index(name) for name in members for _ in subjects[name]]
        check(got["subject"].tolist() == numbers, f"{what}: subjects {got['subject']}")
        frames = [i for name in members for i in range(len(subjects[name]))]
        check(got["frame"].tolist() == frames, f"{what}: frames {got['frame']}")
    check(manifest["crop"] == "after", f"{manifest}")
    check({s["name"]: s["part"] for s in manifest["subjects"]}
          == {name: part for part, members in names.items() for name in members}, f"{manifest}")  # fmt: skip
    lines = kept(ROWS, COLUMNS, axis, 4, 8)
    check(abs(manifest["trueAcceleration"] - lines.size / lines.sum()) < 1e-9, f"{manifest}")
    check(manifest["nominalAcceleration"] == 4, f"{manifest}")

# Cropped before: under-sampled with as many lines as the images have.
manifest, parts = prepare(*files, *mask, *split, "--crop", "before")
inputs, targets, _, _ = pairs(crop(subjects["bea"].astype(float), HEIGHT, WIDTH))
close(parts["validation"]["input"][:, 0], inputs, 1e-5, "cropped before: inputs")
close(parts["validation"]["target"][:, 0], targets, 1e-5, "cropped before: targets")
check(manifest["crop"] == "before", f"{manifest}")
lines = kept(HEIGHT, WIDTH, "columns", 4, 8)
check(abs(manifest["trueAcceleration"] - lines.size / lines.sum()) < 1e-9, f"{manifest}")

# A file of lines is one of the scan's, of which there are more than the images have.
np.save(scratch.path / "lines.npy", kept(ROWS, COLUMNS, "columns", 4, 8)[0].astype(np.uint8))
_, wanted = prepare(*files, *mask, *split)
manifest, parts = prepare(*files, "--mask", "lines.npy", *split)
check((parts["train"]["input"] == wanted["train"]["input"]).all(), "a file of lines gives other images")
check("nominalAcceleration" not in manifest, f"{manifest}")

manifest, _ = prepare(*files, *mask, *split, "--scale", "minmax")
digest = hashlib.sha256((scratch.path / "ada.npz").read_bytes()).hexdigest()
check(manifest["subjects"][0]["scans"][0]["sha256"] == digest, "the hash of a scan is wrong")

# Equal work gives equal bytes, whatever the order of arguments.
first = (scratch.path / "set/images.h5").read_bytes(), (scratch.path / "set/manifest.json").read_bytes()
prepare(*files[::-1], *mask, *split, "--scale", "minmax", out="again")
again = (scratch.path / "again/images.h5").read_bytes(), (scratch.path / "again/manifest.json").read_bytes()
check(first == again, "the same work gave other bytes")

# A split by seed: whole subjects, all parts, another seed another split.
found = set()
for seed in range(6):
    manifest, _ = prepare(*files, *mask, "--seed", seed)
    places = tuple(s["part"] for s in manifest["subjects"])
    check(sorted(places) == ["test", "train", "train", "validation"], f"split: {places}")
    found.add(places)
check(len(found) > 2, f"seeds give one split: {found}")

# Diverse images: among copies of a few, each is chosen once.
few = subjects["cyd"]
np.savez(scratch.path / "many.npz", images=np.repeat(few, 7, 0)[random.permutation(35)] * 1.0)
_, parts = prepare("many.npz", "bea.npz", "--validation", "bea", *mask, "--train-images", 5)
chosen = parts["train"]["target"][:, 0]
distances = np.abs(chosen[:, None] - chosen[None]).max((2, 3)) + np.eye(5)
check(len(chosen) == 5 and distances.min() > 0.01, "the images chosen are not different")

# A folder: its files, and its folders with several files.
(scratch.path / "data/eve").mkdir(parents=True)
for name in ("ada", "bea"):
    shutil.copy(scratch.path / f"{name}.npz", scratch.path / "data/eve")
shutil.copy(scratch.path / "cyd.npz", scratch.path / "data")
manifest, parts = prepare("data", "--validation", "cyd", *mask)
check([s["name"] for s in manifest["subjects"]] == ["cyd", "eve"], f"{manifest}")
check(len(parts["train"]["input"]) == 7 and "test" not in parts, f"{list(parts)}")

# Empty frames are left out and told.
gap = subjects["ada"].copy()
gap[2] = 0
np.savez(scratch.path / "gap.npz", images=gap)
manifest, parts = prepare("gap.npz", *mask)
check(parts["train"]["frame"].tolist() == [0, 1, 3], f"{parts['train']['frame']}")
check(manifest["subjects"][0]["scans"][0]["emptyFrames"] == 1, f"{manifest}")

# Refusals leave nothing.
np.save(scratch.path / "under.npy", forward(subjects["ada"]) * kept(ROWS, COLUMNS, "columns"))
before = sorted(p.name for p in scratch.path.iterdir())
for status, part, arguments in [
    (1, "under-sampled itself", ["under.npy", "-o", "new"]),
    (1, "there already", ["ada.npz", "-o", "set"]),
    (1, "no subject 'zoe'", ["ada.npz", "--test", "zoe", "-o", "new"]),
    (1, "for training", ["ada.npz", "--test", "ada", "-o", "new"]),
    (1, "validation and for test", [*files, "--test", "ada", "--validation", "ada", "-o", "new"]),
    (1, "two subjects", ["ada.npz", "data/eve/ada.npz", "-o", "new"]),
    (1, "missing.npz", ["missing.npz", "-o", "new"]),
    (1, "new", ["ada.npz", "-o", "no/where/new"]),
    (64, "--train-images", ["ada.npz", "--train-images", "0", "-o", "new"]),
    (64, "sampling pattern", ["ada.npz", "--mask", "regular:4", "-o", "new"]),
]:
    done = scratch.run("prepare", *arguments, "--quiet")
    check(done.returncode == status and part in done.stderr, f"{arguments}: {done.stderr}")
    check(done.stderr.count("error: ") == 1, f"{arguments}: not one error: {done.stderr}")
    now = sorted(p.name for p in scratch.path.iterdir())
    check(now == before, f"{arguments}: files came or went: {set(now) ^ set(before)}")

# Complex pairs: real and imaginary part, sampled at the images' size, scaled by the zero-filled one's maximum.
shape = (2, HEIGHT, WIDTH)
space = random.normal(size=shape) + 1j * random.normal(size=shape)
np.savez(scratch.path / "complex.npz", kspace=space.astype(np.complex64))
_, parts = prepare("complex.npz", *mask, "--channels", 2, "--crop", "before")
whole = inverse(space)
zero_filled = inverse(space * kept(HEIGHT, WIDTH, "columns", 4, 8))
for name, images in [("input", zero_filled), ("target", whole)]:
    got = parts["train"][name] * parts["train"]["scale"][:, None, None, None]
    close(got, np.stack([images.real, images.imag], axis=1), 1e-5, f"complex {name}")
close(parts["train"]["scale"], abs(zero_filled).max(axis=(1, 2)), 1e-5, "complex scale")
cascade = ["train", "cascade1", "--set", "filters=2", "--loss", "l2", "--batch", "1", "--steps", "1"]
scratch.succeed(*cascade, "--set", "mask=regular:4:8", "--data", "set", "--augment", "shift", "-o", "cascade")
scratch.succeed("evaluate", "--set", "set", "--models", "cascade", "--part", "train", "-o", "report")
for part, arguments in [("is sampled by", []), ("mirrors", ["--set", "mask=regular:4:8", "--augment", "flip"])]:
    done = scratch.run(*cascade, *arguments, "--data", "set", "-o", "other")
    check(done.returncode == 1 and part in done.stderr, f"{arguments}: {done.stderr}")
scratch.succeed("prepare", "complex.npz", "--mask", "regular:3:8", "--channels", 2, "--crop", "before", "-o", "other-set")
done = scratch.run("evaluate", "--set", "other-set", "--models", "cascade", "--part", "train", "-o", "other-report")
check(done.returncode == 1 and "lines of regular:4:8" in done.stderr, f"another mask: {done.stderr}")

# Images of coils, whose target is the fully sampled root sum of squares; both scaled by the zero-filled one's maximum.
coils = random.normal(size=(3, *space.shape)) + 1j * random.normal(size=(3, *space.shape))
coils = np.moveaxis(coils, 0, 1)
np.savez(scratch.path / "coils.npz", kspace=coils.astype(np.complex64))
_, parts = prepare("coils.npz", *mask, "--channels", "coils", "--crop", "before")
filled = inverse(coils * kept(HEIGHT, WIDTH, "columns", 4, 8))
scale = parts["train"]["scale"][:, None, None, None]
want = np.stack([filled.real, filled.imag], axis=2).reshape(2, 6, HEIGHT, WIDTH)
close(parts["train"]["input"] * scale, want, 1e-5, "images of coils")
root = np.sqrt((abs(inverse(coils)) ** 2).sum(1, keepdims=True))
close(parts["train"]["target"] * scale, root, 1e-5, "their root sum of squares")
close(parts["train"]["scale"], np.sqrt((abs(filled) ** 2).sum(1)).max((1, 2)), 1e-5, "coils' scale")
small = [part for name in ("cascades", "filters", "pools", "sens_filters", "sens_pools") for part in ("--set", f"{name}=1")]
varnet = ["train", "varnet", *small, "--data", "set", "--loss", "l1", "--batch", "1", "--steps", "1"]
scratch.succeed(*varnet, "--set", "mask=regular:4:8", "-o", "varnet")
scratch.succeed("evaluate", "--set", "set", "--models", "varnet", "--part", "train", "-o", "coil-report")
for part, arguments in [
    ("is sampled by", varnet), ("takes images of 1 channels", ["train", "resnet1", *varnet[-8:]]),
    ("takes images of 4 channels", [*varnet, "--set", "coils=2"]),
    ("the set has pairs of 6 and 1", ["evaluate", "--set", "set", "--models", "cascade", "--part", "train"]),
]:  # fmt: skip
    done = scratch.run(*arguments, "-o", "other")
    check(done.returncode == 1 and part in done.stderr, f"{arguments}: {done.stderr}")
done = scratch.run("prepare", "coils.npz", "complex.npz", *mask, "--channels", "coils", "--crop", "before", "-o", "other")
check(done.returncode == 1 and "coils, those before it" in done.stderr, f"other coils: {done.stderr}")

# Memory does not grow with the set: 60 scans of 20 images take no more than a few.
for number in range(60):
    shutil.copy(scratch.path / "many.npz", scratch.path / f"copy{number:02}.npz")
prepare(*[f"copy{n:02}.npz" for n in range(3)], *mask)
few = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
prepare(*[f"copy{n:02}.npz" for n in range(60)], *mask, "--train-images", 50)
many = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(f"peak memory {few >> 10} MiB, with twenty times the images {many >> 10} MiB")
check(many < few + (64 << 10), "memory grows with the set")

if SHARED:
    cine = f"{SHARED}/scd_cine"
    shutil.rmtree(scratch.path / "set", ignore_errors=True)
    scratch.succeed("prepare", *[f"{cine}/SCD0000{n}01.npz" for n in (1, 2, 3)], "--validation",
                    "SCD0000301", "--slice", 4, "--train-images", 12, "-o", "set")  # fmt: skip
    with h5py.File(scratch.path / "set/images.h5") as file:
        check(file["train/input"].shape == (12, 1, 192, 128), f"{file['train/input']}")
        images = np.load(f"{cine}/SCD0000301.npz")["images"][4].astype(float)
        mask = kept(256, 256, "columns")
        want = crop(np.abs(inverse(forward(images) * mask)))
        got = file["validation"]
        close(got["input"][:, 0] * got["scale"][:][:, None, None] + got["offset"][:][:, None, None],
              want, 1e-5, "SCD0000301")  # fmt: skip
