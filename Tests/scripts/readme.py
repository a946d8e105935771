#!/usr/bin/env python3
"""Runs every command of README.md's `sh` blocks, in order, in an empty folder with `rephase` on the path."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

root = pathlib.Path(__file__).resolve().parents[2]
rephase = pathlib.Path(os.environ["REPHASE"]).resolve()
text = (root / "README.md").read_text()
blocks = re.findall(r"^```sh\n(.*?)^```", text, re.S | re.M)
if not blocks:
    sys.exit("README.md has no sh blocks")

with tempfile.TemporaryDirectory() as folder:
    programs = pathlib.Path(folder, "bin")
    programs.mkdir()
    (programs / "rephase").symlink_to(rephase)
    python = programs / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    work = pathlib.Path(folder, "work")
    work.mkdir()
    environment = dict(os.environ, PATH=f"{programs}:{os.environ['PATH']}")
    count = 0
    for block in blocks:
        for command in block.strip().splitlines():
            print("$", command, flush=True)
            done = subprocess.run(
                ["bash", "-c", command], cwd=work, env=environment, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=900)
            if done.returncode != 0:
                print(done.stdout)
                sys.exit(f"the command ended with exit code {done.returncode}")
            count += 1
    for name in ["y.npy", "recon.npy", "sheet.png", "scheduled.rir", "resnet4.ll", "lib/resnet4.h"]:
        if not (work / name).exists():
            sys.exit(f"the commands did not write {name}")
    print(f"{count} commands done")

for link in re.findall(r"\]\(([^)#:]+)\)", text):
    if not (root / link).exists():
        sys.exit(f"README.md links to {link}, which is not there")
