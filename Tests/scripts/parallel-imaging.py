#!/usr/bin/env python3
"""GRAPPA beside pygrappa, adaptive coil combination and hard consistency beside NumPy, on multi-coil data."""

import json

import numpy as np
from pygrappa import grappa
from recon_support import SHARED, Scratch, check, close, forward, inverse, kept

scratch = Scratch()


def psnr(image, truth):
    return 20 * np.log10(truth.max() / np.sqrt(((image - truth) ** 2).mean()))


def rss(images):
    return np.sqrt((np.abs(images) ** 2).sum(-3))


def recon(path, *arguments):
    done = scratch.succeed("recon", path, "--model", "none", "-o", "out.npy", "--json", "--quiet",
                           *arguments)  # fmt: skip
    return np.load(scratch.path / "out.npy"), json.loads(done.stdout)


def coil_maps(count, rows, columns):
    """Smooth complex sensitivities about a circle."""
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    angles = 2 * np.pi * np.arange(count) / count
    return np.stack([np.exp(-((x - 1.2 * np.cos(a)) ** 2 + (y - 1.2 * np.sin(a)) ** 2) / 2)
                     * np.exp(1j * (a + x * np.sin(a) + y * np.cos(a))) for a in angles])  # fmt: skip


def compare(kspace, what, pattern, every, centre, axis, tolerance=1.0):
    """PSNR of zero-filling, our GRAPPA and pygrappa's of [coil, row, column]; ours may lose 1 dB."""
    np.save(scratch.path / "k.npy", kspace[None].astype(np.complex64))
    rows, columns = kspace.shape[1:]
    size = ["--size", f"{rows}x{columns}", "--axis", axis, "--mask", pattern]
    truth = rss(inverse(kspace))
    mask = kept(rows, columns, axis, every, centre)
    zero = rss(inverse(kspace * mask))
    ours, said = recon("k.npy", *size, "--method", "grappa")
    check(said["method"] == "grappa" and said["grappa"]["psnr_db"] > 0, f"{said}")
    count = rows if axis == "rows" else columns
    lines = slice(count // 2 - centre // 2, count // 2 - centre // 2 + centre)
    block = kspace[:, lines] if axis == "rows" else kspace[:, :, lines]
    theirs = rss(inverse(grappa(kspace * mask, block, (5, 5), coil_axis=0)))
    found = [psnr(image, truth) for image in (zero, ours[0], theirs)]
    print(f"{what}, {pattern} along {axis}: zero-filled {found[0]:.2f} dB, GRAPPA {found[1]:.2f} dB, "
          f"pygrappa {found[2]:.2f} dB")  # fmt: skip
    check(found[1] > found[2] - tolerance, f"{what}: GRAPPA loses to pygrappa")
    check(found[1] > found[0] + 1, f"{what}: GRAPPA is not better than zero-filling")
    return ours


def adaptive(images, radius=3):
    """Walsh's combination by NumPy's eigenvectors."""
    coils, rows, columns = images.shape
    result = np.zeros((rows, columns))
    for row in range(rows):
        for column in range(columns):
            part = images[:, max(0, row - radius) : row + radius + 1,
                          max(0, column - radius) : column + radius + 1].reshape(coils, -1)  # fmt: skip
            _, vectors = np.linalg.eigh(part @ part.conj().T)
            result[row, column] = abs(vectors[:, -1].conj() @ images[:, row, column])
    return result


random = np.random.default_rng(2)
scratch.succeed("phantom", "--frames", 1, "--rows", 96, "--columns", 80, "-o", "heart.npz")
heart = inverse(np.load(scratch.path / "heart.npz")["kspace"][0].astype(complex))
coils = forward(heart * coil_maps(6, 96, 80))
coils += 1e-3 * np.abs(coils).max() * (random.normal(size=coils.shape) + 1j * random.normal(size=coils.shape)) / 30
for axis in ("columns", "rows"):
    compare(coils, "heart, 6 coils", "regular:3:18", 3, 18, axis)

# Adaptive combination.
np.save(scratch.path / "k.npy", coils[None].astype(np.complex64))
images, _ = recon("k.npy", "--mask", "none", "--size", "96x80", "--combine", "adaptive")
close(images[0], adaptive(inverse(coils)), 1e-4, "adaptive combination")

# Refusals.
for arguments, part in [(["--mask", "poisson:4:8"], "whole lines"), (["--mask", "regular:4:2"], "too few")]:
    done = scratch.run("recon", "k.npy", "--model", "none", "--method", "grappa", "-o", "x.npy", *arguments)
    check(done.returncode == 1 and part in done.stderr, f"{arguments}: {done.stderr}")
    check(not (scratch.path / "x.npy").exists(), f"{arguments}: written all the same")
np.save(scratch.path / "one.npy", coils[:1])
done = scratch.run("recon", "one.npy", "--model", "none", "--method", "grappa", "-o", "x.npy")
check(done.returncode == 1 and "several coils" in done.stderr, done.stderr)
done = scratch.run("recon", "k.npy", "--model", "resnet4", "--method", "grappa", "-o", "x.npy")
check(done.returncode == 64 and "--model none" in done.stderr, done.stderr)

if SHARED:
    values = np.fromfile(f"{SHARED}/bart/phantom_ksp.cfl", "<c8").reshape(4, 96, 96)
    measured = values.transpose(0, 2, 1).astype(complex)
    for axis in ("columns", "rows"):
        compare(measured, "BART's phantom, 4 coils", "regular:2:22", 2, 22, axis)
        compare(measured, "BART's phantom, 4 coils", "regular:3:22", 3, 22, axis)
    path = f"{SHARED}/ismrmrd/shepp96_c2_r4_acs22.h5"
    full, _ = recon(f"{SHARED}/ismrmrd/shepp96_c2_full.h5", "--mask", "none", "--size", "96x96")
    zero, _ = recon(path, "--mask", "detect", "--size", "96x96")
    filled, said = recon(path, "--mask", "detect", "--size", "96x96", "--method", "grappa")
    before, after = (np.median([psnr(i, full[0]) for i in x]) for x in (zero, filled))
    print(f"Shepp-Logan measured 4x with 2 coils: zero-filled {before:.2f} dB, GRAPPA {after:.2f} dB")
    check(len(filled) == 4 and said["nominal_acceleration"] == 4, f"{said}")
    check(np.isfinite(filled).all() and filled.max() < 2 * full.max(), "GRAPPA ran away")
else:
    print("no shared data: not run on BART's phantom and ISMRMRD files")
