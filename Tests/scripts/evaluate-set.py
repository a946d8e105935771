#!/usr/bin/env python3
"""rephase evaluate --set against NumPy, SciPy and scikit-image on a prepared set of phantoms and networks of its own."""

import itertools
import json
import shutil

import h5py
import numpy as np
import scipy.stats
import skimage.metrics
from recon_support import Scratch, check
from statsmodels.stats.diagnostic import lilliefors

scratch = Scratch()


def agree(got, want, tolerance, what):
    error = np.abs(np.asarray(got, float) - np.asarray(want, float)).max()
    check(error <= tolerance, f"{what}: {got}, not {want}")


def measures(images, truth):
    """SNR and SSIM of [image, channel, row, column]."""
    snr = [20 * np.log10(np.linalg.norm(t) / np.linalg.norm(t - x)) for x, t in zip(images, truth)]
    ssim = [skimage.metrics.structural_similarity(t[0], x[0], win_size=3, data_range=1, use_sample_covariance=False)
            for x, t in zip(images, truth)]  # fmt: skip
    return {"snr_db": np.array(snr), "ssim": np.array(ssim)}


(scratch.path / "scans").mkdir()
for number in range(3):
    scratch.succeed("phantom", "--frames", 11, "--rows", 96, "--columns", 80, "--seed", number,
                    "--noise", 0.05 * number, "-o", f"scans/s{number}.npz")  # fmt: skip
scratch.succeed("prepare", "scans", "--size", "64x48", "--validation", "s1", "--test", "s2", "-o", "set", "--quiet")
for name, settings in [("small", ["filters=4"]), ("wide", ["filters=6"])]:
    scratch.succeed("init", "resnet1", "--set", "residual=true", "--set", *settings, "--seed", 3, "-o",
                    f"{name}.safetensors")  # fmt: skip
scratch.succeed("evaluate", "--set", "set", "--models", "small.safetensors", "wide.safetensors", "-o", "report",
                "--quiet")  # fmt: skip

with h5py.File(scratch.path / "set/images.h5") as file:
    source, truth = (np.array(file["test"][name], np.float64) for name in ("input", "target"))
np.save(scratch.path / "x.npy", source.astype(np.float32))
all_images = {"zero-filled": source}
for name in ("small", "wide"):
    scratch.succeed("run", "--weights", f"{name}.safetensors", "--input", "x.npy", "-o", "y.npy")
    all_images[name] = np.load(scratch.path / "y.npy").astype(np.float64)

got = json.loads((scratch.path / "report/results.json").read_text())
check(got["images"] == len(truth) == 11, f"images: {got['images']}")
check([t["name"] for t in got["techniques"]] == list(all_images), f"techniques: {got['techniques']}")
want = {name: measures(images, truth) for name, images in all_images.items()}
for technique in got["techniques"]:
    for measure in ("snr_db", "ssim"):
        values = want[technique["name"]][measure]
        what = f"{measure} of {technique['name']}"
        quartiles = [technique["quartiles"][measure][key] for key in ("min", "q1", "median", "q3", "max")]
        agree(quartiles, np.percentile(values, [0, 25, 50, 75, 100]), 1e-4, what)
        tests = technique["normality"][measure]
        agree([tests["shapiro_wilk"][k] for k in "wp"], scipy.stats.shapiro(values), 1e-3, what)
        agree([tests["lilliefors"][k] for k in "dp"], lilliefors(values, pvalmethod="approx"), 1e-3, what)
for measure in ("snr_db", "ssim"):
    pairs = list(itertools.combinations(all_images, 2))
    check([(p["a"], p["b"]) for p in got["pairs"][measure]] == pairs, "pairs")
    for pair, (a, b) in zip(got["pairs"][measure], pairs):
        result = scipy.stats.wilcoxon(want[a][measure], want[b][measure])
        agree([pair["statistic"], pair["p"]], [result.statistic, result.pvalue], 1e-6, f"{measure} {a} {b}")

names = {path.name for path in (scratch.path / "report").iterdir()}
tables = [f"quartiles-{m}" for m in ("snr_db", "ssim", "psnr_db", "nmse")]
tables += [f"{t}-{m}" for t in ("normality", "pairs") for m in ("snr_db", "ssim")]
figures = ["boxes-snr_db", "boxes-ssim", "comparison", "profile"]
expected = {f"{t}.{e}" for t in tables for e in ("csv", "tex")} | {f"{f}.{e}" for f in figures for e in ("png", "svg")}
check(names == expected | {"report.html", "results.json"}, f"files: {names ^ expected}")
text = (scratch.path / "report/report.html").read_text()
check("://" not in text and text.count("<img") == len(figures), "the report is not self-contained")
rows = (scratch.path / "report/quartiles-snr_db.csv").read_text().splitlines()
check(rows[0] == "technique,network,loss,min,q1,median,q3,max", rows[0])
check(rows[2].startswith("small,resnet1,,") and len(rows) == 4, rows)

# Techniques with equal values leave the other pairs as they are.
shutil.copy(scratch.path / "small.safetensors", scratch.path / "again.safetensors")
scratch.succeed("evaluate", "--set", "set", "--models", "small.safetensors", "again.safetensors", "-o", "equal",
                "--quiet")  # fmt: skip
rows = (scratch.path / "equal/pairs-snr_db.csv").read_text().splitlines()
check(rows[3] == "small - again,-,-,-" and "-,-" not in rows[1], f"pairs of equal images: {rows}")
pairs = json.loads((scratch.path / "equal/results.json").read_text())["pairs"]["snr_db"]
check([(p["a"], p["b"]) for p in pairs] == [("zero-filled", "small"), ("zero-filled", "again")], f"pairs: {pairs}")

# Of three images there is one of the tests of normality.
scratch.succeed("phantom", "--frames", 3, "--rows", 96, "--columns", 80, "--noise", 0.05, "-o", "few.npz")
scratch.succeed("prepare", "scans", "few.npz", "--size", "64x48", "--test", "few", "-o", "few", "--quiet")
scratch.succeed("evaluate", "--set", "few", "--models", "small.safetensors", "-o", "three", "--quiet")
for technique in json.loads((scratch.path / "three/results.json").read_text())["techniques"]:
    check(set(technique["normality"]["ssim"]) == {"shapiro_wilk"}, f"normality of three: {technique['normality']}")

shutil.copy(scratch.path / "small.safetensors", scratch.path / "zero-filled.safetensors")
for arguments, code, word in [
    (["--set", "set"], 64, "--models"),
    (["--set", "set", "--models", "small.safetensors"], 64, "-o"),
    (["--set", "set", "--models", "small.safetensors", "--image", "x.npy", "-o", "bad"], 64, "--set"),
    (["--models", "small.safetensors"], 64, "--set"),
    (["--set", "scans", "--models", "small.safetensors", "-o", "bad"], 1, "scans"),
    (["--set", "set", "--models", "nowhere", "-o", "bad"], 1, "nowhere"),
    (["--set", "set", "--models", "x.npy", "-o", "bad"], 1, "x.npy"),
    (["--set", "set", "--models", "small.safetensors", "small.safetensors", "-o", "bad"], 1, "'small'"),
    (["--set", "set", "--models", "zero-filled.safetensors", "-o", "bad"], 1, "without a network"),
    (["--set", "set", "--models", "small.safetensors", "--part", "other", "-o", "bad"], 64, "--part"),
]:
    done = scratch.run("evaluate", *arguments, "--quiet")
    check(done.returncode == code and word in done.stderr, f"{arguments}: {done.returncode} {done.stderr}")
    check(not (scratch.path / "bad").exists(), f"{arguments}: written all the same")
print("the set's report agrees")
