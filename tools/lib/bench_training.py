"""tools/bench --mode train: whole training steps (forward, loss, backward, update), Rephase beside other engines.

Each peer trains the same network on the same batch in a long-lived process of its own, and their first losses must
agree; Rephase's turns are `rephase bench --mode train`, each in a fresh process that has stepped twice before it is
timed. Round by round each takes its turn on the same cores. Peak memory is that of the whole process, the compiler
included.
"""

import argparse
import json
import os
import pathlib
import statistics
import sys
import tempfile
import time

import numpy

import bench_process

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Tests" / "scripts"))
import pytorch_networks

PEERS = ["torch", "torch-compile", "jax"]
AGREEMENT = 1e-3  # of first losses, relative
SETTLE_SECONDS = 0.1


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def arguments():
    def words(text):
        return text.split(",")

    parser = bench_process.Usage(prog="tools/bench --mode train")
    parser.add_argument("--binary", required=True, type=pathlib.Path)
    parser.add_argument("--output", required=True, type=pathlib.Path)
    parser.add_argument("--nets", type=words, default=["resnet4", "unet"])
    parser.add_argument("--losses", type=words, default=["l2"])
    parser.add_argument("--batches", type=bench_process.numbers, default=[8])
    parser.add_argument("--threads", type=bench_process.numbers, default=None)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", type=words, default=PEERS)
    parser.add_argument("--missing", action="append", default=[], help=argparse.SUPPRESS)
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    options.threads = options.threads or [len(cores)]
    for peer in options.peers:
        if peer not in PEERS:
            parser.error(f"no peer '{peer}' trains here; there are {', '.join(PEERS)}")
    if options.rounds < 1 or min(options.batches) < 1 or min(options.threads) < 1:
        parser.error("rounds, batches and threads are at least 1")
    if max(options.threads) > len(cores):
        parser.error(f"{max(options.threads)} threads, but this process may use {len(cores)} cores")
    options.cores = cores
    options.reasons = dict(text.split("=", 1) for text in options.missing)
    return options


def make_case(options, net, loss, batch, threads, folder):
    """The files and settings of one case, written for the workers."""
    folder = folder / f"{net}-{loss}-{batch}-{threads}"
    folder.mkdir()
    case = {"net": net, "loss": loss, "batch": batch, "threads": threads}
    case |= {"cores": options.cores[:threads], "scripts": str(ROOT / "Tests" / "scripts")}
    for key, model in {"weights": net, "vgg": "vgg16-features"}.items():
        case[key] = str(folder / f"{key}.safetensors")
        bench_process.command(options.binary, "init", model, "--seed", 1, "-o", case[key])
    case["input"] = str(folder / "x.npy")
    numpy.save(case["input"], pytorch_networks.inputs(batch, 1))
    (folder / "case.json").write_text(json.dumps(case), encoding="utf-8")
    return case, folder


def rephase_step(binary, case):
    """Seconds of one step, the median of three, and the process's peak memory."""
    text = bench_process.command(
        binary, "bench", case["net"], "--mode", "train", "--loss", case["loss"],
        "--batch", case["batch"], "--threads", case["threads"], "--rounds", 3, "--json",
        "--weights", case["weights"], cores=case["cores"],
    )  # fmt: skip
    result = json.loads(text)
    return statistics.median(result["times_s"]), result["peak_bytes"]


def start(options, case, folder):
    """Rows of all engines, Rephase first, and the workers of those peers that are there."""
    rows = [{"engine": engine, "status": "ok", "times_s": []} for engine in ["rephase", *options.peers]]
    workers = {}
    for row in rows[1:]:
        engine = row["engine"]
        try:
            worker = bench_process.Worker(
                "train-" + engine, folder / "case.json", folder / f"{engine}.log")
        except bench_process.EngineError as error:
            row |= {"status": error.status, "reason": options.reasons.get(engine, error.reason)}
            continue
        workers[engine] = worker
        row |= worker.ready
    return rows, workers


def check(rows):
    """Peers whose first loss is not that of the others did other work."""
    losses = [row["first_loss"] for row in rows if "first_loss" in row]
    for row in rows:
        if "first_loss" in row:
            middle = statistics.median_low(losses)
            if not abs(row["first_loss"] - middle) <= AGREEMENT * abs(middle):
                row |= {"status": "wrong", "reason": f"first loss {row['first_loss']}, not {middle}"}


def turn(options, case, row, workers):
    """One engine's turn; where it breaks, its row says so and it takes no more turns."""
    time.sleep(SETTLE_SECONDS)
    if row["engine"] == "rephase":
        seconds, peak = rephase_step(options.binary, case)
        row["times_s"].append(seconds)
        row["peak_bytes"] = max(peak, row.get("peak_bytes", 0))
    elif worker := workers.get(row["engine"]):
        try:
            row["times_s"].append(worker.ask(do="run")["seconds"])
        except bench_process.EngineError as error:
            row |= {"status": error.status, "reason": error.reason, "times_s": []}
            workers.pop(row["engine"]).stop()


def measure(options, case, folder):
    """All engines' rows of one case, interleaved."""
    rows, workers = start(options, case, folder)
    try:
        check(rows)
        for _ in range(options.rounds):
            for row in rows:
                turn(options, case, row, workers)
        for row in rows:
            if worker := workers.get(row["engine"]):
                row["peak_bytes"] = worker.end()
    finally:
        for worker in workers.values():
            worker.stop()
    return rows


def table(case, rows):
    """One line for each engine; the ratio is the median of the rounds' own ratios."""
    ours = rows[0]["times_s"]
    lines = [f"{case['net']} {case['loss']}, batch {case['batch']}, {case['threads']} threads"]
    for row in rows:
        problem = "" if row["status"] == "ok" else f"   {row['status']}: {row.get('reason', '')}"
        if not row["times_s"]:
            lines.append(f"  {row['engine']:14}{problem}")
            continue
        ratio = statistics.median(a / b for a, b in zip(row["times_s"], ours))
        median = statistics.median(row["times_s"])
        lines.append(
            f"  {row['engine']:14} {1000 * median:9.1f} ms a step   {ratio:5.2f} x rephase's time"
            f"   {row['peak_bytes'] / 2**20:7.0f} MiB at most{problem}")
    return "\n".join(lines)


def main():
    options = arguments()
    report = {"format": 1, "mode": "train", "rounds": options.rounds, "cases": []}
    with tempfile.TemporaryDirectory(prefix="rephase-bench.") as name:
        for net in options.nets:
            for loss in options.losses:
                for batch in options.batches:
                    for threads in options.threads:
                        case, folder = make_case(
                            options, net, loss, batch, threads, pathlib.Path(name))
                        say(f"{net} {loss}, batch {batch}, {threads} threads")
                        rows = measure(options, case, folder)
                        print(table(case, rows), flush=True)
                        keys = ["net", "loss", "batch", "threads"]
                        report["cases"].append({key: case[key] for key in keys} | {"engines": rows})
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / "bench-training.json"
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)
    print(f"\nwritten: {path}")


if __name__ == "__main__":
    main()
