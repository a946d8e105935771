#!/usr/bin/env python3
"""Kernels for NVIDIA GPUs, checked without one.

Everything that the zoo emits (both targets, all precisions, batches 1 and 32) must go through NVIDIA's assembler
without spilled registers and under the register ceiling, with tensor cores where they are meant, and small images must go through the PTX emulator, which
checks every access, with the error that is promised.
"""

import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import sysconfig
import tempfile

REPHASE = os.environ["REPHASE"]
PTXAS = pathlib.Path(sysconfig.get_paths()["purelib"]) / "nvidia/cu13/bin/ptxas"
TARGETS = ("sm_80", "sm_90")
PRECISIONS = ("strict", "standard", "tf32", "bf16")
REGISTERS = 168
# The type of the factors that tensor cores multiply.
FACTORS = {"strict": "f64", "standard": "tf32", "tf32": "tf32", "bf16": "bf16"}
NETWORKS = (
    ("resnet4", []), ("resnet4", ["--batch", "32"]), ("unet", []), ("unet", ["--batch", "32"]),
    ("vgg16-features", []), ("resnet2", ["--set", "channels=2", "--size", "50x37"]))
# Training steps, whose kernels gpu-training.py emulates.
TRAINED = (("resnet4", ["--batch", "32", "--train", "l2"]), ("unet", ["--batch", "8", "--train", "l2"]))
# Image sizes that tiles do not divide, several blocks of threads, two channels, a batch, odd filters, a kernel of 5x5. One
# residual block is enough, since others have the same kernels.
EMULATED = (
    ("resnet1", [], ["--size", "24x20"]),
    ("resnet1", ["--set", "channels=2", "--set", "residual=true", "--set", "filters=16"],
     ["--size", "18x21", "--batch", "2"]),
    ("resnet1", ["--set", "kernel=5", "--set", "filters=10"], ["--size", "13x9"]),
    ("unet", ["--set", "filters=8"], ["--size", "20x28"]),
    ("unet", ["--set", "filters=6"], ["--size", "8x12", "--batch", "3"]))
# Settings whose channels fill matrices.
FILLING = ([], ["--set", "filters=8"])
# What reads fragments by `ldmatrix`: never the cost model's choice, so files choose it for all kernels that it fits.
LDMATRIX = "matrix {tiles = %d, parts = 4, groups = 1, across = 2, down = 2, inputs = %d, ahead = 1, ldmatrix = 1}"
TILED_NETWORKS = (("resnet4", []), ("unet", []), ("unet", ["--batch", "32"]))
# Likewise Winograd's algorithm on tensor cores, which has the standard precision alone.
WINOGRAD = (
    "winograd_matrix {outputs = 2, across = 8, down = 4, warps = 8, parts = 4, inputs = 16, ahead = 1}",
    "winograd_matrix {outputs = 4, across = 4, down = 4, warps = 12, parts = 4, inputs = 8, ahead = 2}")


def run(*command):
    return subprocess.run(command, capture_output=True, text=True)


def assembled(folder, network, options, target, precision):
    """Says what is wrong with the kernels of a network, or gives the most registers that one uses."""
    ptx, cubin = folder / "model.ptx", folder / "model.cubin"
    emitted = run(
        REPHASE, "emit", network, *options, "--target", target, "--precision", precision, "--stage",
        "ptx", "-o", str(ptx))
    if emitted.returncode:
        return emitted.stderr
    result = run(str(PTXAS), "-v", f"-arch={target}", str(ptx), "-o", str(cubin))
    if result.returncode:
        return result.stderr
    text = ptx.read_text()
    products = text.count("mma.sync")
    if products == 0 or products != len(re.findall(rf"mma\.sync\S+\.{FACTORS[precision]}\.\S+", text)):
        return f"{products} products of matrices, not all of them of {FACTORS[precision]}"
    report = result.stdout + result.stderr
    registers = [int(count) for count in re.findall(r"Used (\d+) registers", report)]
    kernels = text.count(".visible .entry")
    frames = re.findall(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill", report)
    if len(registers) != kernels or len(frames) != kernels:
        return f"{kernels} kernels, but the assembler speaks of {len(registers)}"
    if any(int(bytes) for frame in frames for bytes in frame):
        return "registers are spilled, or local memory is used"
    if max(registers) > REGISTERS:
        return f"a kernel uses {max(registers)} registers, more than {REGISTERS}"
    return max(registers)


def ldmatrix_tile(precision):
    return LDMATRIX % ((3, 8) if precision == "standard" else (4, 32 if precision == "bf16" else 16))


def tile_schedule(folder, network, options, precision, tile):
    """A schedule file with one tile for every kernel with whole matrices, as options."""
    loops = run(REPHASE, "emit", network, *options, "--stage", "loops", "-o", "-").stdout
    kernels = re.findall(r"^ *kernel @(\S*convolution3x3_(\d+)_\w*?_\d+x(\d+)x\d+x\d+)\(", loops, re.M)
    chosen = [name for name, *channels in kernels if all(int(count) % 32 == 0 for count in channels)]
    file = folder / "tile.schedule"
    head = (
        "rephase_schedule 1", 'target "sm_90" {processor = "sm_90", vector_bytes = 16}', f"precision {precision}")
    file.write_text("\n".join((*head, *(f"kernel @{name} {tile}" for name in chosen), "")))
    return ["--schedule", str(file)]


def emulated(folder, network, settings, options, target, precision):
    """What is wrong with the results of a network in the emulator, or the line that sums them up."""
    weights = str(folder / "weights.safetensors")
    made = run(REPHASE, "init", network, *settings, "--seed", "5", "-o", weights)
    if made.returncode:
        return False, made.stderr
    result = run(
        REPHASE, "verify", network, *settings, *options, "--weights", weights, "--target", target,
        "--precision", precision, "--emulate")
    lines = result.stdout.splitlines() or [""]
    return result.returncode == 0 and lines[-1].startswith("worst"), lines[-1] + result.stderr


def warp_group_schedule(folder, options, precision):
    """A schedule file by which warp groups compute all wide convolutions of the U-Net, and their number. Blocks keep their
    weights where shared memory has room for those of 64 output channels."""
    loops = run(REPHASE, "emit", "unet", *options, "--stage", "loops")
    names = re.findall(r"kernel @(\w*convolution3x3_(64|128|256)_\w*\dx(?:64|128|256)x\d+x\d+)\(", loops.stdout)
    size, inputs = (2, 32) if precision == "bf16" else (4, 16)

    def line(name, channels):
        turns = ", turns = 2" if int(channels) * size <= 256 else ""
        tile = f"warp_groups {{tiles = 1, parts = 8, down = 2, inputs = {inputs}, ahead = 1{turns}}}"
        return f"kernel @{name} {tile}\n"

    schedule = folder / "unet.schedule"
    schedule.write_text(
        'rephase_schedule 1\ntarget "sm_90" {processor = "sm_90", vector_bytes = 16}\n'
        f"precision {precision}\n" + "".join(line(*found) for found in names))
    return schedule, len(names)


def warp_groups(folder, precision):
    """What is wrong with the U-Net's kernels by warp groups, or nothing."""
    schedule, count = warp_group_schedule(folder, [], precision)
    ptx = folder / "model.ptx"
    emitted = run(
        REPHASE, "emit", "unet", "--target", "sm_90", "--precision", precision, "--schedule", str(schedule),
        "--stage", "ptx", "-o", str(ptx))
    if emitted.returncode:
        return emitted.stderr
    result = run(str(PTXAS), "-v", "-arch=sm_90a", str(ptx), "-o", str(folder / "model.cubin"))
    report = result.stdout + result.stderr
    if result.returncode:
        return report
    kernels = ptx.read_text().split(".visible .entry")
    found = sum("wgmma.mma_async" in kernel for kernel in kernels)
    if count < 8 or found != count or any("mma.sync" in kernel for kernel in kernels):
        return f"{found} of {count} kernels multiply by warp groups"
    if re.search(r"serialized|[1-9]\d* bytes (stack|spill)", report):
        return report
    small = ["--size", "8x12", "--batch", "2"]
    schedule, _ = warp_group_schedule(folder, small, precision)
    good, line = emulated(folder, "unet", [], [*small, "--schedule", str(schedule)], "sm_90", precision)
    print(f"sm_90a {precision} unet by warp groups: {line}", flush=True)
    return "" if good else line


def kernels(folder, target, precision):
    """What the cost model chooses: each a line, and whether it is right."""
    # The targets differ in tiles only.
    for network, options in NETWORKS + (TRAINED if target == "sm_90" else ()):
        found = assembled(folder, network, options, target, precision)
        yield f"{target} {precision} {network} {' '.join(options)}: registers {found}", isinstance(found, int)
    for network, settings, options in EMULATED:
        # One precision of sm_80 is enough.
        if target == "sm_80" and precision != "strict":
            continue
        # Where channels do not fill matrices, all precisions but the strict one have the same kernels.
        if precision in ("tf32", "bf16") and settings not in FILLING:
            continue
        good, line = emulated(folder, network, settings, options, target, precision)
        yield f"{target} {precision} {network} {' '.join(settings + options)}: {line}", good


def kernels_by_tile(folder, precision, tile, instruction=""):
    """Kernels by a tile that the cost model does not choose, and an instruction that it is about, if any."""
    name = f"{precision} %s by {instruction or tile}"
    for network, options in TILED_NETWORKS:
        scheduled = options + tile_schedule(folder, network, options, precision, tile)
        found = assembled(folder, network, scheduled, "sm_90", precision)
        if isinstance(found, int) and instruction not in (folder / "model.ptx").read_text():
            found = f"no {instruction}"
        network = f"{network} {' '.join(options)}"
        yield f"sm_90 {name % network}: registers {found}", isinstance(found, int)
    size = ["--size", "24x20"]
    scheduled = size + tile_schedule(folder, "resnet1", size, precision, tile)
    good, line = emulated(folder, "resnet1", [], scheduled, "sm_90", precision)
    yield f"sm_90 {name % 'resnet1'}: {line}", good


def kernels_by_warp_groups(folder, precision):
    wrong = warp_groups(folder, precision)
    yield f"sm_90a {precision} unet by warp groups: {wrong or 'right'}", not wrong


def checked(job):
    """The lines of a job, which has a folder of its own, and how many of them say that something is wrong."""
    work, *arguments = job
    with tempfile.TemporaryDirectory() as folder:
        lines = list(work(pathlib.Path(folder), *arguments))
    print(*(line for line, _ in lines), sep="\n", flush=True)
    return len(lines), sum(not good for _, good in lines)


def main():
    if not PTXAS.exists():
        sys.exit(f"no {PTXAS}; run tools/setup")
    jobs = [(kernels, target, precision) for target in TARGETS for precision in PRECISIONS]
    jobs += [
        (kernels_by_tile, precision, ldmatrix_tile(precision), "ldmatrix.sync") for precision in PRECISIONS[1:]]
    jobs += [(kernels_by_tile, "standard", tile) for tile in WINOGRAD]
    jobs += [(kernels_by_warp_groups, precision) for precision in ("tf32", "bf16")]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as workers:
        counts = list(workers.map(checked, jobs))
    total, failures = (sum(numbers) for numbers in zip(*counts))
    sys.exit(f"{failures} of {total} failed" if failures else 0)


main()
