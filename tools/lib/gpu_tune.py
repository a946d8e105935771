"""Takes the compiler along, and tunes packed networks on the machine with the GPU, for gpu-check."""

import os
import re
import shutil
import subprocess
import sys

# What belongs to the C library, of which each machine has its own.
OF_THE_SYSTEM = re.compile(r"^(ld-linux.*|lib(c|m|dl|rt|pthread|resolv|util)\.so.*)$")
# NVIDIA's assembler, where its folder is not on the path.
CUDA = "/usr/local/cuda/bin"


def pack(program, folder):
    """Copies the program and the libraries that it needs."""
    (folder / "program/lib").mkdir(parents=True)
    shutil.copy(program, folder / "program/rephase")
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    for name, path in re.findall(r"^\s*(\S+) => (/\S+)", listed, re.M):
        if not OF_THE_SYSTEM.match(name):
            shutil.copy(path, folder / "program/lib" / name)


def run(folder, *command):
    """Runs the packed program; RuntimeError with its last words where it fails."""
    def joined(*parts):
        return ":".join(part for part in parts if part)

    environment = dict(
        os.environ, LD_LIBRARY_PATH=joined(str(folder / "program/lib"), os.environ.get("LD_LIBRARY_PATH")),
        PATH=joined(os.environ.get("PATH"), CUDA))
    result = subprocess.run(
        [str(folder / "program/rephase"), *map(str, command)], env=environment, capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(result.stderr.strip()[-1000:] or f"rephase ends with status {result.returncode}")
    return result.stdout


def tuned(folder, entries):
    """The entries once more, each with its own tuned schedule and a library by it."""
    if not (folder / "program/rephase").exists():
        sys.exit("the compiler was not packed, so nothing can be tuned: pack with --tune")
    (folder / "schedules").mkdir(exist_ok=True)
    return [tune(folder, entry) for entry in entries]


def tune(folder, entry):
    name = entry["name"] + "_tuned"
    result = dict(entry, name=name, tuned=True)
    print(f"tuning {entry['name']}", file=sys.stderr, flush=True)
    schedule = folder / "schedules" / f"{name}.schedule"
    model = [
        entry["network"], "--weights", folder / f"{entry['network']}.safetensors", "--size", entry["size"], "--batch",
        entry["batch"], "--target", entry["target"], "--precision", entry["precision"]]
    try:
        print(run(folder, "tune", *model, "--quiet", "-o", schedule), file=sys.stderr, flush=True)
        run(folder, "compile", *model, "--schedule", schedule, "--name", name, "--quiet", "-o", folder / "lib")
    except (RuntimeError, OSError) as problem:
        result["problem"] = str(problem)
    return result
