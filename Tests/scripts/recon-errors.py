#!/usr/bin/env python3
"""What rephase recon and phantom refuse: exit status, one clear message, and nothing written."""

import numpy as np
from recon_support import Scratch, check
from safetensors.numpy import load_file, save_file

scratch = Scratch()
image = np.random.default_rng(1).random((2, 40, 36), np.float32)


def save(name, array):
    np.save(scratch.path / name, array)


def damaged(value):
    copy = image.copy()
    copy[1, 2, 3] = value
    return copy


save("good.npy", image)
save("small.npy", image[:, :-2])
save("complex.npy", image.astype(np.complex64))
save("coils.npy", np.ones((2, 3, 40, 36), np.complex64) * image[:, None])
save("nan.npy", damaged(np.nan))
save("inf.npy", damaged(np.inf))
save("negative.npy", damaged(-1))
save("zero.npy", image * 0)
save("line.npy", image[0, 0])
save("mask.npy", np.ones(35, np.float32))
save("empty.npy", np.zeros(36, np.float32))
save("half.npy", np.full(36, 0.5, np.float32))
(scratch.path / "text.npy").write_text("no array")
(scratch.path / "cut.npy").write_bytes((scratch.path / "good.npy").read_bytes()[:-9])
(scratch.path / "folder.npy").mkdir()
(scratch.path / "fake.so").write_bytes(b"\x7fELF" + bytes(100))
np.savez(scratch.path / "other.npz", pictures=image, more=image)
scratch.succeed("init", "resnet1", "-o", "w1.safetensors")
scratch.succeed("init", "resnet1", "--set", "channels=2", "-o", "w2.safetensors")
scratch.succeed("init", "unet", "--set", "filters=4", "-o", "unet.safetensors")
scratch.succeed("init", "vgg16-features", "-o", "vgg.safetensors")
scratch.succeed("init", "cascade1", "--set", "mask=regular:4:10", "-o", "cascade.safetensors")
scratch.succeed("compile", "--weights", "w1.safetensors", "--name", "net", "--size", "40x36",
                "-o", ".", "--quiet")  # fmt: skip
scratch.succeed("compile", "--weights", "w1.safetensors", "--name", "apart", "--size", "40x36",
                "--weights-mode", "separate", "-o", ".", "--quiet")  # fmt: skip
scratch.succeed("compile", "--weights", "cascade.safetensors", "--name", "lines", "--size", "40x36",
                "-o", ".", "--quiet")  # fmt: skip
save_file(load_file(scratch.path / "cascade.safetensors"), scratch.path / "plain.safetensors")
for stage in ("graph", "scheduled", "llvm"):
    scratch.succeed("emit", "cascade1", "--set", "mask=regular:4:10", "--size", "40x36", "--stage", stage,
                    "-o", f"{stage}.rir")  # fmt: skip
    text = (scratch.path / f"{stage}.rir").read_text()
    (scratch.path / f"bad-{stage}.rir").write_text(text.replace("mask=regular:4:10", "mask=regular:4"))
scratch.succeed("opt", "graph.rir", "-o", "optimized.rir")
before = sorted(path.name for path in scratch.path.iterdir())

none = ["--model", "none"]
net = ["--weights", "w1.safetensors"]
cascade = ["--weights", "cascade.safetensors", "--mask", "regular:4:10"]
refused = [
    # status, part of the message, arguments
    (1, "missing.npy", ["missing.npy", *none]),
    (1, "not finite", ["nan.npy", *none]),
    (1, "not finite", ["inf.npy", *none]),
    (1, "negative", ["negative.npy", *none]),
    (1, "zero", ["zero.npy", *none]),
    (1, "no scan", ["line.npy", *none]),
    (1, "text.npy", ["text.npy", *none]),
    (1, "cut.npy", ["cut.npy", *none]),
    (1, "folder.npy", ["folder.npy", *none]),
    (1, "no array 'kspace'", ["other.npz", *none]),
    (1, "40x36", ["good.npy", "small.npy", *none]),
    (1, "k-space", ["good.npy", "complex.npy", *none]),
    (1, "no slices", ["good.npy", *none, "--slice", "0"]),
    (1, "central lines", ["good.npy", *none, "--mask", "regular:4:99"]),
    (1, "sampling mask", ["good.npy", *none, "--mask", "mask.npy"]),
    (1, "keeps nothing", ["good.npy", *none, "--mask", "empty.npy"]),
    (1, "0.5", ["good.npy", *none, "--mask", "half.npy"]),
    (1, "nomask", ["good.npy", *none, "--mask", "nomask"]),
    (64, "sampling pattern", ["good.npy", *none, "--mask", "regular:0:22"]),
    (64, "sampling pattern", ["good.npy", *none, "--mask", "regular:four"]),
    (64, "--axis", ["good.npy", *none, "--axis", "diagonal"]),
    (64, "--dimensions", ["good.npy", *none, "--dimensions", "coil,diagonal"]),
    (64, "--scale", ["good.npy", *none, "--scale", "big"]),
    (64, "--consistency", ["good.npy", *none, "--consistency", "soft"]),
    (64, "--consistency", ["good.npy", *none, "--consistency", "hard"]),
    (64, "--size", ["good.npy", *none, "--size", "0x128"]),
    (64, "--size", ["good.npy", *none, "--size", "0"]),
    (64, "--size", ["good.npy", *none, "--size", "99999999999999999999x2"]),
    (1, "pixels", ["good.npy", *none, "--size", "16384x16384"]),
    (64, "--weights", ["good.npy", *none, *net]),
    (64, "--target", ["good.npy", *none, "--target", "native"]),
    (64, "--target", ["good.npy", "--model", "libnet.so", "--target", "native"]),
    (64, "nonsense", ["good.npy", *net, "--target", "nonsense"]),
    (64, "--batch", ["good.npy", *net, "--batch", "0"]),
    (64, "--threads", ["good.npy", *net, "--threads", "-1"]),
    (64, "--slice", ["good.npy", *none, "--slice=-1"]),
    (64, "MODEL", ["good.npy"]),
    (64, "--weights", ["good.npy", "--model", "resnet1"]),
    (64, "scans", [*none]),
    (None, "resnet99", ["good.npy", "--model", "resnet99", *net]),
    (None, "multiple", ["good.npy", "--weights", "unet.safetensors", "--size", "42x36"]),
    (1, "no reconstruction network", ["good.npy", "--weights", "vgg.safetensors"]),
    (1, "nofile.safetensors", ["good.npy", "--model", "resnet1", "--weights", "nofile.safetensors"]),
    (1, "sampled otherwise", ["good.npy", "--weights", "cascade.safetensors", "--size", "40x36", "--mask", "regular:4:8"]),
    (1, "sampled otherwise", ["good.npy", "--model", "liblines.so", "--mask", "regular:4:8"]),
    *[(1, "sampled otherwise", ["good.npy", "--model", f"{stage}.rir", "--weights", "cascade.safetensors", "--mask",
                                "regular:4:8"]) for stage in ("graph", "optimized", "scheduled", "llvm")],
    (1, "(bad-graph.rir)", ["good.npy", "--model", "bad-graph.rir", "--weights", "plain.safetensors"]),
    (1, "not mask=regular:4 ", ["good.npy", "--model", "bad-scheduled.rir", "--weights", "cascade.safetensors"]),
    (1, "along columns back", ["good.npy", *cascade, "--size", "40x36", "--axis", "rows"]),
    (1, "--crop before", ["good.npy", *cascade, "--size", "32x36"]),
    (1, "does not fit images of 8 columns", ["good.npy", *cascade, "--size", "40x8"]),
    (1, "coils", ["coils.npy", "--weights", "w2.safetensors"]),
    (1, "fake.so", ["good.npy", "--model", "fake.so"]),
    (1, "40x36", ["good.npy", "--model", "libnet.so", "--size", "44x36"]),
    (1, "at once", ["good.npy", "--model", "libnet.so", "--batch", "2"]),
    (64, "--set", ["good.npy", "--model", "libnet.so", "--set", "blocks=2"]),
    (1, "weights", ["good.npy", "--model", "libapart.so"]),
    (1, "weights", ["good.npy", "--model", "libapart.so", "--weights", "good.npy"]),
]  # fmt: skip
outputs = [
    (64, ".npy", ["-o", "out.mat"]),
    (64, "--png", ["-o", "out.png", "--png", "sheet.png"]),
    (64, ".png", ["-o", "out.npy", "--png", "sheet.jpg"]),
    (1, "does not exist", ["-o", "nowhere/out.npy"]),
    (1, "does not exist", ["-o", "out.npy", "--png", "nowhere/sheet.png"]),
    (1, "one of the files that are read", ["-o", "./good.npy"]),
    (1, "directory", ["-o", "folder.npy", "--png", "sheet.png"]),
]


def refuse(status, part, command, arguments):
    done = scratch.run(command, *arguments, seconds=60)
    what = f"{command} {' '.join(arguments)}: {done.stderr}"
    wanted = (1, 64) if status is None else (status,)
    check(done.returncode in wanted, f"status {done.returncode}, not {wanted}: {what}")
    check(part in done.stderr, f"no '{part}' in: {what}")
    check(done.stderr.startswith("error: "), f"not begun with 'error: ': {what}")
    check(done.stderr.count("error: ") == 1, f"not one error: {what}")
    check(done.stdout == "", f"something on standard output: {what}{done.stdout}")
    now = sorted(path.name for path in scratch.path.iterdir())
    check(now == before, f"files came or went: {set(now) ^ set(before)}: {what}")


for status, part, arguments in refused:
    refuse(status, part, "recon", [*arguments, "-o", "out.npy", "--png", "sheet.png", "--quiet"])
for status, part, arguments in outputs:
    refuse(status, part, "recon", ["good.npy", *none, *arguments, "--quiet"])
phantoms = [
    (64, "--frames", ["--frames", "0", "-o", "p.npz"]),
    (64, "--rows", ["--rows", "4", "-o", "p.npz"]),
    (64, "--columns", ["--columns", "99999", "-o", "p.npz"]),
    (64, "points", ["--frames", "9999", "--rows", "4096", "--columns", "4096", "-o", "p.npz"]),
    (64, "--noise", ["--noise", "nan", "-o", "p.npz"]),
    (64, "--noise", ["--noise=-1", "-o", "p.npz"]),
    (64, ".npz", ["-o", "p.npy"]),
    (1, "does not exist", ["--frames", "1", "-o", "nowhere/p.npz"]),
]
for status, part, arguments in phantoms:
    refuse(status, part, "phantom", arguments)
check(np.array_equal(np.load(scratch.path / "good.npy"), image), "the scan was changed")
print(f"{len(refused) + len(outputs) + len(phantoms)} refusals")
