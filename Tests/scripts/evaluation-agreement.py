#!/usr/bin/env python3
"""rephase evaluate and stats against NumPy, scikit-image, SciPy and statsmodels, on random and tied data."""

import itertools
import json
import warnings

import numpy as np
import scipy.stats
import skimage.metrics
from recon_support import SHARED, Scratch, check
from statsmodels.stats.diagnostic import lilliefors

scratch = Scratch()
random = np.random.default_rng(5)
worst = {}


def said(*arguments):
    return json.loads(scratch.succeed(*arguments, "--json").stdout)


def agree(what, got, want, tolerance=1e-6):
    """Relative to 1 or the value wanted."""
    got, want = np.atleast_1d(np.asarray(got, float)), np.atleast_1d(np.asarray(want, float))
    check(got.shape == want.shape, f"{what}: shape {got.shape}, not {want.shape}")
    error = (np.abs(got - want) / np.maximum(1, np.abs(want))).max()
    check(error <= tolerance, f"{what}: {got} differs from {want} by {error:.3g}")
    name = what.split(",")[0]
    worst[name] = max(worst.get(name, 0), error)


def save(name, values):
    np.save(scratch.path / name, values)
    return name


def metrics(reference, image, data_range, *arguments):
    """Compares all measures of [frame, channel, row, column] with others' formulas."""
    got = said("evaluate", "--reference", save("r.npy", reference), "--image", save("x.npy", image),
               *arguments)  # fmt: skip
    check(set(got) == {"snr_db", "ssim", "psnr_db", "nmse"}, f"keys: {set(got)}")
    frames = (-1, 1, *reference.shape[1:]) if reference.ndim == 3 else (-1, *reference.shape[-3:])
    if reference.ndim == 2:
        frames = (1, 1, *reference.shape)
    y, x = (a.astype(float).reshape(frames) for a in (reference, image))
    agree("SNR", got["snr_db"],
          [20 * np.log10(np.linalg.norm(b) / np.linalg.norm(b - a)) for a, b in zip(x, y)])  # fmt: skip
    agree("NMSE", got["nmse"], [skimage.metrics.normalized_root_mse(b, a) ** 2 for a, b in zip(x, y)])
    agree("PSNR", got["psnr_db"],
          [skimage.metrics.peak_signal_noise_ratio(b, a, data_range=data_range) for a, b in zip(x, y)])  # fmt: skip
    agree("SSIM", got["ssim"], [
        skimage.metrics.structural_similarity(
            b, a, win_size=3, data_range=data_range, use_sample_covariance=False, channel_axis=0)
        for a, b in zip(x, y)])  # fmt: skip
    more = said("evaluate", "--reference", "r.npy", "--image", "x.npy", "--regressed", *arguments)
    fits = [np.polyval(np.polyfit(a.ravel(), b.ravel(), 1), a) for a, b in zip(x, y)]
    agree("regressed SNR", more["regressed_snr_db"],
          [20 * np.log10(np.linalg.norm(b) / np.linalg.norm(b - f)) for f, b in zip(fits, y)])  # fmt: skip


for shape in [(5, 24, 17), (1, 3, 3), (40, 31), (4, 1, 9, 12), (3, 2, 8, 8)]:
    truth = random.random(shape).astype(np.float32)
    metrics(truth, (truth + 0.1 * random.standard_normal(shape)).astype(np.float32), 1)
smooth = np.cumsum(random.standard_normal((2, 60, 50)), axis=2)
noisy = smooth + 0.3 + 0.01 * random.standard_normal(smooth.shape)
metrics(smooth, noisy, 12.5, "--data-range", 12.5)
metrics(smooth, noisy * 0.9, smooth.max(), "--data-range", "reference")
metrics((truth * 1000).astype(np.int16), (truth * 990).astype(np.int16), 1000, "--data-range", 1000)
if SHARED:
    cine = np.load(f"{SHARED}/scd_cine/SCD0000401.npz")["images"][4].astype(np.float32)
    cine /= cine.max()
    metrics(cine, np.abs(cine + 0.02 * random.standard_normal(cine.shape)), 1)

got = said("evaluate", "--reference", "r.npy", "--image", "r.npy")
check(all(v == "inf" for v in got["snr_db"] + got["psnr_db"]), f"perfect images: {got}")
zeros = save("zeros.npy", np.zeros_like(np.load(scratch.path / "r.npy")))
got = said("evaluate", "--reference", zeros, "--image", "r.npy")
check(got["snr_db"][0] == "-inf" and got["nmse"][0] == "inf", f"black reference: {got}")
got = said("evaluate", "--reference", zeros, "--image", zeros)
check(got["snr_db"][0] == "nan" and got["ssim"][0] == 1, f"black images: {got}")

# Scans are read as `recon` reads them.
scratch.succeed("phantom", "--frames", 2, "--rows", 96, "--columns", 96, "-o", "scan.npz")
scans = ["scan.npz"] + [f"{SHARED}/{name}" for name in ("ismrmrd/shepp96_c2_full.h5", "bart/phantom_ksp.cfl") if SHARED]
for scan in scans:
    scratch.succeed("recon", scan, "--model", "none", "--mask", "none", "--size", "96x96", "-o", "own.npy", "--quiet")
    got = said("evaluate", "--reference", scan, "--image", "own.npy")
    check(min(map(float, got["snr_db"])) > 120, f"{scan}: {got['snr_db']}")
    print(f"{scan}: read as by recon")


def normality(values, what):
    got = said("stats", "normality", save("v.npy", values))
    flat = values.ravel().astype(float)
    w, p = scipy.stats.shapiro(flat)
    agree(f"Shapiro-Wilk W, {what}", got["shapiro_wilk"]["w"], w)
    agree(f"Shapiro-Wilk p, {what}", got["shapiro_wilk"]["p"], p)
    d, p = lilliefors(flat, pvalmethod="approx")
    agree(f"Lilliefors D, {what}", got["lilliefors"]["d"], d)
    agree(f"Lilliefors p, {what}", got["lilliefors"]["p"], p, 1e-3)


for count in [4, 5, 6, 7, 10, 11, 12, 13, 20, 25, 33, 50, 99, 100, 101, 500, 1000, 2000, 5000]:
    normality(random.standard_normal(count) * 3 + 100, f"normal {count}")
    normality(random.gamma(2, size=count), f"skewed {count}")
    tied = np.round(random.standard_normal(count) * 2)
    tied[:2] = [-3, 3]
    normality(tied, f"tied {count}")
normality(random.random((30, 20)).astype(np.float32), "float32 matrix")
normality(1e9 + random.standard_normal(50), "large offset")

for shape in [(25, 5), (8, 3), (2, 2), (60, 4), (400, 7)]:
    for values in (random.standard_normal(shape), random.integers(0, 4, shape)):
        values[0] = np.arange(shape[1])
        got = said("stats", "friedman", save("t.npy", values))
        n, k = shape
        ranks = scipy.stats.rankdata(values, axis=1)
        if k > 2:
            want = scipy.stats.friedmanchisquare(*values.T)
            agree("Friedman chi2", got["friedman"]["chi2"], want.statistic)
            agree("Friedman p", got["friedman"]["p"], want.pvalue)
        agree("Kendall W", got["friedman"]["kendall_w"], got["friedman"]["chi2"] / (n * (k - 1)))
        means = ranks.mean(0)
        agree("mean ranks", [got["mean_ranks"][str(i)] for i in range(k)], means)
        pairs = list(itertools.combinations(range(k), 2))
        check([(p["a"], p["b"]) for p in got["pairs"]] == [(str(i), str(j)) for i, j in pairs], "pairs")
        for pair, (i, j) in zip(got["pairs"], pairs):
            z = abs(means[i] - means[j]) / np.sqrt(k * (k + 1) / (6 * n))
            p = 2 * scipy.stats.norm.sf(z)
            agree("Dunn", [pair["z"], pair["p"], pair["p_bonferroni"]], [z, p, min(1, p * len(pairs))])

for count, tied in [(6, False), (30, False), (50, False), (60, False), (200, True), (12, True)]:
    a, b = random.standard_normal((2, count))
    if tied:
        a, b = np.round(a * 2), np.round(b * 2) + 1
    pair = said("stats", "paired", save("a.npy", a), save("b.npy", b))["pairs"][0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nonzero = (a - b)[a != b]
        method = scipy.stats.PermutationMethod(n_resamples=2**13) if count == 12 else "auto"
        want = scipy.stats.wilcoxon(nonzero, method=method)
    agree("Wilcoxon W", pair["statistic"], want.statistic)
    agree("Wilcoxon p", pair["p"], want.pvalue)
    agree("median difference", pair["median_difference"], np.median(a - b))
    check((pair["a"], pair["b"]) == ("a", "b"), f"names: {pair}")
    want = np.percentile(a, [0, 25, 50, 75, 100])
    got = said("stats", "quartiles", "a.npy")
    agree("quartiles", [got[k] for k in ("min", "q1", "median", "q3", "max")], want)

text = scratch.succeed("evaluate", "--reference", "r.npy", "--image", "x.npy").stdout
check("median" in text and "SSIM" in text, f"table: {text}")
for name, error in worst.items():
    print(f"{name}: within {error:.2g}")
