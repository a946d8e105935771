#!/usr/bin/env python3
"""`bench --memory` against the compiled library, and the peak resident memory of a C host that runs it."""
import itertools
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree

import numpy

root = pathlib.Path(__file__).resolve().parents[2]
rephase = os.environ["REPHASE"]
# Promised for batch 1 and 192x128, in MB.
peaks = {"resnet4": 30, "unet": 80}


def run(*command, **settings):
    done = subprocess.run(
        [str(part) for part in command], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **settings)
    if done.returncode != 0:
        sys.exit(f"{command}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def check_map(memory):
    """Buffers lie inside the arena and share bytes only where they are not needed at once."""
    buffers = memory["buffers"]
    assert max(b["offset"] + b["bytes"] for b in buffers) == memory["arena_bytes"]
    for b in buffers:
        assert 0 <= b["first"] < b["last"] < len(memory["kernels"]), b
        assert b["bytes"] >= 4 * numpy.prod(b["shape"]) and b["offset"] % 64 == 0, b
    for a, b in itertools.combinations(buffers, 2):
        together = a["first"] <= b["last"] and b["first"] <= a["last"]
        apart = a["offset"] + a["bytes"] <= b["offset"] or b["offset"] + b["bytes"] <= a["offset"]
        assert apart or not together, (a, b)
    assert any(a["offset"] == b["offset"] for a, b in itertools.combinations(buffers, 2)), "nothing is shared"


def check_page(page, memory):
    """Well-formed, self-contained, with a box for each buffer."""
    text = page.read_text()
    svg = ElementTree.fromstring(text[text.index("<svg"):text.index("</svg>") + 6])
    boxes = list(svg.iter("{http://www.w3.org/2000/svg}rect"))
    assert len(boxes) == len(memory["buffers"])
    assert "src=" not in text and "href=" not in text
    for kernel in memory["kernels"]:
        assert kernel in text


def check_network(name, work):
    page = work / f"{name}.html"
    memory = json.loads(run(rephase, "bench", name, "--memory", "--json", "--html", page))
    assert memory["net"] == name and memory["host_bytes"] == 2 * 4 * 192 * 128
    check_map(memory)
    check_page(page, memory)
    listed = run(rephase, "bench", name, "--memory")
    for b in memory["buffers"]:
        assert any({b["name"], str(b["offset"]), str(b["bytes"])} <= set(line.split()) for line in listed.splitlines())

    run(rephase, "init", name, "--seed", 1, "-o", work / "w.safetensors")
    run(rephase, "compile", name, "--weights", work / "w.safetensors", "-o", work / name)
    manifest = json.loads((work / name / f"{name}.json").read_text())
    # The library asks for room for its self-test's tensors too.
    tensors = sum(4 * math.prod(entry["shape"]) for entry in manifest["inputs"] + manifest["outputs"])
    assert manifest["workspace_bytes"] == memory["arena_bytes"] + tensors, manifest

    host = work / f"{name}.host"
    run("cc", "-O2", f"-DMODEL={name}", f'-DMODEL_HEADER="{name}.h"', f"-I{work / name}",
        root / "tools/lib/bench_host.c", work / name / f"lib{name}.so", f"-Wl,-rpath,{work / name}", "-o", host)
    numpy.random.default_rng(1).random((192, 128), dtype="f4").tofile(work / "x.f32")
    megabytes = int(run(host, work / "x.f32", work / "y.f32", 2).split()[1]) * 1024 / 1e6
    print(f"{name}: arena {memory['arena_bytes'] / 1e6:.1f} MB, peak resident memory of the host {megabytes:.1f} MB")
    assert memory["arena_bytes"] / 1e6 < megabytes < peaks[name], megabytes


with tempfile.TemporaryDirectory() as folder:
    for network in peaks:
        check_network(network, pathlib.Path(folder))
