"""Malformed images, samples and use of the commands that evaluate."""

import hashlib
import io
import json
import random
import shutil

import h5py
import numpy as np
from malformed_files import _flipped
from malformed_runner import Case


def cases(base, seed, count):
    source = random.Random(f"{seed} evaluation")
    result = _images() + _sets(base) + _samples() + _sessions() + _readings(source, count) + _usage()
    whole = _npy(np.arange(60.0).reshape(3, 4, 5))
    for number in range(count):
        damaged = {"x.npy": _flipped(whole, source, len(whole)), "r.npy": whole}
        result.append(Case("evaluate at random", str(number), _evaluate(), damaged, random=True))
    return result


def _npy(values):
    stream = io.BytesIO()
    np.save(stream, values)
    return stream.getvalue()


def _evaluate(*options):
    return ["evaluate", "--reference", "r.npy", "--image", "x.npy", *options]


def _images():
    good = np.linspace(0, 1, 60).reshape(3, 4, 5)
    holed = good.copy()
    holed[1, 2, 3] = np.nan
    images = {
        "other rows and columns": good.reshape(3, 5, 4),
        "fewer frames": good[:2],
        "one image for three": good[0],
        "two channels for one": good.reshape(3, 1, 4, 5).repeat(2, 1),
        "one dimension": good.ravel(),
        "five dimensions": good[None, None],
        "a scalar": np.float64(1),
        "no elements": good[:0],
        "a not-a-number": holed,
        "infinities": np.full_like(good, np.inf),
        "complex values": good * 1j,
        "text": good.astype(str),
        "objects": np.array([[None] * 4] * 4),
    }
    result = [Case("images to evaluate", name, _evaluate(), {"x.npy": _npy(x), "r.npy": _npy(good)}, mentions=("x.npy",))
              for name, x in images.items()]  # fmt: skip
    result += [Case("references", name, _evaluate(), {"r.npy": _npy(r), "x.npy": _npy(good)}) for name, r in images.items()]
    small = _npy(good[:, :2])
    result += [
        Case("images to evaluate", "smaller than the window", _evaluate(), {"x.npy": small, "r.npy": small}),
        Case("images to evaluate", "no array file", _evaluate(), {"x.npy": b"plain text", "r.npy": _npy(good)}),
        Case("images to evaluate", "no image file", _evaluate(), {"r.npy": _npy(good)}, mentions=("x.npy",)),
        Case("images to evaluate", "black with its own range", _evaluate("--data-range", "reference"),
             {"x.npy": _npy(good), "r.npy": _npy(0 * good)}),
    ]  # fmt: skip
    return result


def _sets(base):
    """Prepared sets whose manifest fits their images, which hold what `prepare` does not write."""

    def changed(name, value):
        def save(path):
            shutil.copytree(base.path("set"), path)
            with h5py.File(path / "images.h5", "a") as file:
                del file["validation"][name]
                if value is not None:
                    file["validation"][name] = value
            manifest = json.loads((path / "manifest.json").read_text())
            manifest["imagesSHA256"] = hashlib.sha256((path / "images.h5").read_bytes()).hexdigest()
            (path / "manifest.json").write_text(json.dumps(manifest))

        return save

    values = {
        "a subject of NaN": ("subject", [np.nan]), "a subject of 1e300": ("subject", [1e300]),
        "no subjects": ("subject", None), "more subjects than images": ("subject", [0, 0]), "a frame of 1e300": ("frame", [1e300]),
        "other images": ("input", np.ones((1, 1, 8, 8), np.float32)),
    }  # fmt: skip
    command = ["evaluate", "--set", "s", "--models", base.path("w.safetensors"), "--part", "validation", "--quiet", "-o", "{out}/report"]
    # The number of a frame only matters where a set has a cine.
    return [Case("prepared sets", name, command, {"s": changed(*what)}, random="frame" in name) for name, what in values.items()]


def _samples():
    singles = {
        "three values": [1, 2, 3],
        "equal values": [2.5] * 10,
        "a not-a-number": [1, 2, np.nan, 4],
        "an infinity": [1, 2, np.inf, 4],
        "complex values": [1j, 2, 3, 4],
        "5001 values": np.arange(5001),
    }
    tables = {
        "one dimension": [1, 2, 3],
        "one block": [[1, 2, 3]],
        "one technique": [[1], [2], [3]],
        "equal values": [[1, 1], [2, 2], [3, 3]],
        "a not-a-number": [[1, 2], [np.nan, 3]],
    }
    result = [Case("samples", name, ["stats", "normality", "v.npy"], {"v.npy": _npy(v)}) for name, v in singles.items()]
    for command in ("friedman", "paired"):
        result += [Case(f"samples for {command}", name, ["stats", command, "t.npy"], {"t.npy": _npy(v)})
                   for name, v in tables.items()]  # fmt: skip
        files = {"a.npy": _npy([1, 2, 3]), "b.npy": _npy([1, 2])}
        result.append(Case(f"samples for {command}", "different lengths", ["stats", command, *files], files))
    return result


def _make(*options):
    return ["rank", "make", "one=a.npz", "two=b.npz", *options, "-o", "{out}/session", "--key", "{out}/key.json"]


def _npz(**arrays):
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def _sessions():
    image, cine = np.ones((4, 5)), np.ones((3, 4, 5))
    pairs = {
        "other shapes": (_npz(c=image), _npz(c=image.T)),
        "a still and a cine": (_npz(c=image), _npz(c=cine)),
        "a case missing": (_npz(c=image, d=image), _npz(c=image)),
        "no case": (_npz(), _npz()),
        "a not-a-number": (_npz(c=image), _npz(c=image * np.nan)),
        "two channels": (_npz(c=cine[None].repeat(2, 0)), _npz(c=cine[None].repeat(2, 0))),
        "complex values": (_npz(c=image * 1j), _npz(c=image)),
        "no archive": (b"text", _npz(c=image)),
    }
    result = [Case("reading sessions", name, _make(), {"a.npz": a, "b.npz": b}, mentions=("a.npz", "b.npz", "cases"))
              for name, (a, b) in pairs.items()]  # fmt: skip
    good = {"a.npz": _npz(c=image), "b.npz": _npz(c=image)}
    lines = [
        (["rank", "make", "one=a.npz", "one=b.npz", "-o", "{out}/s"], 1, "different names"),
        (["rank", "make", "one=a.npz", "-o", "{out}/s"], 1, "techniques"),
        (["rank", "make", "one", "two=b.npz", "-o", "{out}/s"], 64, "one"),
        (["rank", "make", "=a.npz", "two=b.npz", "-o", "{out}/s"], 64, "a.npz"),
        (_make("--readers", "0"), 64, "--readers"),
        (_make("--fps", "0"), 64, "--fps"),
        (_make("--seed", "x"), 64, "--seed"),
        (_make("--criteria", "missing.txt"), 1, "missing.txt"),
        (["rank", "make", "one=a.npz", "two=nowhere", "-o", "{out}/s"], 1, "nowhere"),
        (["rank", "make", "one=a.npz", "two=b.npz", "-o", "a.npz"], 1, "a.npz"),
    ]
    return result + [Case("reading sessions", " ".join(line), line, good, code=code, mentions=(word,)) for line, code, word in lines]


def _readings(source, count):
    head = "case,technique,rank\n"
    whole = head + "".join(f"{c},{t},{r}\n" for c in "12" for t, r in zip("abc", (1, 2, 3)))
    texts = {
        "empty": "",
        "blank lines": "\n\n\n",
        "a header alone": head,
        "no header": whole.replace(head, ""),
        "a column missing": "case,rank\n1,1\n",
        "a column twice": "case,technique,rank,rank\n1,a,1,1\n",
        "a row too short": whole + "3,a\n",
        "a row too long": whole + "3,a,1,1\n",
        "a rank missing": whole.replace("2,b,2", "2,b,"),
        "a rank of text": whole.replace("2,b,2", "2,b,best"),
        "a rank of nan": whole.replace("2,b,2", "2,b,nan"),
        "a rank of 0": whole.replace("2,b,2", "2,b,0"),
        "a rank of 4": whole.replace("2,b,2", "2,b,4"),
        "a case without a name": whole.replace("2,b,2", ",b,2"),
        "a technique without a name": whole.replace("2,b,2", "2,,2"),
        "a technique missing": whole.replace("2,b,2\n", ""),
        "a technique twice": whole + "2,a,1\n",
        "one technique": head + "1,a,1\n2,a,1\n",
        "one case": head + "1,a,1\n1,b,2\n",
        "equal ranks": head + "1,a,1\n1,b,1\n2,a,2\n2,b,2\n",
        "open quotes": whole + '"3,a,1\n',
        "text after quotes": whole + '"3"x,a,1\n',
        "no UTF-8": whole.encode() + b"\xff\xfe,a,1\n",
        "a zero byte": whole + "3\0,a,1\n",
        "a million commas": "," * 1_000_000,
    }
    analyse = ["rank", "analyse", "r.csv", "-o", "{out}/report"]
    result = [Case("readings", name, analyse, {"r.csv": text}) for name, text in texts.items()]
    keys = {
        "empty": "", "no JSON": "{", "a list": "[]", "no codes": "{}",
        "another version": '{"rephase_reading_key":2,"seed":1,"techniques":[],"readers":[]}',
        "another reading's": '{"rephase_reading_key":1,"seed":1,"techniques":[],"readers":[]}',
        "an order that lacks techniques": '{"rephase_reading_key":1,"seed":1,"techniques":["x"],"readers":'
        '[{"name":"r","cases":[{"code":"1","name":"n","order":[]}]}]}',
    }  # fmt: skip
    result += [Case("reading keys", name, [*analyse, "--key", "key.json"], {"r.csv": whole, "key.json": key})
               for name, key in keys.items()]  # fmt: skip
    result.append(Case("readings", "the same file twice", [*analyse, "r.csv"], {"r.csv": whole}))
    for number in range(count):
        damaged = _flipped(whole.encode(), source, len(whole))
        result.append(Case("readings at random", str(number), analyse, {"r.csv": damaged}, random=True))
    return result


def _usage():
    lines = [
        (["evaluate", "--image", "x.npy"], "--reference"),
        (["evaluate", "--reference", "x.npy"], "--image"),
        (_evaluate("--data-range", "0"), "--data-range"),
        (_evaluate("--data-range", "nan"), "--data-range"),
        (_evaluate("--data-range", "1e308"), "--data-range"),
        (_evaluate("--data-range", "wide"), "--data-range"),
        (["stats", "normality"], "values"),
        (["stats", "frobnicate"], "frobnicate"),
        (["stats", "friedman"], "file"),
        (["rank", "analyse"], "readings"),
        (["rank", "analyse", "r.csv", "-o", "{out}/r", "--alpha", "1"], "--alpha"),
        # What would mean nothing, and folders that cannot be standard output.
        (["rank", "analyse", "r.csv", "--alpha", "0.1"], "--alpha needs -o"),
        (["figure", "comparison", "a=x.npy", "--gain", "2", "-o", "{out}/x.png"], "--gain needs --reference"),
        (_evaluate("--part", "train"), "--part needs --set"),
        *((["evaluate", "--set", "s", "--models", "m", "-o", "{out}/r", *more], more[0] + " needs --reference")
          for more in (["--regressed"], ["--data-range", "2"])),
        (["evaluate", "--set", "s", "--models", "m", "-o", "-"], "-o cannot be standard output"),
        (["rank", "analyse", "r.csv", "-o", "-"], "-o cannot be standard output"),
        (["rank", "make", "a=a.npz", "b=b.npz", "-o", "-"], "-o cannot be standard output"),
        (["rank", "make", "a=a.npz", "b=b.npz", "-o", "{out}/s", "--key", "-"], "--key cannot be standard output"),
    ]
    return [Case("use of evaluate", " ".join(line), line, code=64, mentions=(word,)) for line, word in lines] + [
        Case("use of evaluate", "names that do not fit", ["stats", "friedman", "t.npy", "--names", "a,a"],
             {"t.npy": _npy(np.eye(2))}, code=64, mentions=("--names",))
    ]  # fmt: skip
