#!/usr/bin/env python3
"""ONNX files as models: rephase against ONNX Runtime on random images.

Operators as onnx.helper writes them, and networks as both exporters of PyTorch write them: native code and the float64
reference stay within 64 x 2^-23 of the largest value. Networks also run at another size than they were exported for,
from a compiled library, with weights taken out and put back, and with weights in a file of their own.
"""

import concurrent.futures
import os
import pathlib
import subprocess
import sys
import tempfile
import warnings

import numpy
import onnx
import onnxruntime
import torch
from safetensors.numpy import load_file, save_file

import onnx_networks
import onnx_operators
import pytorch_networks

LIMIT = 64
REPHASE = os.environ.get("REPHASE") or sys.exit("error: REPHASE must name the command to test")
warnings.filterwarnings("ignore")


def rephase(*arguments):
    done = subprocess.run(
        [REPHASE, *map(str, arguments)], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    if done.returncode != 0:
        sys.exit(f"error: rephase {' '.join(map(str, arguments))}: {done.stderr}")


def refused(message, *arguments):
    done = subprocess.run([REPHASE, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 1 or message not in done.stderr:
        sys.exit(f"error: rephase {' '.join(map(str, arguments))} ends with {done.returncode}: {done.stderr}")


def expected(path, x):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def check(title, y, reference, peer="ONNX Runtime"):
    """The distance in units of 2^-23 of the largest value; ends the script where it is too large."""
    if y.shape != reference.shape:
        sys.exit(f"error: {title}: shape {y.shape}, not {reference.shape}")
    y, reference = y.astype(numpy.float64), reference.astype(numpy.float64)
    error = abs(y - reference).max() / max(abs(reference).max(), 1e-30) * 2**23
    if not error <= LIMIT:
        sys.exit(f"error: {title}: {error:.1f} x 2^-23 from {peer}")
    return error


def compare(title, path, x):
    """Native code and the reference; what native code gives."""
    reference, outputs = expected(path, x), []
    numpy.save(path.with_suffix(".x.npy"), x)
    for engine in ["native", "reference"]:
        y = path.with_suffix(f".{engine}.npy")
        rephase(
            "run", path, "--input", path.with_suffix(".x.npy"), "--engine", engine, "--threads", 1, "-o", y)
        outputs.append(numpy.load(y))
    errors = [check(f"{title} ({x.shape})", y, reference) for y in outputs]
    return errors, outputs[0]


def operators(folder):
    random = numpy.random.default_rng(1)

    def work(item):
        number, (title, model), x = item
        path = folder / f"operator{number}.onnx"
        onnx.save(model, path)
        return title, compare(title, path, x)[0]

    items = []
    for number, (title, model) in enumerate(onnx_operators.all_models()):
        shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
        items.append((number, (title, model), random.normal(size=shape).astype(numpy.float32)))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(work, items))
    worst = [max(results, key=lambda row: row[1][i]) for i in (0, 1)]
    print(f"{len(results)} operators; native at most {worst[0][1][0]:.1f} x 2^-23 ({worst[0][0].strip()}), "
          f"reference {worst[1][1][1]:.1f} ({worst[1][0].strip()})")


def export(network, path, size, dynamo, dynamic):
    x = torch.zeros(1, 1, *size)
    if dynamo:
        shapes = None
        if dynamic:
            shapes = ({0: torch.export.Dim.DYNAMIC, 2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC},)
        torch.onnx.export(
            network, (x,), path, dynamo=True, dynamic_shapes=shapes, external_data=False, verbose=False,
            input_names=["x"], output_names=["y"])
    else:
        axes = {"x": {0: "n", 2: "h", 3: "w"}} if dynamic else None
        torch.onnx.export(
            network, (x,), path, dynamo=False, dynamic_axes=axes, opset_version=17,
            input_names=["x"], output_names=["y"])


def variational(folder):
    """A network of several coils, whose k-space is complex, beside PyTorch in float64: ONNX Runtime's own transforms are
    further off than that of any network above."""
    network = onnx_networks.randomized(onnx_networks.VariationalNetwork(32), 11)
    x = torch.randn(1, 3, 24, 32, 2, generator=torch.Generator().manual_seed(12))
    path, given = folder / "variational.onnx", folder / "kspace.npy"
    torch.onnx.export(network, (x,), path, dynamo=True, external_data=False, verbose=False)
    numpy.save(given, x.numpy())
    with torch.no_grad():
        exact = network.double()(x.double()).numpy()
    errors = []
    for engine in ["native", "reference"]:
        rephase("run", path, "--input", given, "--engine", engine, "-o", folder / "y.npy")
        errors.append(check(f"variational, {engine}", numpy.load(folder / "y.npy"), exact, "PyTorch in float64"))
    print(f"variational network: native {errors[0]:.1f}, reference {errors[1]:.1f} x 2^-23 from PyTorch in float64")


def volumes(folder):
    """A network of volumes by both exporters, in an emulated GPU too, and `recon` with it: the scan's frames, whose number
    the file leaves open, are one volume, which the zero-filled images scaled by hand give as well."""
    network = onnx_networks.randomized(onnx_networks.Volumes(), 13)
    random = numpy.random.default_rng(14)
    for dynamo in [False, True]:
        path, x = folder / f"volumes{int(dynamo)}.onnx", torch.zeros(1, 1, 4, 8, 12)
        dynamic = torch.export.Dim.DYNAMIC
        if dynamo:
            torch.onnx.export(
                network, (x,), path, dynamo=True, dynamic_shapes=({0: dynamic, 2: dynamic, 3: dynamic, 4: dynamic},),
                external_data=False, verbose=False)
        else:
            torch.onnx.export(
                network, (x,), path, dynamo=False, opset_version=17, input_names=["x"],
                dynamic_axes={"x": {0: "n", 2: "d", 3: "h", 4: "w"}})
        for shape in [(1, 1, 6, 12, 16), (2, 1, 4, 8, 12)]:
            errors, _ = compare("volumes", path, random.normal(size=shape).astype(numpy.float32))
            print(f"volumes  {str(shape):16} native {errors[0]:5.1f} reference {errors[1]:5.1f} x 2^-23")
    rephase("verify", path, "--size", "4x8x8", "--target", "sm_90", "--emulate")
    scan, given, made = folder / "scan.npz", folder / "given.npy", folder / "made.npy"
    rephase("phantom", "--frames", 4, "-o", scan)
    rephase("recon", scan, "--model", "none", "--size", "32x24", "--quiet", "-o", given)
    rephase("recon", scan, "--model", path, "--size", "32x24", "--quiet", "-o", made)
    images = numpy.load(given)
    low, high = images.min(), images.max()
    output = expected(path, ((images - low) / (high - low))[None, None])[0, 0]
    check("recon of volumes", numpy.load(made), output * (high - low) + low)
    rephase("compile", path, "--size", "4x32x24", "--quiet", "-o", folder / "lib")
    library = folder / f"lib/lib{path.stem}.so"
    rephase("recon", scan, "--model", library, "--quiet", "-o", folder / "compiled.npy")
    if (folder / "compiled.npy").read_bytes() != made.read_bytes():
        sys.exit("error: the library makes other volumes than recon's own network")
    refused("volumes of 4 slices", "recon", scan, "--model", library, "--size", "5x32x24", "-o", made)
    rephase("phantom", "--frames", 3, "-o", scan)
    refused("volumes of 4 frames", "recon", scan, "--model", library, "-o", made)


def networks(folder):
    zoo = {}
    for name in ["resnet2", "unet"]:
        weights = folder / f"{name}.safetensors"
        settings = ["--set", "filters=8"]
        rephase("init", name, *settings, "--seed", 2, "-o", weights)
        zoo[name] = onnx_networks.Zoo(name, pytorch_networks.perturbed(load_file(weights), 2))
    return zoo | {
        "fastmri": onnx_networks.randomized(onnx_networks.FastMRIUnet(), 3),
        "prelu": onnx_networks.randomized(onnx_networks.ResidualPReLU(), 4),
        "dilated": onnx_networks.randomized(onnx_networks.DilatedGroups(), 5),
        "attention": onnx_networks.randomized(onnx_networks.AttentionUnet(), 7),
        "squeeze": onnx_networks.randomized(onnx_networks.SqueezeExcitation(), 8),
        "windows": onnx_networks.randomized(onnx_networks.WindowAttention((48, 64)), 9),
        "unrolled": onnx_networks.randomized(onnx_networks.Unrolled((24, 32)), 10),
    }


def exported(folder, name, network):
    """Both exporters; also at another size than that of the export where sizes are dynamic."""
    random = numpy.random.default_rng(6)
    exports = [(False, False), (False, True), (True, True)]
    # Masks of windows belong to one size.
    if name == "windows":
        exports = [(False, False), (True, False)]
    # Only torch.export knows complex numbers.
    if name == "unrolled":
        exports = [(True, False)]
    # Fixed sizes make no difference to what the last two have more than the others.
    for dynamo, dynamic in exports[1:] if name in ["attention", "squeeze"] else exports:
        exporter = "torch.export" if dynamo else "TorchScript"
        path = folder / f"{name}_{int(dynamo)}{int(dynamic)}.onnx"
        # The U-Net of fastMRI mirrors a row and a column of images like this one.
        size = (26, 31) if name == "fastmri" and not dynamic else (48, 64) if name == "windows" else (24, 32)
        export(network, path, size, dynamo, dynamic)
        for shape in [(1, 1, *size), (2, 1, 16, 40)][: 1 + dynamic]:
            x = random.normal(size=shape).astype(numpy.float32)
            errors, _ = compare(f"{name} by {exporter}", path, x)
            print(f"{name:8} {exporter:12} {str(shape):16} native {errors[0]:5.1f} reference {errors[1]:5.1f} x 2^-23")


def library(folder, path):
    """A library gives the bytes that `run` gives, and says how its model is called."""
    x = numpy.load(path.with_suffix(".x.npy"))
    batch, _, height, width = x.shape
    rephase(
        "compile", path, "--batch", batch, "--size", f"{height}x{width}", "--quiet", "-o", folder / "lib")
    y = folder / "library.npy"
    rephase("run", folder / f"lib/lib{path.stem}.so", "--input", path.with_suffix(".x.npy"), "-o", y)
    if numpy.load(y).tobytes() != numpy.load(path.with_suffix(".native.npy")).tobytes():
        sys.exit("error: the library gives other numbers than rephase run")
    # A name that is no identifier.
    numbered = folder / "1.onnx"
    numbered.write_bytes(path.read_bytes())
    rephase("compile", numbered, "--size", "16x16", "--quiet", "-o", folder / "lib")
    if not (folder / "lib/libmodel_1.so").exists():
        sys.exit("error: the library of 1.onnx is not called model_1")
    keyword = folder / "int.onnx"
    keyword.write_bytes(path.read_bytes())
    rephase("verify", keyword, "--size", "16x16")
    rephase("bench", path, "--size", "16x16", "--rounds", 2, "--json")


def weights(folder, path):
    """Weights are taken out, changed and put back."""
    taken, changed = folder / "taken.safetensors", folder / "changed.safetensors"
    rephase("init", path, "--trained", "-o", taken)
    values = load_file(taken)
    if "out.weight" not in values:
        sys.exit(f"error: the weights are {sorted(values)}")
    x, y = path.with_suffix(".x.npy"), folder / "doubled.npy"
    save_file({name: 2 * values[name] for name in ["out.weight", "out.bias"]}, changed)
    rephase("run", path, "--weights", changed, "--input", x, "--engine", "reference", "-o", y)
    check("weights replaced", numpy.load(y), 2 * expected(path, numpy.load(x)))


def external(folder, path):
    """Weights in a file beside the network."""
    beside = folder / "external"
    beside.mkdir()
    model = onnx.load(path)
    target = beside / "net.onnx"
    onnx.save(model, target, save_as_external_data=True, location="net.data", size_threshold=0)
    if not (beside / "net.data").exists():
        sys.exit("error: the weights are in the network's own file")
    compare("external weights", target, numpy.load(path.with_suffix(".x.npy")))


def main():
    with tempfile.TemporaryDirectory(prefix="rephase-onnx.") as name:
        folder = pathlib.Path(name)
        operators(folder)
        for name, network in networks(folder).items():
            exported(folder, name, network)
        variational(folder)
        volumes(folder)
        path = folder / "fastmri_01.onnx"
        library(folder, path)
        weights(folder, path)
        external(folder, path)


main()
