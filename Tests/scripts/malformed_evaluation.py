"""Malformed images, samples and use of the commands that evaluate."""

import io
import random

import numpy as np
from malformed_files import _flipped
from malformed_runner import Case


def cases(base, seed, count):
    source = random.Random(f"{seed} evaluation")
    result = _images() + _samples() + _usage()
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


def _usage():
    lines = [
        (["evaluate", "--image", "x.npy"], "--reference"),
        (["evaluate", "--reference", "x.npy"], "--image"),
        (_evaluate("--data-range", "0"), "--data-range"),
        (_evaluate("--data-range", "nan"), "--data-range"),
        (_evaluate("--data-range", "wide"), "--data-range"),
        (["stats", "normality"], "values"),
        (["stats", "frobnicate"], "frobnicate"),
        (["stats", "friedman"], "file"),
    ]
    return [Case("use of evaluate", " ".join(line), line, code=64, mentions=(word,)) for line, word in lines] + [
        Case("use of evaluate", "names that do not fit", ["stats", "friedman", "t.npy", "--names", "a,a"],
             {"t.npy": _npy(np.eye(2))}, code=64, mentions=("--names",))
    ]  # fmt: skip
