"""tools/bench's measurement: Rephase's compiled libraries beside other engines, interleaved.

Every engine has a long-lived process of its own on the same cores. Round by round each takes its
turn: one inference that is not timed, because the engines before have filled the caches, and one
that is. Outputs are compared with PyTorch in float64 with unfolded batch norm.
"""

import argparse
import datetime
import itertools
import json
import os
import pathlib
import statistics
import sys
import tempfile
import time

import numpy
import torch
from safetensors.numpy import load_file, save_file

import bench_networks
import bench_report
from bench_deployment import cold_starts, installed
from bench_process import EngineError, Usage, Worker, command, limit, numbers, relative_error

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Tests" / "scripts"))
import pytorch_networks

PEERS = ["onnxruntime", "openvino", "torch", "torch-compile", "jax", "iree", "halide"]
SETTLE_SECONDS = 0.02  # between turns, so that the last engine's threads have stopped spinning


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def arguments():
    parser = Usage(prog="tools/bench")
    parser.add_argument("--binary", required=True, type=pathlib.Path)
    parser.add_argument("--output", required=True, type=pathlib.Path)
    parser.add_argument("--nets", type=lambda text: text.split(","), default=["resnet4", "unet"])
    parser.add_argument("--batches", type=numbers, default=[1, 8])
    parser.add_argument("--threads", type=numbers, default=None)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--peers", type=lambda text: text.split(","), default=PEERS)
    parser.add_argument("--missing", action="append", default=[], help=argparse.SUPPRESS)
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    options.threads = options.threads or [n for n in [1, 2] if n <= len(cores)]
    for peer in options.peers:
        if options.peers.count(peer) > 1:
            parser.error(f"peer '{peer}' is named twice")
        if peer not in PEERS:
            parser.error(f"no peer '{peer}'; there are {', '.join(PEERS)}")
    for net in options.nets:
        number = net.removeprefix("resnet")
        if net != "unet" and not (net != number and number.isdecimal()):
            parser.error(f"'{net}' is not measured here; resnetK and unet are")
    if options.rounds < 1 or min(options.batches) < 1 or min(options.threads) < 1:
        parser.error("rounds, batches and threads are at least 1")
    if max(options.threads) > len(cores):
        parser.error(f"{max(options.threads)} threads, but this process may use {len(cores)} cores")
    options.cores = cores
    return options


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = [line.split(":")[1].strip() for line in file if line.startswith("model name")]
    return {
        "processor": models[0] if models else "unknown",
        "cores": len(os.sched_getaffinity(0)),
        "system": f"{os.uname().sysname} {os.uname().release}",
        "load_before": os.getloadavg()[0],
    }


def make_weights(binary, net, folder):
    """Path of fresh weights with biases and batch norm statistics of their own, and the arrays."""
    fresh, path = folder / f"{net}-fresh.safetensors", folder / f"{net}.safetensors"
    command(binary, "init", net, "--seed", 1, "-o", fresh)
    weights = pytorch_networks.perturbed(load_file(fresh), 1)
    save_file(weights, path)
    return path, weights


def reference(net, weights, x):
    parameters = {key: torch.from_numpy(value).double() for key, value in weights.items()}
    with torch.inference_mode():
        return pytorch_networks.network(net)(parameters, torch.from_numpy(x).double())[0].numpy()


def make_case(options, net, batch, threads, path, weights, folder):
    """The files and settings that the workers of one case share."""
    say(bench_report.title({"net": net, "batch": batch, "threads": threads}))
    folder = folder / f"{net}-{batch}-{threads}"
    folder.mkdir()
    name = net.replace("-", "_")
    x = pytorch_networks.inputs(batch, 1)
    folded = bench_networks.folded(weights)
    case = {
        "net": net,
        "name": name,
        "batch": batch,
        "threads": threads,
        "cores": options.cores[:threads],
        "shape": list(x.shape),
        "gflop": bench_networks.gflop(net, folded, x.shape),
        "embedding": str(ROOT / "Tests" / "Embedding"),
    }
    for key, file in {
        "input": "x.npy",
        "raw": "x.f32",
        "reference": "reference.npy",
        "folded": "folded.npz",
        "onnx": "net.onnx",
        "library": f"library/lib{name}.so",
    }.items():
        case[key] = str(folder / file)
    numpy.save(case["input"], x)
    x.tofile(case["raw"])
    numpy.save(case["reference"], reference(net, weights, x))
    bench_networks.save_folded(folded, case["folded"])
    bench_networks.save_onnx(net, folded, x.shape, case["onnx"])
    compile_options = ["--batch", batch, "--threads", threads, "--name", name, "--quiet"]
    start = time.perf_counter()
    command(
        options.binary,
        "compile",
        net,
        "--weights",
        path,
        *compile_options,
        "-o",
        folder / "library",
    )
    case["compile_s"] = time.perf_counter() - start
    return case, folder


def layers(options, case):
    """What `rephase bench --layers` measures on the same cores: the FMA peak and each kernel."""
    text = command(
        options.binary, "bench", case["net"], "--batch", case["batch"],
        "--threads", case["threads"], "--rounds", 3, "--layers", "--json", cores=case["cores"],
    )  # fmt: skip
    rows = [json.loads(line) for line in text.splitlines()]
    (peak,) = (row["gflops"] for row in rows if row["kernel"] == "fma_peak")
    return peak, [row for row in rows if row["kernel"] not in ("fma_peak", "copy_peak")]


def start_engine(engine, case, folder, missing):
    """The engine's row and its worker, None where it is not there or broke."""
    row = {"engine": engine, "status": "ok", "times_s": []}
    try:
        worker = Worker(engine, folder / "case.json", folder / f"{engine}.log")
    except EngineError as error:
        row |= {"status": error.status, "reason": missing.get(engine, error.reason)}
        return row, None
    row |= worker.ready
    return row, worker


def attempt(row, workers, action):
    """Runs a step of one engine; where it breaks, its row says so and it takes no more turns."""
    try:
        action()
    except EngineError as error:
        row |= {"status": error.status, "reason": error.reason, "times_s": []}
        workers.pop(row["engine"]).stop()


def check(row, worker, case, folder):
    engine = row["engine"]
    path = folder / f"{engine}.npy"
    worker.ask(do="output", path=str(path))
    row["error"] = relative_error(numpy.load(path), case)
    if not row["error"] <= limit(engine):
        reason = f"error {row['error']:.2g} is more than {limit(engine):.2g}"
        row |= {"status": "wrong", "reason": reason}


def interleave(rows, workers, rounds):
    """Each engine in turn, round by round, beginning with another one each time."""
    for index in range(rounds):
        for row in rows[index % len(rows) :] + rows[: index % len(rows)]:
            if worker := workers.get(row["engine"]):
                time.sleep(SETTLE_SECONDS)
                time_one = lambda: row["times_s"].append(worker.ask(do="run")["seconds"])
                attempt(row, workers, time_one)


def measure(options, case, folder):
    """All engines' rows of one case, with the FMA peak measured before and after."""
    with open(folder / "case.json", "w", encoding="utf-8") as file:
        json.dump(case, file)
    peak, kernels = layers(options, case)
    rows, workers = [], {}
    try:
        for engine in ["rephase", *options.peers]:
            row, worker = start_engine(engine, case, folder, options.reasons)
            rows.append(row)
            if worker:
                workers[engine] = worker
                attempt(row, workers, lambda: check(row, worker, case, folder))
        say(f"timing {', '.join(workers)}")
        interleave(rows, workers, options.rounds)
        for row in rows:
            if worker := workers.get(row["engine"]):
                attempt(row, workers, lambda: row.update(peak_bytes=worker.end()))
    finally:
        for worker in workers.values():
            worker.stop()
    peak = max(peak, layers(options, case)[0])
    keys = ["net", "batch", "threads", "cores", "gflop", "compile_s"]
    result = {key: case[key] for key in keys} | {"fma_peak_gflops": peak, "layers": kernels}
    return summarize(result | {"engines": rows})


def summarize(result):
    """Adds medians, rates and ratios; a ratio is the median of the rounds' own ratios."""
    timed = [row for row in result["engines"] if row["times_s"]]
    for row in timed:
        row["median_s"], row["best_s"] = statistics.median(row["times_s"]), min(row["times_s"])
        row["gflops"] = result["gflop"] / row["median_s"]
        row["peak_share"] = row["gflops"] / result["fma_peak_gflops"]
    right = [row for row in timed if row["status"] == "ok"]
    peers = [row for row in right if row["engine"] != "rephase"]
    fastest = min(peers, key=lambda row: row["median_s"], default=None)
    rephase = next((row for row in right if row["engine"] == "rephase"), None)
    result["fastest_peer"] = fastest["engine"] if fastest else None
    for row in right:
        for key, other in {"to_fastest_peer": fastest, "to_rephase": rephase}.items():
            if other:
                pairs = zip(row["times_s"], other["times_s"], strict=True)
                row[key] = statistics.median(a / b for a, b in pairs)
    return result


def write(path, text):
    """Appears complete or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def measure_all(options, folder):
    """What bench.json holds."""
    now = datetime.datetime.now(datetime.timezone.utc)
    report = {"format": 1, "date": now.isoformat(timespec="seconds")}
    report |= {"machine": machine(), "rounds": options.rounds, "cases": [], "cold_starts": []}
    sizes = {}
    for net in options.nets:
        path, weights = make_weights(options.binary, net, folder)
        for batch, threads in itertools.product(options.batches, options.threads):
            case, files = make_case(options, net, batch, threads, path, weights, folder)
            result = measure(options, case, files)
            report["cases"].append(result)
            sizes.setdefault(net, os.path.getsize(case["library"]))
            if (batch, threads) == (options.batches[0], options.threads[-1]):
                report["cold_starts"] += cold_starts(result["engines"], case, files)
    report["installed"] = installed(options.peers, sizes)
    report["machine"]["load_after"] = os.getloadavg()[0]
    return report


def main():
    options = arguments()
    options.reasons = dict(text.split("=", 1) for text in options.missing)
    with tempfile.TemporaryDirectory(prefix="rephase-bench.") as folder:
        report = measure_all(options, pathlib.Path(folder))
    options.output.mkdir(parents=True, exist_ok=True)
    write(options.output / "bench.json", json.dumps(report, indent=1) + "\n")
    write(options.output / "bench.txt", bench_report.text(report))
    write(options.output / "bench.html", bench_report.html(report))
    print(bench_report.text(report), end="")
    print(f"\nwritten: {options.output}/bench.json, bench.txt, bench.html")
    rows = [row for case in report["cases"] for row in case["engines"]]
    rows += report["cold_starts"]
    return int(any(row["engine"] == "rephase" and row["status"] != "ok" for row in rows))


if __name__ == "__main__":
    sys.exit(main())
