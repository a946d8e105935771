#!/usr/bin/env python3
"""tools/gpu-check packs what a machine with a GPU needs, tells what it finds where there is none, and makes a table of
what was measured; a stand-in for NVIDIA's driver goes through all of it but the numbers."""

import copy
import ctypes
import importlib.machinery
import importlib.util
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import numpy

root = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(root / "tools/lib"))

import gpu_report  # noqa: E402
import gpu_tune  # noqa: E402


def run(*command, **environment):
    return subprocess.run(
        [sys.executable, *map(str, command)], capture_output=True, text=True,
        env={**os.environ, **{key: str(value) for key, value in environment.items()}})


class NoDriver:
    """What the peers ask of the driver, without one."""

    def stream(self):
        return ctypes.c_void_p(1)

    def wait(self, stream):
        pass


def peers_compute_the_reference(folder):
    """PyTorch and ONNX Runtime, on the CPU, have the packed networks in every variant; there are no CUDA graphs here."""
    import gpu_peers
    import gpu_run
    import torch

    # Compiling takes minutes and is PyTorch's affair.
    torch.compile = lambda model, mode: model
    peers = [gpu_peers.Torch("cpu"), gpu_peers.OnnxRuntime(NoDriver(), "cpu")]
    for network in ("resnet1", "unet"):
        for peer in peers:
            peer.begin()
        x, y = (numpy.load(folder / f"{network}-{end}.npy")[:2] for end in "xy")
        for kind, most in (("float32", 64), ("tf32", 2**12), ("bf16", 2**18)):
            errors = {}
            for peer in peers:
                for compiled in (False, True):
                    for name, function, output in peer.variants(folder, network, x, kind, compiled):
                        errors[name] = gpu_run.ulps(output, y)
                        function()
            onnx = [] if kind == "bf16" else ["ONNX Runtime", "ONNX Runtime, CUDA graph"]
            torches = [f"{name}{layout}" for name in ("PyTorch eager", "torch.compile max-autotune")
                       for layout in ("", ", channels-last")]
            assert list(errors) == torches + onnx, errors
            assert max(errors.values()) < most, (network, kind, errors)
    assert not list(peers[0].variants(folder, "unet", x, "int8", False))


def precisions_are_the_programs():
    loader = importlib.machinery.SourceFileLoader("gpu_check", str(root / "tools/gpu-check"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("gpu_check", loader))
    loader.exec_module(module)
    assert {"strict", "standard"} <= set(module.known_precisions()), module.known_precisions()


def check_runs(folder, fake):
    check = (folder / "gpu-check", "run", folder, "--rounds", 3)
    report = folder / "report.json"
    if subprocess.run("ldconfig -p | grep -q libcuda.so.1", shell=True).returncode != 0:
        alone = run(*check)
        assert alone.returncode == 1 and "libcuda.so.1) cannot be loaded" in alone.stderr, alone.stderr
        assert not report.exists()
    for setting, words in ((dict(FAKE_CUDA_DEVICES=0), "finds no GPU"), (dict(FAKE_CUDA_CAPABILITY=75), "capability 7.5")):
        none = run(*check, LD_LIBRARY_PATH=fake, **setting)
        assert none.returncode == 1 and words in none.stderr and not report.exists(), none.stderr

    # The stand-in computes nothing, and that must not pass for a result; PyTorch sees no GPU in it.
    wrong = run(*check, LD_LIBRARY_PATH=fake)
    assert wrong.returncode == 1 and wrong.stderr.count("past the promise") == 4, wrong.stderr
    assert wrong.stderr.count("self-test:") == 4 and "finds no GPU: left out" in wrong.stderr, wrong.stderr
    found = json.loads(report.read_text())
    assert len(found["rows"]) == 4 and {row["target"] for row in found["rows"]} == {"sm_90"}, found
    # Its events say that whatever lies between them takes a millisecond.
    assert all(row["calls"] == 2 and abs(row["median_us"] - 500) < 1 for row in found["rows"]), found
    assert all(row["graph"] == 1 and row["ulps"] > row["promise"] for row in found["rows"]), found
    assert found["versions"]["gpu"] == "stand-in" and found["versions"]["torch"] is None, found
    # Peers would be left out again, after PyTorch has started.
    check += ("--no-peers",)
    old = run(*check, LD_LIBRARY_PATH=fake, FAKE_CUDA_CAPABILITY=86)
    rows = json.loads(report.read_text())["rows"]
    assert old.returncode == 1 and {row["target"] for row in rows} == {"sm_80"}, old.stderr

    # The right output for one image, were all images that one; then with another among them.
    images = [numpy.load(folder / f"unet-{end}.npy") for end in "xy"]
    images[1][:1].repeat(2, 0).astype("f4").tofile(folder / "output")
    for end, values in zip("xy", images):
        numpy.save(folder / f"unet-{end}.npy", values[:1].repeat(6, 0))
    for expected in (3, 4):
        found = run(*check, LD_LIBRARY_PATH=fake, FAKE_CUDA_OUTPUT=folder / "output")
        assert found.returncode == 1 and found.stderr.count("past the promise") == expected, found.stderr
        rows = json.loads(report.read_text())["rows"]
        row = next(row for row in rows if (row["network"], row["batch"]) == ("unet", 2))
        assert (row["ulps"] < 1) == (expected == 3), row
        numpy.save(folder / "unet-y.npy", numpy.concatenate([images[1][:1].repeat(5, 0), images[1][3:4]]))
    refused = run(*check, LD_LIBRARY_PATH=fake, FAKE_CUDA_FAIL="cuMemAlloc_v2=2")
    assert refused.returncode == 1 and refused.stderr.count("cannot run here") == 4, refused.stderr
    assert "too little memory" in (folder / "report.md").read_text()


def check_tuning(folder, fake):
    """Each library is made once more by a schedule of its own; where that fails, the others are still timed."""
    packed = run(
        root / "tools/gpu-check", "pack", "-o", folder, "--networks", "resnet1", "--batches", "1", "--size", "16x12",
        "--targets", "sm_90", "--precisions", "tf32", "--tune")
    assert packed.returncode == 0, packed.stderr
    ptxas = shutil.which("ptxas", path=gpu_tune.search_path())
    assert ptxas is None or (folder / "program/ptxas").exists()
    check = (folder / "gpu-check", "run", folder, "--rounds", 3, "--no-peers", "--tune")
    run(*check, LD_LIBRARY_PATH=fake, FAKE_CUDA_TIMES=3)
    rows = json.loads((folder / "report.json").read_text())["rows"]
    assert [row["what"] for row in rows] == ["rephase tf32", "rephase tf32, tuned"], rows
    assert all(row["ulps"] > row["promise"] for row in rows), rows
    schedule = (folder / "schedules/resnet1_b1_sm_90_tf32_tuned.schedule").read_text()
    assert "// resnet1, stand-in: " in schedule and schedule.count("\nkernel @") == 4, schedule
    assert "| rephase tf32, tuned |" in (folder / "report.md").read_text()
    again = run(*check, LD_LIBRARY_PATH=fake)
    assert "tuning" not in again.stderr and (folder / "report.json").read_text().count("median_us") == 2, again.stderr
    (folder / "schedules/resnet1_b1_sm_90_tf32_tuned.schedule").unlink()
    failed = run(*check, LD_LIBRARY_PATH=fake, FAKE_CUDA_FAIL="cuGraphInstantiateWithFlags=801")
    rows = json.loads((folder / "report.json").read_text())["rows"]
    assert "the driver reports error 801" in rows[1]["problem"] and "median_us" in rows[0], rows
    assert "resnet1, batch 1, tf32, tuned: cannot run here" in failed.stderr, failed.stderr


def times_outlast_compilers():
    """What was timed before torch.compile began stays where that does not end."""
    import gpu_flow

    class Report:
        folder, versions = pathlib.Path("."), {}

    row = dict(name="a", median_us=1.0)
    said = [dict(begin="a"), dict(rows=[dict(name="a")]), dict(rows=[row], timed=True), dict(begin="torch.compile")]
    whole, gpu_flow.child = gpu_flow.child, lambda folder, job, seconds: (said, "it did not end within 3 s")
    found = gpu_flow.measured(Report, dict(entries=[dict(name="a")]), gpu_flow.Clock(60), 3)
    gpu_flow.child = whole
    assert found == [row], found


def check_losses(folder, fake):
    """What breaks the context, hangs, or ends too early costs nothing but itself, and is in the report."""
    packed = run(
        root / "tools/gpu-check", "pack", "-o", folder, "--networks", "resnet1", "--batches", "1", "--size", "16x12",
        "--targets", "sm_90", "--precisions", "tf32,bf16", "--tune")
    assert packed.returncode == 0, packed.stderr
    check, report = (folder / "gpu-check", "run", folder, "--rounds", 3, "--no-peers"), folder / "report.json"
    gpu = dict(LD_LIBRARY_PATH=fake, FAKE_CUDA_LOG=folder / "log")

    def rows():
        return {row["name"].removeprefix("resnet1_b1_sm_90_"): row for row in json.loads(report.read_text())["rows"]}

    run(*check, **gpu)
    waits = (folder / "log").read_text().splitlines().count("cuStreamSynchronize")
    # All is right until the second library runs; from then on every call fails, or the first one never returns.
    late = dict(gpu, FAKE_CUDA_FAIL_AFTER=waits * 3 // 4)
    for code, options, words in (("700", (), "error 700"), ("hang", ("--seconds", 12), "did not end within")):
        run(*check, *options, **late, FAKE_CUDA_FAIL=f"cuStreamSynchronize={code}")
        assert "median_us" in rows()["tf32"] and words in rows()["bf16"]["problem"], rows()
    short = run(*check, "--tune", "--seconds", 1, **gpu)
    assert short.returncode == 1 and short.stderr.count("cannot run here: no time was left to tune it") == 2, short.stderr
    assert set(rows()) == {"tf32", "bf16", "tf32_tuned", "bf16_tuned"}, rows()

    report.unlink()
    environment = {**os.environ, **{key: str(value) for key, value in gpu.items()}}
    with subprocess.Popen(
            [sys.executable, *map(str, check), "--tune"], env=environment, start_new_session=True,
            stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        while not report.exists() and process.poll() is None:
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
    assert all("median_us" in row for row in rows().values()) and len(rows()) == 2, rows()


def synthetic():
    """Timings as a GPU might give them."""
    group = dict(network="resnet4", batch=1, kind="float32")
    ours = dict(
        group, promise=16, selftest=None, ptxas="13.0.88", code=1, code_error=0, graph=1, graph_error=0, ulps=1.5,
        best_us=39)
    return dict(
        versions=dict(gpu="A GPU", capability=9.0, cuda_of_driver="13.0", torch="2.13", onnxruntime=None), rounds=30,
        rows=[
            dict(group, what="PyTorch eager", ulps=2, median_us=400, best_us=390),
            dict(ours, what="rephase strict", precision="strict", median_us=50),
            dict(ours, what="rephase standard", precision="standard", median_us=40, code=0, code_error=209, graph=0,
                 graph_error=801),
            dict(group, what="PyTorch CUDA graph", ulps=2, median_us=120, best_us=119),
            dict(group, kind="tf32", what="PyTorch eager", ulps=900, median_us=30, best_us=29),
            dict(group, kind="bf16", name="resnet4_b1_sm_90_bf16", precision="bf16", problem="The GPU is too old."),
        ])


def check_table(folder):
    report = synthetic()
    lines = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in gpu_report.markdown(report).splitlines()
        if line.startswith("| resnet4")]
    float32 = [line for line in lines if line[2] == "float32"]
    assert [line[3] for line in float32] == [
        "rephase standard", "rephase strict", "PyTorch CUDA graph", "PyTorch eager"], float32
    # The fastest peer of the same class, over ours; peers themselves have no ratio.
    assert [line[6] for line in float32] == ["3.00", "2.40", "", ""], float32
    assert float32[0][9] == "PTX, refused as 209; launches (graph: error 801)", float32
    assert float32[1][9] == "machine code (13.0.88); graph", float32
    assert lines[0][3:8] == ["resnet4_b1_sm_90_bf16", "-", "-", "", "The GPU is too old."], lines
    assert "GPU A GPU; compute capability 9.0; CUDA of the driver 13.0; PyTorch 2.13; ONNX Runtime none." in \
        gpu_report.markdown(report)

    (folder / "report.json").write_text(json.dumps(report))
    failed = run(root / "tools/gpu-check", "table", folder)
    assert failed.returncode == 1 and failed.stderr == "resnet4, batch 1, bf16: cannot run here: The GPU is too old.\n"
    good = copy.deepcopy(report)
    del good["rows"][-1]
    (folder / "report.json").write_text(json.dumps(good))
    done = run(root / "tools/gpu-check", "table", folder)
    assert done.returncode == 0 and done.stdout.strip() == (folder / "report.md").read_text().strip(), done.stderr
    good["rows"][1].update(ulps=float("nan"))
    good["rows"][2].update(selftest="The outputs differ.")
    assert len(gpu_report.problems(good)) == 2, gpu_report.problems(good)
    assert gpu_report.problems(dict(report, rows=report["rows"][:1])) == ["nothing was run"]


def main():
    with tempfile.TemporaryDirectory() as name:
        folder, fake = pathlib.Path(name) / "pack", pathlib.Path(name) / "fake"
        fake.mkdir()
        subprocess.run(
            ["cc", "-shared", "-fPIC", "-o", fake / "libcuda.so.1", root / "Tests/runtime/fake_cuda.c"], check=True)
        check_table(pathlib.Path(name))
        precisions_are_the_programs()
        packed = run(
            root / "tools/gpu-check", "pack", "-o", folder, "--networks", "resnet1,unet", "--batches", "1,2", "--size",
            "16x12", "--precisions", "strict")
        assert packed.returncode == 0, packed.stderr
        assert len(json.loads((folder / "entries.json").read_text())) == 8
        peers_compute_the_reference(folder)
        check_runs(folder, fake)
        unpacked = run(folder / "gpu-check", "run", folder, "--tune", LD_LIBRARY_PATH=fake)
        assert unpacked.returncode == 1 and "pack with --tune" in unpacked.stderr, unpacked.stderr
        check_tuning(pathlib.Path(name) / "tuned", fake)
        times_outlast_compilers()
        check_losses(pathlib.Path(name) / "losses", fake)
    for wrong in (("run",), ("run", "x", "--rounds", "0"), ("pack",), ("pack", "-o", "x", "--batches", "1,a")):
        refused = run(root / "tools/gpu-check", *wrong)
        assert refused.returncode == 2 and "usage:" in refused.stderr, refused.stderr


main()
