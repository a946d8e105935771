#!/usr/bin/env python3
"""The tiles that `rephase tune` tries for GPUs, in the emulator, which checks every access: of its own list, few in which
every kind has every value of every number, for all kernels of two small networks. Such by `ldmatrix`, which only files
choose, are made of them. What is wrong shows here, not on a GPU."""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

REPHASE = os.environ["REPHASE"]
RESNET = ("resnet1", "--set", "filters=16", "--size", "9x11")
UNET = ("unet", "--set", "filters=8", "--size", "8x12")
CASES = (
    (RESNET, "sm_90", "strict"), (RESNET, "sm_90", "standard"), (RESNET, "sm_80", "tf32"), (RESNET, "sm_90", "bf16"),
    (UNET, "sm_90", "bf16"))


def run(*command):
    return subprocess.run([REPHASE, *map(str, command)], capture_output=True, text=True)


def listed(given):
    """Tiles of each kernel, in the order in which they are tried."""
    done = run("tune", *given, "--list", "-o", "-")
    assert done.returncode == 0, done.stderr
    tiles = {}
    for line in done.stdout.splitlines():
        kernel, tile = re.fullmatch(r"kernel @(\w+) (\w+ \{.*\})", line).groups()
        tiles.setdefault(kernel, []).append(tile)
    return tiles


def cover(tiles):
    """Few of them with all values of all numbers of each kind."""
    def values(tile):
        kind = tile.split()[0]
        return {(kind, *pair) for pair in re.findall(r"(\w+) = (\d+)", tile)}

    missing, chosen = set().union(*map(values, tiles)), []
    while missing:
        chosen.append(max(tiles, key=lambda tile: len(missing & values(tile))))
        missing -= values(chosen[-1])
    return chosen


def header(target, precision):
    processor = f'{{processor = "{target}", vector_bytes = 16}}'
    return f'rephase_schedule 1\ntarget "{target}" {processor}\nprecision {precision}\n'


def by_ldmatrix(work, given, head, kernel, tiles):
    """Those that there are of the same tiles by `ldmatrix`, some of them with more matrices below each other."""
    schedule, found = work / "ldmatrix.schedule", []
    for number, tile in enumerate(tile for tile in tiles if tile.startswith("matrix ")):
        count = (None, 6, 8)[number % 3]
        tile = re.sub(r", shares_rows = 1|, turns = \d+", "", tile).replace("}", ", ldmatrix = 1}")
        tile = re.sub(r"\btiles = \d+", f"tiles = {count}", tile) if count else tile
        schedule.write_text(f"{head}kernel @{kernel} {tile}\n")
        done = run("emit", *given, "--stage", "scheduled", "--schedule", schedule, "-o", work / "scheduled")
        assert done.returncode == 0 or "cannot be computed as" in done.stderr, done.stderr
        found += [] if done.returncode else [tile]
    return found


def check(work, model, target, precision):
    """How many schedules were emulated, and what is wrong."""
    given, weights, schedule = (*model, "--target", target, "--precision", precision), work / "w", work / "tiles.schedule"
    made = run("init", *model[:3], "--seed", 3, "-o", weights)
    assert made.returncode == 0, made.stderr
    head = header(target, precision)
    tiles = {kernel: cover(all_tiles) for kernel, all_tiles in listed(given).items()}
    if precision != "strict":
        more = {kernel: by_ldmatrix(work, given, head, kernel, own) for kernel, own in tiles.items()}
        assert any(more.values()), tiles
        tiles = {kernel: own + more[kernel] for kernel, own in tiles.items()}
    count, problems = max(map(len, tiles.values())), []
    assert count > 6, tiles
    for number in range(count):
        schedule.write_text(
            head + "".join(f"kernel @{kernel} {own[number % len(own)]}\n" for kernel, own in tiles.items()))
        done = run("verify", *given, "--weights", weights, "--emulate", "--schedule", schedule)
        if done.returncode:
            problems.append(f"{schedule.read_text()}{done.stdout}{done.stderr}")
    return count, problems


def main():
    failures = []
    with tempfile.TemporaryDirectory() as name:
        for model, target, precision in CASES:
            count, problems = check(pathlib.Path(name), model, target, precision)
            print(f"{model[0]} {target} {precision}: {count} schedules, {len(problems)} wrong", flush=True)
            failures += problems
    sys.exit("\n".join(failures) or None)


main()
