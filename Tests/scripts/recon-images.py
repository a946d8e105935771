#!/usr/bin/env python3
"""rephase recon against NumPy: masks, transforms, crop, scaling, both network forms, consistency."""

import json
import shutil

import numpy as np
from recon_support import ROOT, SHARED, Scratch, check, close, crop, forward, inverse, kept, window

scratch = Scratch()


def load(name):
    return np.load(scratch.path / name)


def recon(*arguments):
    """The images and what --json says, without progress."""
    done = scratch.succeed("recon", *arguments, "-o", "out.npy", "--json", "--quiet")
    check(done.stderr == "", f"--quiet is not silent: {done.stderr}")
    images = load("out.npy")
    check(images.dtype == np.float32 and images.ndim == 3, f"{images.dtype} {images.shape}")
    check(np.isfinite(images).all(), "the images are not finite")
    return images, json.loads(done.stdout)


def nmse(images, truth):
    return [((i - t) ** 2).sum() / (t**2).sum() for i, t in zip(images, truth)]


def zero_filled(scan, kspace, what, *arguments):
    """Checks --model none along both axes, with its mask and quality; kspace is [frame, row, column]."""
    for axis in ("columns", "rows"):
        mask = kept(*kspace.shape[1:], axis)
        want = crop(np.abs(inverse(kspace * mask)))
        images, said = recon(scan, "--model", "none", "--axis", axis, *arguments)
        close(images, want, 1e-5, f"{what}, zero-filled along {axis}")
        check(said["frames"] == len(want), f"frames: {said['frames']}")
        lines = mask[0] if axis == "columns" else mask[:, 0]
        check(said["lines_kept"] == lines.sum() and said["lines"] == len(lines), f"lines: {said}")
        check(abs(said["true_acceleration"] - mask.size / mask.sum()) < 1e-9, f"acceleration: {said}")
        check(said["nominal_acceleration"] == 4, f"acceleration: {said}")
        median = np.median(nmse(want, crop(np.abs(inverse(kspace)))))
        check(abs(said["zero_filled"]["nmse"] - median) < 1e-4 * median, f"nmse: {said}, not {median}")
    images, said = recon(scan, "--model", "none", "--mask", "none", "--size", "64x300", *arguments)
    close(images, crop(np.abs(inverse(kspace)), 64, 300), 1e-5, f"{what}, all lines, 64x300")
    check(said["true_acceleration"] == 1, f"acceleration: {said}")


def network(image):
    """What the 1- or 2-channel network makes of one [channel, row, column], by `rephase run`."""
    np.save(scratch.path / "x.npy", image[None].astype(np.float32))
    model = f"w{len(image)}.safetensors"
    scratch.succeed("run", "--weights", model, "--input", "x.npy", "-o", "y.npy")
    return load("y.npy")[0].astype(np.float64)


def consistent(image, measured, mask):
    """Hard data consistency of a cropped magnitude with the phase of the zero-filled image."""
    filled = inverse(measured)
    whole = np.abs(filled)
    (rows, to_rows), (columns, to_columns) = (
        window(whole.shape[0], image.shape[0]),
        window(whole.shape[1], image.shape[1]),
    )
    whole[rows, columns] = image[to_rows, to_columns]
    kspace = forward(whole * np.exp(1j * np.angle(filled)))
    return crop(np.abs(inverse(np.where(mask, measured, kspace))))


def with_network(scan, kspace, what, *arguments):
    """Checks the first frame through networks of one and two channels."""
    mask = kept(*kspace.shape[1:], "columns")
    measured = kspace[0] * mask
    complex_image = crop(inverse(measured))
    magnitude = np.abs(complex_image)

    low, scale = magnitude.min(), np.ptp(magnitude)
    want = network((magnitude[None] - low) / scale)[0] * scale + low
    images, said = recon(scan, "--weights", "w1.safetensors", *arguments)
    close(images[0], want, 2e-5, f"{what}, network of 1 channel")
    check(said["engine"] == "jit" and said["times_ms"]["network_per_frame"] > 0, f"engine: {said}")
    check(said["network"]["nmse"] > 0, f"quality: {said}")

    strict, _ = recon(scan, "--weights", "w1.safetensors", "--consistency", "hard", *arguments)
    close(strict[0], consistent(want, measured, mask), 2e-5, f"{what}, consistency hard")

    unscaled, _ = recon(scan, "--weights", "w1.safetensors", "--scale", "none", *arguments)
    close(unscaled[0], network(magnitude[None])[0], 2e-5, f"{what}, scale none")

    scale = magnitude.max()
    two = network(np.stack([complex_image.real, complex_image.imag]) / scale) * scale
    pair, _ = recon(scan, "--model", "resnet2", "--weights", "w2.safetensors", *arguments)
    close(pair[0], np.hypot(*two), 2e-5, f"{what}, network of 2 channels")
    return images


def same(what, images, *arguments):
    other, said = recon(*arguments)
    check(np.array_equal(images, other), f"{what}: the images differ")
    print(f"{what}: the same bits")
    return said


for count in (1, 2):
    scratch.succeed(
        "init", "resnet2", "--set", f"channels={count}", "--set", "residual=true", "--seed", 7,
        "-o", f"w{count}.safetensors",
    )  # fmt: skip

scratch.succeed("phantom", "--frames", 5, "--rows", 160, "--columns", 150, "--noise", 0.02,
                "-o", "phantom.npz")  # fmt: skip
phantom = load("phantom.npz")["kspace"]
check(phantom.shape == (5, 160, 150) and phantom.dtype == np.complex64, f"{phantom.shape}")
zero_filled("phantom.npz", phantom.astype(complex), "phantom")
images = with_network("phantom.npz", phantom.astype(complex), "phantom")

# The same images whatever way the network runs.
weights = ["--weights", "w1.safetensors"]
same("batch 3 of 5 frames, 2 threads", images, "phantom.npz", *weights, "--batch", 3, "--threads", 2)
scratch.succeed("compile", *weights, "--name", "net", "-o", "lib", "--batch", 2, "--quiet")
said = same("library of batch 2", images, "phantom.npz", "--model", "lib/libnet.so")
check(said["engine"] == "library" and said["model"] == "net", f"engine: {said}")
scratch.succeed("compile", *weights, "--name", "net", "--weights-mode", "separate", "-o", "apart",
                "--quiet")  # fmt: skip
same("library and weights apart", images, "phantom.npz", "--model", "apart/libnet.so",
     "--weights", "apart/net.weights")  # fmt: skip
scratch.succeed("emit", *weights, "--stage", "graph", "-o", "net.rir")
same("dump", images, "phantom.npz", "--model", "net.rir", *weights)

# Several scans are one after the other; masks come from files too; progress and sheets are there.
np.save(scratch.path / "last.npy", phantom[3:])
np.savez(scratch.path / "first.npz", kspace=phantom[:3])
same("two scans", images, "first.npz", "last.npy", *weights)
np.save(scratch.path / "mask.npy", kept(160, 150, "columns")[0].astype(np.float32))
same("mask of a file", images, "phantom.npz", *weights, "--mask", "mask.npy")
done = scratch.succeed("recon", "phantom.npz", "--model", "none", "-o", "only.png")
check((scratch.path / "only.png").read_bytes()[:4] == b"\x89PNG", "only.png is no PNG")
check(done.stderr.splitlines()[-1] == "reconstructed 5 of 5 frames", f"progress: {done.stderr}")
check("57 of 150" not in done.stdout and "lines kept along columns" in done.stdout, done.stdout)

# Cropped before: as if the field of view had been 96x80.
cut = forward(crop(inverse(phantom.astype(complex)), 96, 80))
images, said = recon("phantom.npz", "--model", "none", "--crop", "before", "--size", "96x80")
close(images, np.abs(inverse(cut * kept(96, 80, "columns"))), 1e-5, "cropped before")
check(said["lines"] == 80 and said["scan_rows"] == 96, f"lines: {said}")

# Networks of several coils take all coils' images, scaled by the greatest value of their root sum of squares.
def with_coils(scan, kspace, what, *arguments):
    """kspace is [coil, row, column]; its field of view is cropped to 96x80 before it is sampled."""
    cut = forward(crop(inverse(kspace), 96, 80))
    coils = inverse(cut * kept(96, 80, "columns"))
    root = np.sqrt((np.abs(coils) ** 2).sum(0))
    x = np.stack([coils.real, coils.imag], axis=1).reshape(1, 2 * len(coils), 96, 80) / root.max()
    np.save(scratch.path / "x.npy", x.astype(np.float32))
    small = ["cascades=1", "filters=3", "pools=1", "sens_filters=2", "sens_pools=1", f"coils={len(coils)}"]
    options = [part for setting in small for part in ("--set", setting)]
    scratch.succeed("init", "varnet", *options, "--seed", 3, "-o", "coils.safetensors")
    scratch.succeed("run", "--weights", "coils.safetensors", "--input", "x.npy", "-o", "y.npy")
    images, said = recon(scan, "--weights", "coils.safetensors", "--crop", "before", "--size", "96x80", *arguments)
    close(images[0], load("y.npy")[0, 0].astype(float) * root.max(), 2e-5, what)
    check(said["coils"] == len(coils) and said["network"]["nmse"] > 0, f"said: {said}")
    scratch.succeed("compile", "--weights", "coils.safetensors", "--name", "coils", "--size", "96x80", "-o", "coils",
                    "--quiet")  # fmt: skip
    same(f"{what}, library", images, scan, "--model", "coils/libcoils.so", "--crop", "before", *arguments)
    for part, wrong in [("sampled otherwise", ["--mask", "regular:4:8"]), ("--crop before", ["--crop", "after"]),
                        ("root sum of squares", ["--combine", "adaptive"])]:  # fmt: skip
        done = scratch.run("recon", scan, "--model", "coils/libcoils.so", "--crop", "before", *wrong, *arguments, "-o", "no.npy")
        check(done.returncode == 1 and part in done.stderr, f"{wrong}: {done.stderr}")
    done = scratch.run("recon", "phantom.npz", "--model", "coils/libcoils.so", "--crop", "before", "-o", "no.npy")
    check(done.returncode == 1 and "but the scan has 1" in done.stderr, f"other coils: {done.stderr}")


seen = inverse(phantom[0].astype(complex)) * np.exp(1j * np.arange(3))[:, None, None] * [[[1]], [[2]], [[-0.5]]]
np.savez(scratch.path / "coils.npz", kspace=forward(seen)[None].astype(np.complex64))
with_coils("coils.npz", forward(seen).astype(np.complex64).astype(complex), "3 coils")

# The trained weights that come with rephase.
scratch.succeed("init", "resnet4", "--trained", "-o", "trained.safetensors")
images, said = recon("phantom.npz", "--model", "resnet4")
check("come with rephase" in said["weights"], f"weights: {said}")
same("trained weights as a file", images, "phantom.npz", "--weights", "trained.safetensors")
done = scratch.run("recon", "phantom.npz", "--model", "resnet4", "--set", "residual=false", "-o", "no.npy")
check(done.returncode == 1 and "residual" in done.stderr, f"other settings: {done.stderr}")
shutil.copy(ROOT / "examples/cine.npz", scratch.path / "cine.npz")
truth, _ = recon("cine.npz", "--model", "none", "--mask", "none", "--crop", "before")
errors = {}
for name in ("none", "resnet4", "cascade5"):
    images, _ = recon("cine.npz", "--model", name, "--crop", "before")
    errors[name] = float(np.linalg.norm(images - truth) / np.linalg.norm(truth))
print(f"a patient that was not trained on: relative errors {errors}")
check(errors["resnet4"] < 0.9 * errors["none"] and errors["cascade5"] < 0.8 * errors["resnet4"], f"gains: {errors}")
done = scratch.run("recon", "phantom.npz", "--model", "cascade5", "-o", "no.npy")
check(done.returncode == 1 and "--crop before" in done.stderr, f"cropped after: {done.stderr}")
done = scratch.run("recon", "phantom.npz", "--model", "resnet5", "-o", "no.npy")
check(done.returncode == 64 and "--weights" in done.stderr, f"no trained weights: {done.stderr}")

# A scan that is under-sampled itself is no reference.
np.save(scratch.path / "part.npy", phantom * kept(160, 150, "columns"))
part, said = recon("part.npy", "--model", "none", "--mask", "none")
close(part, crop(np.abs(inverse(phantom * kept(160, 150, "columns")))), 1e-5, "under-sampled scan")
check("zero_filled" not in said, f"there is no reference: {said}")
done = scratch.run("recon", "part.npy", "--model", "none", "--crop", "before", "-o", "no.npy")
check(done.returncode == 1 and "--crop after" in done.stderr, f"cropped before: {done.stderr}")

if SHARED:
    for patient in ("SCD0000301", "SCD0000401"):
        path = f"{SHARED}/scd_cine/{patient}.npz"
        cine = np.load(path)["images"][5].astype(float)
        zero_filled(path, forward(cine), patient, "--slice", 5)
    with_network(path, forward(cine), patient, "--slice", 5)
    path = f"{SHARED}/brain_kspace_8ch/cartesian_ksp.npy"
    coils = inverse(np.load(path).astype(complex))
    brain, _ = recon(path, "--model", "none", "--mask", "none", "--dimensions", "coil,row,column")
    want = crop(np.sqrt((np.abs(coils) ** 2).sum(0))[None])
    close(brain, want, 1e-5, "8 coils, root sum of squares")
else:
    print("no shared data: not run on real cine images")
