"""Wrong use of the command line, and places that cannot be written."""

import os
import pathlib
import subprocess

import numpy as np
from malformed_ir import NETWORK
from malformed_runner import REPHASE, Case, run


def cases(base):
    return _usage(base) + _values(base) + _outputs(base) + _size_limit(base) + _permissions(base)


def _usage(base):
    """Mistakes that end with 64; the second item is what the message must mention."""
    dump, x, w = base.path("graph"), base.path("x.npy"), base.path("w.safetensors")
    long = "x" * 100_000
    lines = [
        (["frobnicate"], "frobnicate"),
        ([""], "''"),
        (["--bogus"], "--bogus"),
        (["emit", "resnet1", "--bogus"], "--bogus"),
        (["emit", "resnet1", "-x"], "-x"),
        (["emit", "resnet1", "unet"], "unet"),
        (["emit"], "MODEL"),
        (["emit", "resnet1", "--", "--bogus"], "--bogus"),
        (["emit", "--", "resnet1", "--stage", "graph"], "--stage"),
        (["emit", "resnet1", "--batch", "x"], "--batch"),
        (["emit", "resnet1", "--batch", ""], "--batch"),
        (["emit", "resnet1", "--batch", "0"], "--batch"),
        (["emit", "resnet1", "--batch=-1"], "--batch"),
        (["emit", "resnet1", "--batch", "1e3"], "--batch"),
        (["emit", "resnet1", "--batch", "99999999999999999999"], "--batch"),
        (["emit", "resnet1", "--batch", "4097"], "--batch"),
        (["emit", "resnet1", "--batch"], "--batch"),
        (["emit", "resnet1", "--batch", long], "--batch"),
        (["emit", "resnet1", "--size", "0x0"], "--size"),
        (["emit", "resnet1", "--size", "-8x8"], "--size"),
        (["emit", "resnet1", "--size=-8x8"], "--size"),
        (["emit", "resnet1", "--size", "99999999x9"], "--size"),
        (["emit", "resnet1", "--size", "9223372036854775808x9"], "--size"),
        (["emit", "resnet1", "--size", "8"], "--size"),
        (["emit", "resnet1", "--size", "8x8x8"], "--size"),
        (["emit", "resnet1", "--size", ""], "--size"),
        (["emit", "resnet1", "--size", "\u0661x8"], "--size"),
        (["emit", "resnet1", "--threads=-1"], "--threads"),
        (["emit", "resnet1", "--threads", "257"], "--threads"),
        (["emit", "resnet1", "--threads", "two"], "--threads"),
        (["emit", "resnet1", "--set", "nonsense"], "--set"),
        (["emit", "resnet1", "--set", "=1"], "--set"),
        (["emit", "resnet1", "--set", "filters="], "--set"),
        (["emit", "resnet1", "--set", "filters=2", "--set", "filters=3"], "--set"),
        (["emit", "resnet1", "--stage", "object"], "--stage"),
        (["emit", "resnet1", "--stage", "GRAPH"], "--stage"),
        (["emit", "resnet1", "--precision", "exact"], "--precision"),
        (["emit", "resnet1", "-o"], "-o"),
        (["emit", "self"], "self"),
        (["emit", dump, "--set", "filters=2"], "--set"),
        (["opt"], "dump"),
        (["opt", dump, "--dump-dir"], "--dump-dir"),
        (["models", "--size", "0x1"], "--size"),
        (["models", "resnet1"], "resnet1"),
        (["init", "resnet1"], "-o"),
        (["init", "resnet1", "--seed", "x", "-o", "{out}/w"], "--seed"),
        (["init", "resnet1", "--seed=-1", "-o", "{out}/w"], "--seed"),
        (["init", "resnet1", "--seed", "18446744073709551616", "-o", "{out}/w"], "--seed"),
        (["init", "resnet1", "--weights", w, "-o", "{out}/w"], "--weights"),
        (["compile", "resnet1", "--weights", w], "--output"),
        (["compile", *NETWORK, "-o", "{out}"], "--weights"),
        (["compile", *NETWORK, "--weights", w, "--weights-mode", "lost", "-o", "{out}"], "--weights-mode"),
        (["run", *NETWORK, "--weights", w, "--input", x], "--output"),
        (["run", *NETWORK, "--weights", w, "-o", "{out}/y.npy"], "--input"),
        (["run", *NETWORK, "--input", x, "-o", "{out}/y.npy"], "--weights"),
        (["run", *NETWORK, "--weights", w, "--input", x, "-o", "{out}/y.npy", "-o", "{out}/z.npy"], "-o"),
        (["run", *NETWORK, "--weights", w, "--input", x, "--engine", "steam", "-o", "{out}/y"], "--engine"),
        (["run", base.path("library/libtiny.so"), "--engine", "reference", "--input", x, "-o", "{out}/y.npy"], "engine"),
        (["run", base.path("library/libtiny.so"), "--precision", "strict", "--input", x, "-o", "{out}/y.npy"], "--precision"),
        (["run", base.path("library/libtiny.so"), "--size", "8x8", "--input", x, "-o", "{out}/y.npy"], "--size"),
        (["run", base.path("library/libtiny.so"), "--set", "filters=4", "--input", x, "-o", "{out}/y.npy"], "--set"),
        (["run", "vgg16-features", "--input", x, "-o", "{out}/a", "-o", "{out}/b", "-o", "{out}/a"], "out/a"),
        (["verify", *NETWORK], "Usage: rephase verify"),
        (["bench", "resnet1", "--rounds", "0"], "--rounds"),
        (["bench", "resnet1", "--rounds", "99999999999"], "--rounds"),
        (["bench", "resnet1", "--mode", "sleep"], "--mode"),
        (["recon", "-o", "{out}/y.npy", "--model", "none"], "scans"),
        (["recon", x, "--model", "none"], "--output"),
        (["recon", x, "--model", "none", "-o", "{out}/y.txt"], "y.txt"),
        (["recon", x, "--model", "none", "-o", "{out}/y.npy", "--png", "{out}/y.gif"], "y.gif"),
        (["recon", x, "--model", "none", "--weights", w, "-o", "{out}/y.npy"], "--weights"),
        (["recon", x, "--model", "none", "--consistency", "hard", "-o", "{out}/y.npy"], "--consistency"),
        (["recon", x, "--model", "none", "--axis", "diagonal", "-o", "{out}/y.npy"], "--axis"),
        (["recon", x, "--model", "none", "--scale", "up", "-o", "{out}/y.npy"], "--scale"),
        (["recon", x, "--model", "none", "--slice=-1", "-o", "{out}/y.npy"], "--slice"),
        (["recon", x, "--model", "none", "--mask", "regular:0:0", "-o", "{out}/y.npy"], "regular"),
        (["recon", x, "--model", "none", "--mask", "regular:x:22", "-o", "{out}/y.npy"], "regular"),
        (["recon", x, "--model", "none", "--mask", "regular:99999999999999999999:1", "-o", "{out}/y.npy"], "regular"),
        (["phantom", "--frames", "0", "-o", "{out}/p.npz"], "--frames"),
        (["phantom", "--rows", "9999999", "-o", "{out}/p.npz"], "--rows"),
        (["phantom", "--noise", "nan", "-o", "{out}/p.npz"], "--noise"),
        (["phantom", "--noise=-1", "-o", "{out}/p.npz"], "--noise"),
        (["phantom", "-o", "{out}/p.png"], "p.png"),
    ]
    # Options that would mean nothing where they are given.
    bench, run, tune = ["bench", "resnet1"], ["train", "resnet1", "--data", x, "--loss", "l2"], ["tune", "resnet1", "-o", "{out}/s"]
    lines += [
        (["emit", "resnet1", "--optimizer", "adam"], "--optimizer needs --train"),
        (["emit", "resnet1", "--recompute"], "--recompute needs --train"),
        (["emit", "resnet1", "--schedule", "s"], "--schedule needs --stage scheduled"),
        (["emit", "resnet1", "--stage", "loops", "--schedule", "s"], "--schedule needs --stage scheduled"),
        (["emit", "resnet1", "--train", "l2", "--schedule", "s"], "--schedule is for inference"),
        (["emit", dump, "--batch", "7"], "--batch and --size cannot change"),
        (["emit", base.path("loops"), "--size", "9x9"], "--batch and --size cannot change"),
        (["bench", base.path("asm"), "--batch", "7"], "--batch and --size cannot change"),
        ([*bench, "--loss", "l2"], "--loss needs --mode train"),
        ([*bench, "--optimizer", "adam"], "--optimizer needs --mode train"),
        ([*bench, "--recompute"], "--recompute needs --mode train"),
        ([*bench, "--html", "{out}/p.html"], "--html needs --layers or --memory"),
        ([*bench, "--memory", "--rounds", "3"], "--rounds needs timing"),
        ([*bench, "--mode", "train", "--schedule", "s"], "--schedule is for inference"),
        ([*tune, "--target", "sm_90", "--list", "--json"], "--json needs measuring"),
        ([*tune, "--target", "sm_90", "--list", "--rounds", "3"], "--rounds needs measuring"),
        ([*tune, "--target", "sm_90", "--list", "--seconds", "3"], "--seconds needs measuring"),
        ([*tune, "--list"], "--list"), ([*tune, "--seconds", "3"], "--seconds"),
        (["init", "resnet4", "--trained", "--seed", "1", "-o", "{out}/w"], "--seed needs fresh weights"),
        (["phantom", "--seed", "2", "-o", "{out}/p.npz"], "--seed needs --noise"),
        (["run", *NETWORK, "--weights", w, "--input", x, "--engine", "reference", "--schedule", "s", "-o", "{out}/y"], "--schedule belongs"),
        (["verify", *NETWORK, "--weights", w, "--emulate"], "--emulate is for GPU"),
        (["compile", *NETWORK, "--weights", w, "--ptxas", "none", "-o", "{out}"], "--ptxas belongs"),
    ]
    # Files and folders that cannot be standard output.
    lines += [
        ([*command, "-"], f"{command[-1]} cannot be standard output")
        for command in [
            ["compile", *NETWORK, "--weights", w, "-o"], [*run, "-o"], [*run, "-o", "{out}/run", "--log"],
            ["prepare", x, "-o"], ["experiment", "e.yaml", "-o"], [*bench, "--layers", "--html"]]
    ] + [
        (["recon", x, "--model", "none", "-o", "-"], "which - does not end with"),
        (["phantom", "-o", "-"], "which - does not end with")]
    # Values that only the work itself can judge are wrong usage all the same.
    lines += [
        (["emit", "resnet1", "--set", "colour=red"], "colour"),
        (["emit", "resnet1", "--set", "filters=-1"], "filters"),
        (["emit", "resnet1", "--set", "filters=0"], "filters"),
        (["emit", "resnet1", "--set", "filters=99999999999"], "filters"),
        (["emit", "resnet1", "--set", "filters=four"], "filters"),
        (["emit", "resnet1", "--set", "kernel=2"], "kernel"),
        (["emit", "resnet1", "--set", "channels=3"], "channels"),
        (["emit", "resnet1", "--set", "residual=perhaps"], "residual"),
        (["emit", "resnet1", "--target", "z80"], "z80"),
        (["emit", "resnet1", "--target", ""], "target"),
        (["emit", "resnet1", "--target", "sm_75"], "sm_75"),
        (["opt", dump, "--target", "z80", "-o", "{out}/x"], "z80"),
        (["opt", dump, "--passes", "frobnicate", "-o", "{out}/x"], "frobnicate"),
        (["opt", dump, "--passes", "simplify", "-o", "{out}/x"], "simplify"),
    ]
    for name in ["a b", "int", "", "1st", "x;y", "_x", "x" * 65, "\u00e9", "../evil", "a\nb"]:
        lines.append((["compile", *NETWORK, "--weights", w, "--name", name, "-o", "{out}"], "name"))
    training = ["train", "resnet1", "--data", base.path("pairs.npz"), "-o", "{out}/run"]
    lines += [
        (training, "--loss"),
        (["train", "resnet1", "--loss", "l2", "-o", "{out}/run"], "--data"),
        (["train", "resnet1", "--loss", "l2", "--data", x], "-o"),
    ] + [
        ([*training, "--loss", "l2", *more], more[0].split("=")[0])
        for more in [
            ["--epochs", "0"], ["--steps=-1"], ["--lr", "0"], ["--lr", "nan"], ["--decay", "1"],
            ["--weight-decay=-1"], ["--clip", "0"], ["--schedule", "linear"], ["--augment", "turn"],
            ["--checkpoint-every", "0"], ["--keep", "0"], ["--preprocessing", "rgb"], ["--seed", "x"],
            ["--batch", "0"], ["--dssim-stride", "0"], ["--validation-count", "none"]]
    ] + [
        ([*training, "--loss", "l3"], "l3"), ([*training, "--loss", "l2", "--optimizer", "sgd"], "sgd"),
        ([*training, "--loss", "l2", "--epochs", "1", "--steps", "1"], "--steps"),
        ([*training, "--loss", "l2", "--weights", w], "--init")]
    return [
        Case("usage", " ".join(arguments)[:70], arguments, code=64, mentions=(mention,))
        for arguments, mention in lines]


def _values(base):
    """Well-formed arguments that do not fit together, or ask for what is not there."""
    x, w = base.path("x.npy"), base.path("w.safetensors")
    lines = [
        (["emit", "", "-o", "{out}/x"], "''"),
        (["emit", "resnet0", "-o", "{out}/x"], "resnet0"),
        (["emit", "resnet17", "-o", "{out}/x"], "resnet17"),
        (["emit", "resnet99999999999999999999", "-o", "{out}/x"], "resnet9999"),
        (["emit", "r" * 100_000, "-o", "{out}/x"], "rrrr"),
        (["emit", "bad\nname\x1b[2J", "-o", "{out}/x"], "bad"),
        (["emit", "unet", "--size", "18x18", "-o", "{out}/x"], "18x18"),
        (["emit", "unet", "--size", "192x127", "-o", "{out}/x"], "192x127"),
        (["emit", "resnet1", "--stage", "ptx", "-o", "{out}/x"], "ptx"),
        (["emit", base.path("graph"), "--train", "l2", "-o", "{out}/x"], "no network"),
        (["emit", "vgg16-features", "--train", "l2", "-o", "{out}/x"], "3 outputs"),
        (["emit", "resnet1", "--train", "dssim", "--size", "2x2", "-o", "{out}/x"], "patches"),
        (["emit", "resnet1", "--train", "perceptual", "--size", "3x8", "-o", "{out}/x"], "4x4"),
        (["emit", base.path("loops"), "--stage", "graph", "-o", "{out}/x"], "graph"),
        (["emit", base.path("asm"), "--stage", "llvm", "-o", "{out}/x"], "llvm"),
        (["emit", "resnet16", "--batch", "4096", "--size", "16384x16384", "-o", "{out}/x"], "2^36"),
        (["opt", base.path("asm"), "-o", "{out}/x"], "assembly"),
        (["init", base.path("graph"), "-o", "{out}/w"], "network"),
        (["verify", base.path("loops"), "--weights", w], "graph"),
        (["verify", *NETWORK, "--weights", w, "--input", w], "w.safetensors"),
        (["verify", *NETWORK, "--weights", w, "--input", x, "--input", x], "x.npy"),
        (["run", base.path("loops"), "--engine", "reference", "--weights", w, "--input", x, "-o", "{out}/y"], "graph"),
        (["run", "unet", "--weights", w, "--input", x, "-o", "{out}/y.npy"], "w.safetensors"),
        (["run", *NETWORK, "--weights", w, "--input", x, "--input", x, "-o", "{out}/y.npy"], "input"),
        (["bench", base.path("graph"), "--mode", "train"], "no network"),
        (["train", base.path("graph"), "--data", base.path("pairs.npz"), "--loss", "l2", "-o", "{out}/run"], "no network"),
        (["train", "vgg16-features", "--data", base.path("pairs.npz"), "--loss", "l2", "-o", "{out}/run"], "3 channels"),
        (["train", *NETWORK, "--data", x, "--loss", "l2", "-o", "{out}/run"], "x.npy"),
        (["train", *NETWORK, "--data", base.path("pairs.npz"), "--validation", x, "--loss", "l2", "-o", "{out}/run"], "x.npy"),
        (["train", *NETWORK, "--data", base.path("pairs.npz"), "--size", "8x8", "--loss", "l2", "-o", "{out}/run"], "8x8"),
        (["train", *NETWORK, "--data", base.path("pairs.npz"), "--loss", "perceptual", "-o", "{out}/run"], "--vgg"),
        (["train", *NETWORK, "--data", base.path("pairs.npz"), "--loss", "perceptual", "--vgg", w, "-o", "{out}/run"], "features.0"),
        (["train", *NETWORK, "--data", base.path("pairs.npz"), "--loss", "l2", "--init", x, "-o", "{out}/run"], "x.npy"),
        (["train", *NETWORK, "--data", base.path("pairs.npz"), "--loss", "l2", "-o", "/proc/x"], "/proc/x"),
        (["train", *NETWORK, "--data", base.path("pairs.npz"), "--loss", "l2", "-o", x], "x.npy"),
        (["bench", "resnet1", "--batch", "4096", "--size", "4096x4096"], "2^36"),
        (["bench", "resnet1", "--batch", "2048", "--size", "1024x1024"], "GiB"),
        (["verify", "resnet1", "--weights", base.path("w32.safetensors"), "--batch", "2048", "--size", "1024x1024"], "GiB"),
        (["recon", x, x + "x", "--model", "none", "-o", "{out}/y.npy"], "x.npyx"),
        (["recon", x, "--model", "resnet1", "-o", "{out}/y.npy", "--size", "16x16", "--weights", "no"], "no"),
        (["recon", x, "--model", "none", "--mask", "nofile.npy", "-o", "{out}/y.npy"], "nofile.npy"),
        (["recon", x, "--model", "none", "--slice", "99", "-o", "{out}/y.npy"], "99"),
        (["recon", base.path("graph"), "--model", "none", "--mask", x, "-o", x], "files that are read"),
        (["run", *NETWORK, "--weights", w, "--input", x, "-o", w], "files that are read"),
        (["train", *NETWORK, "--data", base.path("pairs.npz"), "--loss", "l2", "--log", base.path("pairs.npz"), "-o", "{out}/run"], "files that are read"),
        (["tune", *NETWORK, "--size", "4x4", "-o", "{out}/none/schedule"], "out/none"),
        (["recon", x, "--model", "none", "--array", "nobody", "-o", "{out}/y.npy"], "no arrays"),
    ]
    return [
        Case("combination", " ".join(arguments)[:70], arguments, mentions=(mention,))
        for arguments, mention in lines]


def _commands(base, place):
    """Every command that writes, writing to a place."""
    x, w = base.path("x.npy"), base.path("w.safetensors")
    return [
        ["emit", *NETWORK, "-o", place], ["init", *NETWORK, "-o", place],
        ["opt", base.path("graph"), "-o", place], ["operations", "-o", place],
        ["run", *NETWORK, "--weights", w, "--input", x, "-o", place]]


def _outputs(base):
    """Outputs that cannot be written."""
    x, w = base.path("x.npy"), base.path("w.safetensors")
    result = []
    for place in ["{out}/none/x", "{out}", "", "/proc/x", "/dev/full", "{out}/" + "x" * 300, "w/x"]:
        mention = place.replace("{out}", "out")[:20] or "empty"
        for command in _commands(base, place):
            result.append(
                Case("output", f"{command[0]} -o {place[:20]}", command, {"w": b"a file"}, mentions=(mention,)))
    for place in ["w", "w/x", "/proc/x", "/dev/full"]:
        command = ["compile", *NETWORK, "--size", "16x16", "--weights", w, "--quiet", "-o", place]
        result.append(Case("output", f"compile -o {place}", command, {"w": b"a file"}, mentions=(place,)))
    for place in ["{out}/none/y.npy", "/proc/y.npy", "w/y.npy"]:
        command = ["recon", x, "--model", "none", "--mask", "none", "--quiet", "-o", place]
        mention = place.replace("{out}", "out")
        result.append(Case("output", f"recon -o {place}", command, {"w": b"a file"}, mentions=(mention,)))
        command = ["phantom", "--frames", "1", "-o", place.replace(".npy", ".npz")]
        result.append(Case("output", f"phantom -o {place}", command, {"w": b"a file"}, mentions=(mention[:-1] + "z",)))
    command = ["opt", base.path("graph"), "--dump-dir", "w", "-o", "{out}/x"]
    result.append(Case("output", "opt --dump-dir over a file", command, {"w": b"a file"}))
    for command in [["emit", *NETWORK], ["opt", base.path("graph")], ["models"], ["models", "--json"], ["operations"], ["opt", "--list-passes"]]:
        result.append(Case("output", f"{' '.join(command)[:40]} to a full device", command, mentions=("standard output",), stdout="full"))
    return result


def _size_limit(base):
    """Files that would pass the size that the process may write: an error, as of a full disk."""
    w, scans = base.path("w.safetensors"), ["big.npy", "other.npy"]
    commands = [
        ["emit", *NETWORK, "--stage", "llvm", "-o", "{out}/x"],
        ["init", "resnet1", "-o", "{out}/x"],
        ["run", *NETWORK, "--weights", w, "--input", "big.npy", "-o", "{out}/x"],
        ["compile", *NETWORK, "--size", "16x16", "--weights", w, "--quiet", "-o", "{out}"],
        ["phantom", "--frames", "1", "-o", "{out}/p.npz"],
        ["prepare", *scans, "--validation", "other", "--quiet", "-o", "{out}/set"],
    ] + [
        ["recon", "big.npy", "--model", "none", "--quiet", "-o", "{out}/y" + ending]
        for ending in (".npy", ".nii", ".nii.gz", ".h5", ".png")]
    return [
        Case("file size limit", " ".join(command)[:50], command, {name: _image for name in scans}, mentions=("out", "tmp"), file_limit=8)
        for command in commands]


def _permissions(base):
    """Files that may not be read and folders that may not be written, where there is another user to be."""
    reachable = all(os.stat(p).st_mode & 0o001 for p in pathlib.Path(REPHASE).parents)
    if os.geteuid() != 0 or not reachable:
        print("permissions are not tested: this needs root, and a command that others can reach")
        return []

    def secret(path):
        path.write_bytes(b"secret")
        path.chmod(0)

    def locked(path):
        path.mkdir()
        path.chmod(0o555)

    x, w = base.path("x.npy"), base.path("w.safetensors")
    lines = [
        (["emit", "bad", "-o", "tmp/x"], {"bad": secret}), (["opt", "bad"], {"bad": secret}),
        (["run", *NETWORK, "--weights", "bad", "--input", x, "-o", "tmp/y"], {"bad": secret}),
        (["run", *NETWORK, "--weights", w, "--input", "bad", "-o", "tmp/y"], {"bad": secret}),
        (["run", "bad", "--input", x, "-o", "tmp/y"], {"bad": secret}),
        (["recon", "bad", "--model", "none", "-o", "tmp/y.npy"], {"bad": secret}),
        (["phantom", "--frames", "1", "-o", "bad/p.npz"], {"bad": locked}),
        (["compile", *NETWORK, "--size", "16x16", "--weights", w, "--quiet", "-o", "bad"], {"bad": locked})]
    lines += [(command, {"bad": locked}) for command in _commands(base, "bad/x")]
    return [
        Case("permission", " ".join(arguments)[:60], arguments, files, unprivileged=True)
        for arguments, files in lines]


def full_disk(base, folder):
    """Every command that writes, on a file system that is full, or too small for what is written."""
    folder.mkdir()
    disk = folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "rephase-malformed", disk]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        print("a full disk is not tested: no file system can be mounted here")
        return []
    w = base.path("w.safetensors")
    large = [
        ["emit", *NETWORK, "--stage", "llvm", "-o", disk / "x"],
        ["init", "resnet1", "-o", disk / "x"],
        ["opt", base.path("llvm"), "-o", disk / "x"],
        ["run", *NETWORK, "--weights", w, "--input", "big.npy", "-o", disk / "x"],
        ["compile", *NETWORK, "--size", "16x16", "--weights", w, "--quiet", "-o", disk],
        ["phantom", "--frames", "1", "-o", disk / "p.npz"],
        ["recon", "big.npy", "--model", "none", "--quiet", "-o", disk / "y.npy"],
        ["recon", "big.npy", "--model", "none", "--quiet", "-o", disk / "y.h5"]]
    outcomes = []
    try:
        for filler, commands in [(64, large + _commands(base, disk / "x")), (0, large)]:
            (disk / "filler").write_bytes(bytes(filler << 10))
            for command in commands:
                name = f"{command[0]} with {64 - filler} KiB free"
                case = Case("full disk", name, command, {"big.npy": _image}, mentions=(disk,))
                outcome = run(case, folder / str(len(outcomes)))
                left = [path for path in disk.iterdir() if path.name != "filler"]
                if left:
                    outcome.complaints.append(f"left on the disk: {[path.name for path in left]}")
                    for path in left:
                        path.unlink()
                outcomes.append(outcome)
    finally:
        subprocess.run(["umount", disk], check=True)
    return outcomes


def _image(path):
    np.save(path, np.random.default_rng(1).random((1, 1, 192, 128), np.float32))
