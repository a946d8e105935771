#!/usr/bin/env bash
# tools/bench on a small network beside PyTorch: what it saves, that outputs agree, and that an
# engine with wrong outputs, one that is not there, and one that dies are told as such. Times are
# not judged.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=../../tools/lib/environment.sh
source "$root/tools/lib/environment.sh"
: "${REPHASE:?must name the command to test}"
export PYTHONDONTWRITEBYTECODE=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() { echo "error: $*" >&2; exit 1; }

# In place of ONNX Runtime: an engine that prints to standard output and gives back its input.
mkdir "$work/fake"
cat >"$work/fake/onnxruntime.py" <<'PYTHON'
__version__ = "fake"
class SessionOptions: pass
class InferenceSession:
    def __init__(self, *arguments, **settings): print("noise")
    def run(self, names, inputs): return [inputs["x"]]
PYTHON

PYTHONPATH=$work/fake "$root/tools/bench" --binary "$REPHASE" --nets resnet1 --batches 2 \
  --threads 1 --rounds 2 --peers torch,onnxruntime --output "$work/out" \
  >"$work/said" 2>"$work/log" || { cat "$work/said" "$work/log" && fail "tools/bench failed"; }
cat "$work/out/bench.txt"

"$REPHASE_PYTHON" - "$work" "$root" <<'PYTHON'
import json, pathlib, sys
import xml.etree.ElementTree as ElementTree

work, root = map(pathlib.Path, sys.argv[1:])
report = json.loads((work / "out/bench.json").read_text())
top = {"format", "date", "machine", "rounds", "cases", "cold_starts", "installed"}
assert set(report) == top and report["rounds"] == 2, set(report)
(case,) = report["cases"]
wanted = {"net", "batch", "threads", "cores", "gflop", "compile_s", "fma_peak_gflops", "layers"}
assert set(case) == wanted | {"engines", "fastest_peer"}, set(case)
# resnet1: 1->32, 32->32 thrice, 32->1, each 3x3, two images of 192x128.
macs = (2 * 32 + 3 * 32 * 32) * 9 * 192 * 128 * 2
assert abs(case["gflop"] - 2 * macs / 1e9) < 1e-9, case["gflop"]
assert case["fma_peak_gflops"] > 0 and case["layers"] and case["fastest_peer"] == "torch"
rephase, torch, fake = case["engines"]
timed = {
    "engine", "status", "times_s", "version", "layout", "error", "peak_bytes", "median_s", "best_s",
    "gflops", "peak_share",
}
for row, name in [(rephase, "rephase"), (torch, "torch")]:
    assert set(row) == timed | {"to_fastest_peer", "to_rephase"}, set(row)
    assert row["engine"] == name and row["status"] == "ok" and len(row["times_s"]) == 2
    assert 0 < row["best_s"] <= row["median_s"] and row["peak_bytes"] > 2**20
    assert abs(row["gflops"] * row["median_s"] - case["gflop"]) < 1e-9
assert 0 < rephase["error"] <= 64 * 2**-23 and 0 < torch["error"] <= 1e-4
assert rephase["to_rephase"] == torch["to_fastest_peer"] == 1
# The fake engine is told as wrong, and takes no part in ratios though it is the fastest.
assert fake["status"] == "wrong" and set(fake) == timed | {"reason"}, fake
assert fake["best_s"] < rephase["best_s"]
cold = {row["engine"]: row for row in report["cold_starts"]}
assert set(cold) == {"rephase", "torch", "onnxruntime"}
assert cold["rephase"]["host"] == "C" and 0 < cold["rephase"]["best_s"] < cold["torch"]["best_s"]
assert len(cold["rephase"]["times_s"]) == 10 and cold["onnxruntime"]["status"] == "wrong"
size = {row["engine"]: row["bytes"] for row in report["installed"]}
assert 10_000 < size["rephase"] < size["torch"], size

page = (work / "out/bench.html").read_text()
assert "http" not in page.replace("http-equiv", ""), "the page must need nothing else"
chart = page[page.index("<svg") : page.index("</svg>") + 6]
bars = [bar for bar in ElementTree.fromstring(chart).iter("rect")]
assert len(bars) == 2 and all(float(bar.get("width")) > 0 for bar in bars)
assert page.count("<table") == page.count("</table>") == 4

sys.path.insert(0, str(root / "tools/lib"))
import numpy
import bench_report
from bench_process import EngineError, Worker, relative_error

# Kernels that only move data have no rate; an engine that is not there has its reason in the table.
case["layers"].append({"kernel": "moves<data>", "median_s": 0.001})
case["engines"][2] = {"engine": "onnxruntime", "status": "not available", "reason": "no <file>"}
case["engines"][2]["times_s"] = []
page = bench_report.html(report)
assert "moves&lt;data&gt;" in page and "not available: no &lt;file&gt;" in page
assert "not available: no <file>" in bench_report.text(report)

numpy.save(work / "x.npy", numpy.ones((1, 1, 4, 4), dtype=numpy.float32))
case = {"cores": case["cores"], "threads": 1, "input": str(work / "x.npy"), "embedding": "/none"}
case |= {"reference": str(work / "x.npy"), "net": "resnet1", "folded": str(work / "none.npz")}
(work / "case.json").write_text(json.dumps(case))
# OpenVINO is no part of the test environment; without its files PyTorch's worker dies.
for engine, status in [("openvino", "not available"), ("torch", "failed")]:
    try:
        Worker(engine, work / "case.json", work / "log")
        sys.exit(f"{engine} started")
    except EngineError as error:
        print(f"{engine}: {error.status}: {error.reason}")
        assert error.status == status and error.reason, (error.status, error.reason)
bad = numpy.load(work / "x.npy")
assert relative_error(bad, case) == 0 and relative_error(bad[0], case) == float("inf")
bad[0, 0, 1, 2] = numpy.nan
assert relative_error(bad, case) == float("inf")
PYTHON

# A network of the user's own beside ONNX Runtime.
PYTHONPATH=$root/Tests/scripts "$REPHASE_PYTHON" - "$work" <<'PYTHON'
import sys
import onnx, onnx_operators

onnx.save(onnx_operators.node("Relu", [1, 2, 5, 6])[1], f"{sys.argv[1]}/own.onnx")
PYTHON
"$root/tools/bench" --binary "$REPHASE" --onnx "$work/own.onnx" --threads 1 --rounds 2 >"$work/own.txt"
grep -Eq '^own.onnx, threads 1: Rephase [0-9.]+ ms, ONNX Runtime [0-9.]+ ms, .* outputs 0.0e\+00 apart$' \
  "$work/own.txt" || { cat "$work/own.txt" && fail "an ONNX file is not timed"; }
! "$root/tools/bench" --binary "$REPHASE" --onnx "$work/none.onnx" 2>"$work/log" || fail "a missing file is timed"
grep -q 'no file .*none.onnx' "$work/log" || { cat "$work/log" && fail "a missing file is not named"; }
status=0
"$root/tools/bench" --binary "$REPHASE" --onnx "$work/own.onnx" --threads 0 2>"$work/log" || status=$?
[[ $status == 64 ]] || { cat "$work/log" && fail "no threads end with status $status"; }

# refuse ARGUMENT...: wrong usage, told in one line or by the usage, and nothing is written.
refuse() {
  local status=0
  "$root/tools/bench" --binary "$REPHASE" --output "$work/none" "$@" >"$work/said" 2>&1 || status=$?
  [[ $status == 64 ]] || { cat "$work/said" && fail "$* ended with status $status"; }
  ! grep -q Traceback "$work/said" || fail "$* ends in a traceback"
}
refuse --nonsense 1
refuse --onnx "$work/own.onnx"
refuse --peers torch,nonsense
refuse --peers torch --nets vgg16-features
refuse --peers torch --rounds 0
refuse --peers torch --threads 4096
[[ ! -e $work/none ]] || fail "wrong usage leaves an output folder"
echo "bench: passed"
