"""Writes toy_digests.h: the toy model's constants, their hash, and the self-test's digest.

An independent reference: Python's own SHA-256, splitmix64 after its published definition, and
float32 arithmetic by rounding float64 (exact for one product or sum).
"""
import hashlib
import struct

MASK = 2**64 - 1


def f32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def splitmix(seed):
    while True:
        seed = (seed + 0x9E3779B97F4A7C15) & MASK
        z = seed
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        yield z ^ (z >> 31)


def fill(count, seed):
    numbers = splitmix(seed)
    return [(next(numbers) >> 40) / 2**24 for _ in range(count)]


def braces(data):
    return "{" + ",".join(str(byte) for byte in data) + "}"


# The first output of splitmix64 from seed 0, as printed with the published algorithm.
assert next(splitmix(0)) == 0xE220A8397B1DCDAF

w = [(i - 31.5) / 64 for i in range(64)]
x, b = fill(1000, 0), fill(5, 1)
work = [f32(x[i] * w[i % 64]) for i in range(1000)]
y = [f32(f32(work[2 * j] + work[2 * j + 1]) + b[j % 5]) for j in range(500)]
z = [f32(x[k] * 2.0**-140) for k in range(3)]
assert all(z) and len(set(z)) == 3

constants = struct.pack("<64f", *w)
outputs = struct.pack("<503f", *y, *z)
samples = y[::3] + z
print("#define TOY_SAMPLES", "{" + ",".join(value.hex() + "f" for value in samples) + "}")
print("#define TOY_LEAST", min(y).hex() + "f")
print("#define TOY_GREATEST", max(y).hex() + "f")
print("#define TOY_CONSTANTS", braces(constants))
print("#define TOY_CONSTANT_SHA256", braces(hashlib.sha256(constants).digest()))
print("#define TOY_OUTPUTS", braces(outputs))
print("#define TOY_SELFTEST_DIGEST", braces(hashlib.sha256(outputs).digest()))
