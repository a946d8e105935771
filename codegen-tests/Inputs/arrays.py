"""Small arrays and weights for the run tests, and comparisons with what NumPy computes."""

import sys

import numpy as np
from safetensors.numpy import save_file


def convolution(x, w, b, padding):
    """Direct sums in float64: x [N, C, H, W], w [O, C, K, K], one padding on all sides, stride 1."""
    x, w = x.astype(np.float64), w.astype(np.float64)
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    size = w.shape[2]
    height, width = x.shape[2] - size + 1, x.shape[3] - size + 1
    y = np.zeros((x.shape[0], w.shape[0], height, width)) + b.astype(np.float64)[None, :, None, None]
    for ky in range(size):
        for kx in range(size):
            y += np.einsum("nchw,oc->nohw", x[:, :, ky : ky + height, kx : kx + width], w[:, :, ky, kx])
    return y


def make(folder):
    """x.npy [1, 3, 5, 7], w.safetensors with "w" [5, 3, 3, 3], "b" [5]; expected.npy = relu(conv(x, w) + b)."""
    generator = np.random.default_rng(1)
    x = generator.standard_normal((1, 3, 5, 7)).astype(np.float32)
    w = generator.standard_normal((5, 3, 3, 3)).astype(np.float32)
    b = generator.standard_normal(5).astype(np.float32)
    np.save(f"{folder}.x.npy", x)
    save_file({"w": w, "b": b}, f"{folder}.w.safetensors")
    np.save(f"{folder}.expected.npy", np.maximum(convolution(x, w, b, 1), 0))


def compare(actual, expected):
    """Fails where the error passes 16 units of 2^-23 of the largest value."""
    a, e = np.load(actual), np.load(expected)
    assert a.shape == e.shape, (a.shape, e.shape)
    assert a.dtype == np.float32, a.dtype
    ulps = np.abs(a - e).max() / np.abs(e).max() * 2**23
    assert ulps <= 16, ulps
    print("close", list(a.shape))


def show(path):
    """Prints an array's shape and values, one row a line."""
    a = np.load(path)
    print(list(a.shape))
    for row in a.reshape(-1, a.shape[-1]):
        print(" ".join(f"{value:g}" for value in row))


def save(path, shape, *values):
    """Writes values as float32; `count` numbers them from 0."""
    if values == ("count",):
        values = range(int(np.prod([int(n) for n in shape.split("x")])))
    np.save(path, np.array([float(v) for v in values], np.float32).reshape([int(n) for n in shape.split("x")]))


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
