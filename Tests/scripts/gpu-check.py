#!/usr/bin/env python3
"""tools/gpu-check packs what a machine with a GPU needs, and tells what it finds where there is none."""

import importlib.machinery
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tempfile

root = pathlib.Path(__file__).resolve().parents[2]


def run(*command, **environment):
    return subprocess.run(
        [sys.executable, *map(str, command)], capture_output=True, text=True,
        env={**os.environ, **{key: str(value) for key, value in environment.items()}})


def peers_compute_the_reference(folder):
    """The networks that PyTorch is timed with are the packed ones."""
    import numpy
    import torch
    from safetensors.torch import load_file

    loader = importlib.machinery.SourceFileLoader("gpu_check", str(root / "tools/gpu-check"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("gpu_check", loader))
    loader.exec_module(module)
    for network in ("resnet1", "unet"):
        tensors = load_file(folder / f"{network}.safetensors")
        model = module.torch_model(torch, network, tensors)
        x, y = (numpy.load(folder / f"{network}-{end}.npy") for end in "xy")
        with torch.inference_mode():
            error = module.ulps(model(torch.from_numpy(x)).numpy(), y)
        assert error < 64, (network, error)


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name) / "pack"
        packed = run(
            root / "tools/gpu-check", "pack", "-o", folder, "--networks", "resnet1,unet", "--batches", "1,2", "--size",
            "16x12", "--targets", "sm_90")
        assert packed.returncode == 0, packed.stderr
        assert len(json.loads((folder / "entries.json").read_text())) == 8
        check = (folder / "gpu-check", "run", folder, "--rounds", 2)

        peers_compute_the_reference(folder)
        if subprocess.run("ldconfig -p | grep -q libcuda.so.1", shell=True).returncode != 0:
            alone = run(*check)
            assert alone.returncode == 1 and "8 libraries cannot run here" in alone.stderr, alone.stderr
            assert "libcuda.so.1" in alone.stdout, alone.stdout

        # The stand-in computes nothing, and that must not pass for a result.
        fake = pathlib.Path(name) / "fake"
        fake.mkdir()
        subprocess.run(
            ["cc", "-shared", "-fPIC", "-o", fake / "libcuda.so.1", root / "Tests/runtime/fake_cuda.c"], check=True)
        wrong = run(*check, "--no-torch", LD_LIBRARY_PATH=fake)
        assert wrong.returncode == 1 and "8 outputs are past the promise" in wrong.stderr, wrong.stderr
        report = json.loads((folder / "report.json").read_text())
        assert all(row["median_us"] > 0 and row["ulps"] > row["promise"] for row in report["rows"]), report


main()
