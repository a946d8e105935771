"""Takes the compiler along, and tunes packed networks on the machine with the GPU, for gpu-check."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig

# What belongs to the C library, of which each machine has its own.
OF_THE_SYSTEM = re.compile(r"^(ld-linux.*|lib(c|m|dl|rt|pthread|resolv|util)\.so.*)$")
# Folders of NVIDIA's assembler besides those on the path: of CUDA, of NVIDIA's packages for Python, of Triton's.
ASSEMBLERS = ("/usr/local/cuda/bin", *(
    f"{sysconfig.get_paths()['purelib']}/{folder}"
    for folder in ("nvidia/cu13/bin", "nvidia/cuda_nvcc/bin", "triton/backends/nvidia/bin")))
# Seconds that tuning may take past its time, to measure what it has compiled, and at most where there is no limit.
GRACE, LONGEST = 60, 1800
# Less is not worth starting.
LEAST = 3


def search_path():
    return ":".join(part for part in (os.environ.get("PATH"), *ASSEMBLERS) if part)


def pack(program, folder):
    """Copies the program and the libraries that it needs."""
    (folder / "program/lib").mkdir(parents=True)
    shutil.copy(program, folder / "program/rephase")
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    for name, path in re.findall(r"^\s*(\S+) => (/\S+)", listed, re.M):
        if not OF_THE_SYSTEM.match(name):
            shutil.copy(path, folder / "program/lib" / name)
    assembler = shutil.which("ptxas", path=search_path())
    if assembler:
        shutil.copy(assembler, folder / "program/ptxas")
    else:
        print("ptxas is not installed here, so it does not travel along", file=sys.stderr)


def run(folder, seconds, *command):
    """Runs the packed program; RuntimeError with its last words where it fails, or does not end in time."""
    libraries = ":".join(filter(None, (str(folder / "program/lib"), os.environ.get("LD_LIBRARY_PATH"))))
    environment = dict(os.environ, LD_LIBRARY_PATH=libraries, PATH=f"{search_path()}:{folder / 'program'}")
    try:
        result = subprocess.run(
            [str(folder / "program/rephase"), *map(str, command)], env=environment, capture_output=True, text=True,
            timeout=seconds)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"rephase {command[0]} did not end within {seconds:.0f} s")
    if result.returncode:
        raise RuntimeError(result.stderr.strip()[-1000:] or f"rephase ends with status {result.returncode}")
    # What could not be measured.
    print(result.stdout, result.stderr, sep="", file=sys.stderr, flush=True)


def check(folder):
    if not (folder / "program/rephase").exists():
        sys.exit("the compiler was not packed, so nothing can be tuned: pack with --tune")
    (folder / "schedules").mkdir(exist_ok=True)
    if not shutil.which("ptxas", path=f"{search_path()}:{folder / 'program'}"):
        print("ptxas is not here, so the driver compiles, on one core", file=sys.stderr)


def tuned(folder, entry, seconds, most):
    """The entry once more, with a tuned schedule, for which tiles are tried for so many seconds, at most until `most`
    are over, and a library by it; what an earlier run has made is kept."""
    name = entry["name"] + "_tuned"
    result = dict(entry, name=name, tuned=True)
    schedule = folder / "schedules" / f"{name}.schedule"
    model = [
        entry["network"], "--weights", folder / f"{entry['network']}.safetensors", "--size", entry["size"], "--batch",
        entry["batch"], "--target", entry["target"], "--precision", entry["precision"]]
    limit, options = LONGEST, []
    if seconds < LONGEST:
        limit, options = min(seconds + GRACE, most), ["--seconds", max(1, int(seconds))]
    try:
        if not schedule.exists():
            if seconds < LEAST:
                raise RuntimeError("no time was left to tune it")
            print(f"tuning {entry['name']}", file=sys.stderr, flush=True)
            run(folder, limit, "tune", *model, *options, "--quiet", "-o", schedule)
        if not (folder / "lib" / f"lib{name}.so").exists():
            libraries = ("--name", name, "--quiet", "-o", folder / "lib")
            run(folder, LONGEST, "compile", *model, "--schedule", schedule, *libraries)
    except (RuntimeError, OSError) as problem:
        result["problem"] = str(problem)
    return result
