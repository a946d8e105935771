#!/usr/bin/env python3
"""A whole experiment from a YAML file: set, runs, report; going on where it was left; files that are wrong."""

import json
import shutil

from recon_support import ROOT, Scratch, check
from safetensors.numpy import load_file

scratch = Scratch()
CONFIG = """
data: scans
prepare: {size: 32x24, validation: s1, test: s2}
networks:
  resnet1: {filters: 4, residual: true}
  resnet2: {filters: 4}
losses:
  l1:
  dssim: {lr: 0.002}
train: {optimizer: adam, batch: 2, steps: 6, no-shuffle: true}
evaluate: {part: test}
"""


def write(text, name="config.yaml"):
    (scratch.path / name).write_text(text)


(scratch.path / "scans").mkdir()
for number in range(3):
    scratch.succeed("phantom", "--frames", 6, "--rows", 48, "--columns", 40, "--seed", number,
                    "--noise", 0.05 * number, "-o", f"scans/s{number}.npz")  # fmt: skip
write(CONFIG)
done = scratch.succeed("experiment", "config.yaml", "-o", "out", seconds=1200)
check("rephase train resnet2" in done.stderr, f"progress: {done.stderr}")
names = ["resnet1-l1", "resnet1-dssim", "resnet2-l1", "resnet2-dssim"]
for name in names:
    settings = json.loads((scratch.path / "out/runs" / name / "run.json").read_text())
    rate = float(settings["learning_rate"])
    check(abs(rate - (0.002 if "dssim" in name else 0.001)) < 1e-8, f"{name}: {settings}")
    check(settings["loss"] == name.split("-")[1] and settings["shuffle"] == "false", f"{name}: {settings}")
report = scratch.path / "out/report"
results = json.loads((report / "results.json").read_text())
found = [(t["name"], t["network"], t["loss"]) for t in results["techniques"]]
check(found == [("zero-filled", "", "")] + [(n, *n.split("-")) for n in names], f"techniques: {found}")
check(results["images"] == 6, f"images: {results['images']}")
findings = (report / "findings.csv").read_text()
check(findings.count("cannot be decided") == 5 and "no unet was trained with l1" in findings, findings)
check((report / "curves.png").exists() and "Training" in (report / "report.html").read_text(), "no curves")

# Again: nothing is trained anew, and the report is the same. A run and the report that are missing come back.
last = scratch.path / "out/runs/resnet2-dssim/last.safetensors"
weights = last.read_bytes()
html = (report / "report.html").read_bytes()
write("# Another day.\n" + CONFIG)
scratch.succeed("experiment", "config.yaml", "-o", "out", "--quiet", seconds=1200)
check((report / "report.html").read_bytes() == html, "the report changes when nothing did")
shutil.rmtree(last.parent)
shutil.rmtree(report)
scratch.succeed("experiment", "config.yaml", "-o", "out", "--quiet", seconds=1200)
check(last.read_bytes() == weights and (report / "report.html").read_bytes() == html, "not the same again")

write(CONFIG.replace("steps: 6", "steps: 8"), "other.yaml")
done = scratch.run("experiment", "other.yaml", "-o", "out")
check(done.returncode == 1 and "other settings" in done.stderr, f"other settings: {done.stderr}")

write(CONFIG.replace("  l1:", "  perceptual: {vgg: 'random:x'}"), "vgg.yaml")
done = scratch.run("experiment", "vgg.yaml", "-o", "vgg")
check(done.returncode == 1 and "vgg.yaml:8:" in done.stderr and "names no seed" in done.stderr, f"vgg: {done.stderr}")
check(not (scratch.path / "vgg").exists(), "the set was prepared first")

# Names of runs may have points.
losses = ["l1+0.1*l2", "l1+0.9*l2"]
write(f"data: scans\nprepare: {{size: 32x24, test: s2}}\nnetworks: {{resnet1: {{filters: 4}}}}\nlosses: {losses}\n"
      "train: {batch: 2, steps: 2}\n", "points.yaml")  # fmt: skip
scratch.succeed("experiment", "points.yaml", "-o", "points", "--quiet", seconds=1200)
found = [t["name"] for t in json.loads((scratch.path / "points/report/results.json").read_text())["techniques"]]
check(found == ["zero-filled"] + [f"resnet1-{loss}" for loss in losses], f"names with points: {found}")

# Complex images: cascades beside the other networks, on one set. Settings and steps are smaller than the file's.
complex_text = (ROOT / "tools/experiments/cascade.yaml").read_text()
for old, new in [("SCD0000301", "s1"), ("SCD0000401", "s2"), ("steps: 2000", "steps: 2"), ("batch: 4", "batch: 2"),
                 ("    filters: 32\n", ""),
                 ("  crop:", "  size: 32x24\n  crop:"), ("residual: true", "residual: true\n    filters: 4"),
                 ("cascade5:", "cascade2:\n    filters: 4")]:  # fmt: skip
    check(old in complex_text, f"cascade.yaml has no '{old}'")
    complex_text = complex_text.replace(old, new)
write(complex_text, "complex.yaml")
scratch.succeed("experiment", "complex.yaml", "-o", "complex", "--quiet", seconds=1200)
results = json.loads((scratch.path / "complex/report/results.json").read_text())
found = [(t["name"], t["network"]) for t in results["techniques"]]
names = ["resnet4", "unet", "cascade2"]
check(found == [("zero-filled", "")] + [(f"{n}-l1", n) for n in names], f"complex techniques: {found}")
findings = (scratch.path / "complex/report/findings.csv").read_text()
check("resnet4" in findings and "cascade" not in findings, f"the paper has no cascade: {findings}")
for name in names:
    weights = load_file(scratch.path / f"complex/runs/{name}-l1/last.safetensors")
    check(any(w.ndim == 4 and w.shape[1] == 2 for w in weights.values()), f"{name} takes no complex images")

# What cannot be trained on the set is said before anything is made.
for old, new, word in [
    ("channels: 2", "channels: 1", "cascade2 takes images of 2 channels, the data has 1"),
    ("channels: 2", "channels: 3", "one of '1', '2' or 'coils'"),
    ("crop: before", "crop: after", "cropped after that"),
    ("crop: before", "crop: never", "never"),
    ("mask: regular:4:22", "mask: regular:3:22", "but the set is sampled by regular:3:22"),
    ("cascade2:", "cascade2:\n    channels: 2", "no setting 'channels'"),
    ("    filters: 4\n  unet", "    channels: 1\n  unet", "resnet4 takes images of 1 channels, the data has 2"),
    ("augment: shift", "augment: flip", "mirrors the measured lines"),
]:
    check(old in complex_text, f"no '{old}'")
    write(complex_text.replace(old, new, 1), "wrong.yaml")
    done = scratch.run("experiment", "wrong.yaml", "-o", "wrong")
    check(done.returncode == 1 and word in done.stderr, f"{new}: {done.returncode} {done.stderr}")
    check(not (scratch.path / "wrong").exists(), f"{new}: something was made")

for name, text, word in [
    ("empty", "", "data"),
    ("no YAML", "losses: [l1]\ndata: [", "(bad.yaml:3:1)"),
    ("a control character", "losses: [l1]\ndata: x\x04", "not allowed (bad.yaml:2)"),
    ("a name without a value", "losses: [l1]\ndata\nx: 1\n", "(bad.yaml:3:1)"),
    ("a list", "- data", "bad.yaml:1"),
    ("no networks", CONFIG.replace("networks:", "x:"), "no part 'x'"),
    ("no losses", "data: scans\nnetworks: [resnet1]\n", "losses"),
    ("empty losses", "data: scans\nnetworks: [resnet1]\nlosses: []\n", "losses"),
    ("a part of a part", CONFIG.replace("{lr: 0.002}", "{lr: {a: 1}}"), "'lr' has no value"),
    ("an unknown option", CONFIG.replace("batch: 2", "batches: 2"), "--batches"),
    ("a loss twice", "data: scans\nnetworks: [resnet1]\nlosses: [l1, l1]\n", "losses has 'l1' twice (bad.yaml:3:9)"),
    ("an output", CONFIG.replace("batch: 2", "output: elsewhere"), "'output' of train is not for the file to say (bad.yaml:"),
    ("an unknown network", CONFIG.replace("resnet1:", "resnet99:"), "no network 'resnet99' (bad.yaml:"),
    ("a setting out of range", CONFIG.replace("{filters: 4, residual", "{filters: -1, residual"), "filters=-1 of resnet1 is not possible (bad.yaml:"),
    ("an unknown loss", CONFIG.replace("dssim:", "huber:"), "is no loss (bad.yaml:"),
    ("missing scans", CONFIG.replace("data: scans", "data: nowhere"), "nowhere"),
    ("deep brackets", "data: " + "[" * 60_000, "brackets"),
    ("deep dashes", "- " * 30_000, "1000 characters"),
    ("a long file", "# comment\n" * 10_000, "bytes"),
]:
    write(text, "bad.yaml")
    done = scratch.run("experiment", "bad.yaml", "-o", "bad")
    lines = done.stderr.splitlines()
    check(done.returncode == 1 and word in done.stderr, f"{name}: {done.returncode} {done.stderr}")
    check(sum(line.startswith("error: ") for line in lines) == 1, f"{name}: {done.stderr}")
    shutil.rmtree(scratch.path / "bad", ignore_errors=True)
print("experiments run, go on, and refuse")
