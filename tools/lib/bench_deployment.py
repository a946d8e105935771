"""What deploying an engine costs: cold start, memory of a fresh process, installed size."""

import importlib.metadata
import os
import pathlib

import numpy
import packaging.requirements
import packaging.utils

from bench_process import EngineError, Worker, command, host_start, limit, relative_error

COLD_STARTS = 10
COMPILE_WHEN_STARTED = {"torch-compile", "jax", "iree", "halide"}
# What has to be installed where a compiled network runs.
PACKAGES = {"torch-compile": "torch", "iree": "iree-base-runtime"}


def cold_starts(engines, case, folder):
    """Process start to first output, best of several: a C host for Rephase, Python for peers.

    `engines` are the case's rows: one that is not right there is not measured here either.
    Engines that compile when they start are left out: their times would tell of that alone.
    """
    host, rows = folder / "host", []
    define = [f"-DMODEL={case['name']}", f'-DMODEL_HEADER="{case["name"]}.h"']
    library = pathlib.Path(case["library"])
    source = pathlib.Path(__file__).resolve().with_name("bench_host.c")
    command(
        os.environ.get("CC", "cc"), "-O2", "-std=gnu11", *define, "-I", library.parent, source,
        library, f"-Wl,-rpath,{library.parent}", "-o", host,
    )  # fmt: skip

    def native():
        seconds, peak = host_start(host, case, folder / "host.f32")
        y = numpy.fromfile(folder / "host.f32", dtype=numpy.float32).reshape(case["shape"])
        error = relative_error(y, case)
        if not error <= limit("rephase"):
            raise EngineError("wrong", f"the C host's output has the error {error:.2g}")
        return seconds, peak

    def python(engine):
        worker = Worker(engine, folder / "case.json", folder / f"{engine}-cold.log")
        return worker.start_seconds, worker.end()

    for found in engines:
        engine = found["engine"]
        row = {key: case[key] for key in ["net", "batch", "threads"]}
        row |= {"engine": engine, "host": "C" if engine == "rephase" else "Python"}
        row |= {key: found[key] for key in ["status", "reason"] if key in found}
        if row["status"] == "ok" and engine in COMPILE_WHEN_STARTED:
            row |= {"status": "not measured", "reason": "compiles when it starts"}
        rows.append(row)
        if row["status"] != "ok":
            continue
        try:
            starts = [
                native() if engine == "rephase" else python(engine) for _ in range(COLD_STARTS)
            ]
            row["times_s"] = [seconds for seconds, _ in starts]
            row |= {"best_s": min(row["times_s"]), "peak_bytes": max(peak for _, peak in starts)}
        except EngineError as error:
            row |= {"status": error.status, "reason": error.reason}
    return rows


def closure(distribution, seen):
    """The installed packages that a package needs to run, itself included."""
    name = packaging.utils.canonicalize_name(distribution)
    try:
        found = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return
    if name in seen:
        return
    seen[name] = found
    for text in found.requires or []:
        requirement = packaging.requirements.Requirement(text)
        if not requirement.marker or requirement.marker.evaluate({"extra": ""}):
            closure(requirement.name, seen)


def installed_size(engine):
    """Bytes in site-packages of an engine's package and of all it needs; Python not counted."""
    found = {}
    closure(PACKAGES.get(engine, engine), found)
    paths = {path.locate() for item in found.values() for path in item.files or []}
    total = sum(os.path.getsize(path) for path in paths if os.path.isfile(path))
    return {"engine": engine, "bytes": total, "what": ", ".join(sorted(found)) or "not available"}


def installed(peers, sizes):
    rows = [
        {"engine": "rephase", "bytes": size, "what": f"lib{net}.so, weights included"}
        for net, size in sizes.items()
    ]
    return rows + [installed_size(peer) for peer in peers]
