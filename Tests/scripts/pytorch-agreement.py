#!/usr/bin/env python3
"""Rephase against PyTorch on the same safetensors and real cine images (made ones without them).

With strict precision each network runs by JIT, from a compiled library by `rephase run`, and by
ctypes: all three must give the same bytes. Errors are the largest difference over the reference's
largest value, in units of 2^-23. The limit against PyTorch in float64 is 16 for strict precision and
64 for standard precision (by JIT).

Fresh weights are those of `rephase init`; changed ones have random batch norm statistics and biases.
PyTorch in float32 (one thread) rounds too, past the limit where the last layer cancels (column
torch32 of 64), so the distance from it is held to the limit plus its own distance from float64.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

import numpy
import torch
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import pytorch_networks

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "Embedding"))
import host

LIMIT = 16
STANDARD_LIMIT = 64
REPHASE = os.environ.get("REPHASE") or sys.exit("error: REPHASE must name the command to test")

# Name, batch, size, settings.
NETWORKS = [(name, channels) for name in ["resnet2", "resnet4", "resnet7", "unet"] for channels in [1, 2]]
# Batches need no large images, since every size has code of its own anyway.
PAPER = [
    (name, batch, size, {"channels": channels})
    for name, channels in NETWORKS
    for batch, size in [(1, (192, 128)), (3, (60, 44))]
]
# Weights differ by network and channels only, and their values do not change the code, so that small images will do.
FRESH = [(name, 1 + 2 * (channels - 1), (48, 32), {"channels": channels}) for name, channels in NETWORKS]
SMALL = {"filters": 4, "pools": 2, "sens_filters": 3, "sens_pools": 2}
OTHERS = [
    ("vgg16-features", 1, (96, 64), {}),
    ("vgg16-features", 2, (61, 47), {}),
    ("resnet2", 3, (192, 128), {"channels": 2}),
    ("resnet2", 1, (61, 47), {"channels": 1}),
    ("resnet2", 2, (7, 3), {"channels": 2}),
    ("resnet1", 1, (1, 1), {"channels": 1}),
    ("unet", 1, (52, 36), {"channels": 2}),
    ("unet", 1, (4, 4), {"channels": 1}),
    ("resnet2", 1, (64, 48), {"channels": 1, "filters": 24, "kernel": 5, "residual": "true"}),
    ("resnet1", 1, (33, 50), {"channels": 2, "filters": 7, "kernel": 1}),
    ("unet", 1, (48, 20), {"channels": 2, "filters": 6, "residual": "true"}),
    ("cascade2", 1, (192, 128), {}),
    ("cascade3", 2, (35, 24), {"filters": 6, "mask": "regular:3:8:1", "axis": "rows"}),
    ("varnet", 1, (64, 48), {"coils": 4, "cascades": 3, **SMALL, "pools": 1, "mask": "regular:4:10"}),
    ("varnet", 2, (48, 40), {"coils": 3, "cascades": 1, **SMALL, "pools": 3, "mask": "regular:4:8"}),
    ("varnet", 1, (35, 51), {"coils": 1, "cascades": 1, **SMALL, "mask": "regular:3:8:1"}),
    ("varnet", 2, (33, 24), {"coils": 2, "cascades": 2, **SMALL, "mask": "regular:3:8:1", "axis": "rows"}),
    ("varnet", 1, (64, 80), {"coils": 4, "cascades": 1, "filters": 4}),
]


def rephase(*arguments):
    done = subprocess.run(
        [REPHASE, *map(str, arguments)], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    if done.returncode != 0:
        sys.exit(f"error: rephase {' '.join(map(str, arguments))}: {done.stderr}")


def options(settings):
    return [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]


def make_weights(folder, name, settings, seed, metadata, fresh_weights):
    """Fresh weights, or ones with everything trivial replaced, saved by Python; returns path and arrays."""
    fresh, path = folder / "fresh.safetensors", folder / "weights.safetensors"
    rephase("init", name, *options(settings), "--seed", seed, "-o", fresh)
    weights = load_file(fresh)
    if not fresh_weights:
        weights = pytorch_networks.perturbed(weights, seed)
    if metadata:
        with safe_open(fresh, "np") as file:
            metadata = file.metadata()
    save_file(weights, path, metadata=metadata or None)
    return path, weights


def mask_of(settings):
    return {key: settings[key] for key in ["mask", "axis"] if key in settings}


def in_pytorch(name, weights, x, settings, kind):
    parameters = {key: torch.from_numpy(value).to(kind) for key, value in weights.items()}
    flags = mask_of(settings)
    if settings.get("residual") == "true":
        flags["residual"] = True
    with torch.no_grad():
        outputs = pytorch_networks.network(name)(parameters, torch.from_numpy(x).to(kind), **flags)
    return [output.numpy() for output in outputs]


def ulps(results, references):
    """The largest difference over the reference's largest value, of the worst output."""
    worst = 0.0
    for a, b in zip(results, references, strict=True):
        if a.shape != b.shape:
            sys.exit(f"error: shape {a.shape}, not {b.shape}")
        a, b = a.astype(numpy.float64), b.astype(numpy.float64)
        error = abs(a - b).max() / abs(b).max() * 2**23
        worst = max(worst, error) if numpy.isfinite(error) else numpy.inf
    return worst


def run_rephase(folder, model, path, x, name, count):
    """The outputs with standard precision, and with strict by JIT, by `rephase run` of the library, and by ctypes."""
    batch, _, height, width = x.shape
    numpy.save(folder / "x.npy", x)
    shape = ["--batch", batch, "--size", f"{height}x{width}"]
    common = [*model, "--weights", path, *shape]
    written = {}
    for engine in ["standard", "jit", "library"]:
        files = [folder / f"{engine}{i}.npy" for i in range(count)]
        destination = [part for file in files for part in ("-o", file)]
        precision = ["--precision", "standard" if engine == "standard" else "strict"]
        if engine != "library":
            rephase("run", *common, *precision, "--input", folder / "x.npy", *destination)
        else:
            rephase("compile", *common, *precision, "--name", name, "--quiet", "-o", folder / name)
            library = folder / name / f"lib{name}.so"
            rephase("run", library, "--input", folder / "x.npy", *destination)
        written[engine] = [numpy.load(file) for file in files]
    loaded = host.Library(library, name)
    for status in (loaded.start(threads=2), loaded.check()):
        if status != host.OK:
            sys.exit(f"error: {name}: {loaded.status_text(status).decode()}")
    written["ctypes"] = loaded.outputs(x)
    loaded.stop()
    return written


def compare(folder, index, case, fresh):
    """Prints a row of the table; returns what is wrong."""
    name, batch, (height, width), settings = case
    metadata = index % 2 == 0
    path, weights = make_weights(folder, name, settings, 100 + index, metadata, fresh)
    coils = settings.get("coils")
    channels = 2 if name.startswith("cascade") else 2 * coils if coils else settings.get("channels", 3)
    x = pytorch_networks.inputs(batch, channels, height, width, coils, **mask_of(settings))
    expected = in_pytorch(name, weights, x, settings, torch.float32)
    exact = in_pytorch(name, weights, x, settings, torch.float64)
    # The metadata name the network and its settings, which may then be left out.
    model = [] if metadata else [name, *options(settings)]
    results = run_rephase(folder, model, path, x, f"model{index}", len(expected))
    error = ulps(results["jit"], expected)
    exact_error, standard = ulps(results["jit"], exact), ulps(results["standard"], exact)
    extra = " ".join(f"{k}={v}" for k, v in settings.items() if k != "channels")
    print(
        f"{name:15}{channels:3}{batch:6}  {height}x{width:<5}{error:9.2f}{exact_error:11.2f}"
        f"{standard:10.2f}{ulps(expected, exact):9.2f}  {'from file' if metadata else 'given':10}{extra}",
        flush=True,
    )
    wrong = []
    # PyTorch's own rounding is part of the first figure, so the message says how much it is.
    own = ulps(expected, exact)
    if not (exact_error <= LIMIT and error <= LIMIT + own and standard <= STANDARD_LIMIT):
        wrong.append(
            f"{name} {settings} batch {batch}: {error:.2f} from PyTorch in float32, which itself is "
            f"{own:.2f} from float64; Rephase is {exact_error:.2f} from float64, and {standard:.2f} "
            f"with standard precision; the limits are {LIMIT} and {STANDARD_LIMIT}"
        )
    for engine in ["library", "ctypes"]:
        if any(a.tobytes() != b.tobytes() for a, b in zip(results["jit"], results[engine])):
            wrong.append(f"{name} {settings} batch {batch}: {engine} differs from JIT")
    return wrong


def main():
    torch.set_num_threads(1)
    if pytorch_networks.cine(1) is None:
        print("no real images (REPHASE_SHARED_DATA is not set): made ones in their place")
    else:
        print("inputs: real cine images, zero-filled")
    wrong = []
    for title, cases, fresh in [
        ("fresh weights", FRESH, True),
        ("changed weights", PAPER + OTHERS, False),
    ]:
        print(title)
        print("network         ch batch  size     torch32  | 64: strict  standard  torch32  model name")
        for index, case in enumerate(cases):
            with tempfile.TemporaryDirectory() as folder:
                wrong += compare(pathlib.Path(folder), index, case, fresh)
    for line in wrong:
        print("error:", line)
    print("pytorch-agreement:", "failed" if wrong else "passed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
