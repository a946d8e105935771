"""An ONNX file in Rephase beside ONNX Runtime, in turns: same input, same number of threads."""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy

import bench_process

REPETITIONS = 5


def arguments():
    parser = bench_process.Usage(prog="tools/bench", allow_abbrev=False)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--onnx", type=pathlib.Path, required=True)
    parser.add_argument("--threads", type=bench_process.numbers)
    parser.add_argument("--rounds", type=int, default=10)
    given = parser.parse_args()
    given.cores = sorted(os.sched_getaffinity(0))
    given.threads = given.threads or [count for count in (1, 2) if count <= len(given.cores)]
    if given.rounds < 1 or min(given.threads) < 1 or max(given.threads) > len(given.cores):
        parser.error(f"--rounds is at least 1, --threads from 1 to {len(given.cores)}")
    return given


def rephase(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr)
    return done.stdout


def session(path, threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        sys.exit(f"error: ONNX Runtime does not load {path}: {error}")


def images(inputs):
    """Normal random numbers; the same in each run."""
    random = numpy.random.default_rng(1)
    for item in inputs:
        if not all(isinstance(extent, int) for extent in item.shape):
            sys.exit(f"error: the input '{item.name}' has the shape {item.shape}\nhelp: export it with fixed sizes")
    return {item.name: random.normal(size=item.shape).astype(numpy.float32) for item in inputs}


def distance(binary, path, inputs, expected):
    """Rephase's error over the largest value of ONNX Runtime's first output."""
    with tempfile.TemporaryDirectory() as folder:
        words = []
        for number, value in enumerate(inputs.values()):
            numpy.save(f"{folder}/{number}.npy", value)
            words += ["--input", f"{folder}/{number}.npy"]
        outputs = [f"{folder}/y{number}.npy" for number in range(len(expected))]
        rephase(binary, "run", path, *words, *(word for y in outputs for word in ("-o", y)))
        y = numpy.load(outputs[0])
    if y.shape != expected[0].shape:
        sys.exit(f"error: the outputs have the shapes {y.shape} and {expected[0].shape}")
    return float(abs(y - expected[0]).max() / max(abs(expected[0]).max(), 1e-30))


def median_seconds(work):
    times = []
    for _ in range(REPETITIONS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main():
    given = arguments()
    for threads in given.threads:
        os.sched_setaffinity(0, given.cores[:threads])
        peer = session(given.onnx, threads)
        inputs = images(peer.get_inputs())
        error = distance(given.binary, given.onnx, inputs, peer.run(None, inputs))
        ours, theirs = [], []
        for _ in range(given.rounds):
            said = rephase(
                given.binary, "bench", given.onnx, "--threads", threads, "--rounds", REPETITIONS, "--json")
            ours.append(statistics.median(json.loads(said.splitlines()[0])["times_s"]))
            theirs.append(median_seconds(lambda: peer.run(None, inputs)))
        a, b = (1e3 * statistics.median(times) for times in (ours, theirs))
        print(f"{given.onnx.name}, threads {threads}: Rephase {a:.3f} ms, ONNX Runtime {b:.3f} ms, "
              f"{b / a:.2f} times as long; outputs {error:.1e} apart")  # fmt: skip


main()
