#!/usr/bin/env python3
"""Training goes on bit by bit after it was killed, stopped, out of disk, or left with damaged checkpoints.

`train-resume.py [KILLS] [SEED]`: how many times the process is killed at random moments (default 6).
"""

import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np
from recon_support import check
from train_support import file_limit, start, steps, train

kills = int(sys.argv[1]) if len(sys.argv) > 1 else 6
chance = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
work = pathlib.Path(tempfile.mkdtemp(prefix="rephase-train."))
numbers = np.random.default_rng(1)
target = numbers.random((10, 1, 16, 12), np.float32)
np.savez(work / "data.npz", input=target + 0.1 * numbers.random(target.shape, np.float32), target=target)
np.savez(work / "other.npz", input=target[:5], target=target[:5])
settings = ["resnet1", "--set", "filters=12", "--data", "data.npz", "--validation", "other.npz", "--loss", "l1",
            "--batch", "4", "--augment", "flip,shift", "--schedule", "cosine", "--optimizer", "adam",
            "--seed", "3", "--checkpoint-every", "7", "--quiet"]  # fmt: skip
plan = [*settings, "--steps", "400"]
results = ["last.safetensors", "best.safetensors", "epochs.jsonl", "loss.png"]


def same_as_whole(run, log):
    for name in results:
        check((work / run / name).read_bytes() == (work / "whole" / name).read_bytes(),
              f"{run}: {name} differs from that of an uninterrupted run")  # fmt: skip
    check((work / log).read_text() == (work / "whole.jsonl").read_text(), f"{run}: the logs differ")
    left = [path.name for path in (work / run).rglob(".rephase-*")]
    check(not left, f"{run}: temporary files were left: {left}")


def checkpoints(run):
    return sorted((work / run / "checkpoints").iterdir())


began = time.monotonic()
train([*plan, "--log", "whole.jsonl", "-o", "whole"], work)
duration = time.monotonic() - began
losses = [line["loss"] for line in steps(work / "whole.jsonl")]
check(len(losses) == 400 and losses[-1] < 0.5 * losses[0], f"the loss does not fall: {losses[0]} to {losses[-1]}")
check([path.name for path in checkpoints("whole")] == [f"step-{step:09}.checkpoint" for step in (392, 399, 400)],
      "not the last three checkpoints stayed")  # fmt: skip

# The number of threads is no setting: results are the same for any.
train([*plan, "--threads", "1", "--log", "single.jsonl", "-o", "single"], work)
same_as_whole("single", "single.jsonl")
print(f"an uninterrupted run takes {duration:.1f} s, and is the same with one thread")

# kill -9 at random moments, start-up and the writing of checkpoints among them.
killed, run = 0, 0
while killed < kills:
    run += 1
    name, done = f"killed{run}", False
    while not done:
        process = start([*plan, "--log", f"{name}.jsonl", "--resume", "-o", name], work)
        if killed < kills:
            try:
                process.wait(timeout=chance.uniform(0, 0.7 * duration))
            except subprocess.TimeoutExpired:
                process.kill()
                killed += 1
        _, error = process.communicate()
        check(process.returncode in (0, -signal.SIGKILL), f"{name}: {process.returncode}: {error}")
        done = process.returncode == 0
    same_as_whole(name, f"{name}.jsonl")
print(f"killed {killed} times in {run} runs: the same results")

# Ctrl-C and SIGTERM save and leave.
for number, word in [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM")]:
    name = f"stopped{number}"
    process = start([*plan, "--log", f"{name}.jsonl", "-o", name], work)
    while not (work / f"{name}.jsonl").exists() or len((work / f"{name}.jsonl").read_text()) < 500:
        time.sleep(0.01)
    process.send_signal(number)
    _, error = process.communicate(timeout=60)
    check(process.returncode == 1 and word in error and "--resume" in error, f"{name}: {error}")
    done = len(steps(work / f"{name}.jsonl"))
    check(checkpoints(name)[-1].name == f"step-{done:09}.checkpoint", f"{name}: the state was not saved")
    train([*plan, "--log", f"{name}.jsonl", "--resume", "-o", name], work)
    same_as_whole(name, f"{name}.jsonl")
print("stopped by signals: the same results")

# A disk without room for a checkpoint, at once and later: one error, and the last good checkpoint stays.
size = max(path.stat().st_size for path in checkpoints("whole"))
for name, limit in [("full", 2000), ("filling", size - 600)]:
    error = train([*plan, "--log", f"{name}.jsonl", "-o", name], work, code=1, preexec_fn=file_limit(limit))
    check("cannot be written" in error, f"{name}: {error}")
    check(bool(checkpoints(name)) == (name == "filling"), f"{name}: {checkpoints(name)}")
    train([*plan, "--log", f"{name}.jsonl", "--resume", "-o", name], work)
    same_as_whole(name, f"{name}.jsonl")
print("out of disk: the same results")


def damaged(name, change, count):
    """Goes on from a stopped run whose last `count` checkpoints were changed."""
    shutil.copytree(work / "stopped15-before", work / name)
    for path in checkpoints(name)[-count:]:
        path.write_bytes(change(path.read_bytes()))
    return [*plan, "--log", f"{name}.jsonl", "--resume", "-o", name]


def flipped(content):
    place = chance.randrange(len(content))
    return content[:place] + bytes([content[place] ^ 1 << chance.randrange(8)]) + content[place + 1 :]


process = start([*plan, "--log", "before.jsonl", "-o", "stopped15-before"], work)
while not (work / "before.jsonl").exists() or len((work / "before.jsonl").read_text()) < 2000:
    time.sleep(0.01)
process.terminate()
process.communicate(timeout=60)
changes = [("cut", lambda content: content[: chance.randrange(len(content))]), ("flipped", flipped),
           ("emptied", lambda content: b""), ("lengthened", lambda content: content + b"\0")]  # fmt: skip
for kind, change in changes:
    for count in (1, 2):
        name = f"{kind}{count}"
        shutil.copy(work / "before.jsonl", work / f"{name}.jsonl")
        error = train(damaged(name, change, count), work)
        check(error.count("warning: the checkpoint is damaged") == count, f"{name}: {error}")
        same_as_whole(name, f"{name}.jsonl")
error = train(damaged("all", flipped, 3), work, code=1)
check("none of the 3 checkpoints" in error, f"all damaged: {error}")
print("damaged checkpoints are passed over: the same results")

shutil.copytree(work / "stopped15-before", work / "lost")
shutil.rmtree(work / "lost/checkpoints")
error = train([*plan, "--resume", "-o", "lost"], work, code=1)
check("no checkpoint to go on from" in error and "--init lost/last.safetensors" in error, f"lost: {error}")

# What a run refuses.
error = train([*plan, "-o", "whole"], work, code=1)
check("--resume" in error, f"a finished run: {error}")
error = train([*plan, "--resume", "--lr", "0.5", "--loss", "l2", "-o", "whole"], work, code=1)
check("learning_rate was 0.001 and is 0.5 now" in error and "loss was l1" in error, f"other settings: {error}")
error = train([*settings, "--steps", "500", "--resume", "-o", "whole"], work, code=1)
check("steps was 400" in error, f"another length of a cosine: {error}")
error = train([*plan, "--resume", "--log", "whole/run.json", "-o", "./whole"], work, code=1)
check("writes itself" in error, f"a log in place of the settings: {error}")
train([*plan, "--resume", "--log", "whole2.jsonl", "-o", "whole"], work)
(work / "busy").mkdir()
(work / "busy/file").write_text("mine")
for more in [[], ["--resume"]]:
    check("something already" in train([*plan, *more, "-o", "busy"], work, code=1), "a directory in use")

# A loss that is not a number ends the run with the weights of the last good checkpoint.
wild = ["resnet1", "--set", "filters=4", "--data", "data.npz", "--loss", "l2", "--batch", "4", "--quiet",
        "--optimizer", "rmsprop-pytorch", "--lr", "1e6", "--steps", "300", "--log", "wild.jsonl", "-o", "wild"]  # fmt: skip
error = train(wild, work, code=1)
check("training stopped" in error and "--lr" in error, f"divergence: {error}")
from safetensors.numpy import load_file  # noqa: E402

check(all(np.isfinite(tensor).all() for tensor in load_file(work / "wild/last.safetensors").values()),
      "weights that are not finite were kept")  # fmt: skip
print("refusals are as they should be")
shutil.rmtree(work)
