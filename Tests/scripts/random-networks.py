#!/usr/bin/env python3
"""Networks that nobody would draw, native against the float64 reference: random operations, shapes and channels, on the CPU
and in the emulator of GPUs. Other seeds: random-networks.py FIRST COUNT."""

import json
import math
import os
import pathlib
import random
import subprocess
import sys
import tempfile

import numpy
from safetensors.numpy import save_file

REPHASE = os.environ["REPHASE"]
CHANNELS = [1, 2, 3, 4, 5, 8, 12, 16, 17, 24, 32, 33, 48, 64, 96, 130, 257, 300]


def tensor(shape):
    return "tensor<" + "".join(f"{extent}x" for extent in shape) + "f32>"


class Network:
    """A dump that grows by random steps; `values` are the images so far, as (name, shape)."""

    def __init__(self, seed, largest):
        self.random = random.Random(seed)
        self.largest = largest
        self.lines, self.weights = [], {}
        rows, columns = (self.random.randrange(1, largest) for _ in range(2))
        shape = [self.random.choice([1, 1, 1, 2, 3, 9]), self.random.choice([1, 2, 3, 8, 16, 20, 64]), rows, columns]
        self.input = shape
        self.values = [("%x", shape)]

    def add(self, text, shape):
        name = f"%v{len(self.lines)}"
        self.lines.append(f"  {name} = {text} : {tensor(shape)}")
        return name

    def parameter(self, shape):
        name = f"p{len(self.weights)}"
        self.weights[name] = shape
        return self.add(f'parameter "{name}"', shape)

    def step(self):
        """Adds an operation on one of the last images, if one can be made that is not too large."""
        kinds = [self.convolution] * 6 + [
            self.relu, self.binary, self.concatenate, self.upsample, self.pool, self.pool, self.normalize, self.pad, self.slice,
            self.reverse, self.sum, self.multiply]
        made = self.random.choice(kinds)(*self.random.choice(self.values[-4:]))
        if made:
            self.values.append(made)

    def too_large(self, shape):
        return min(shape) < 1 or math.prod(shape) > 1500 * self.largest or shape[1] > 600

    def convolution(self, x, shape):
        choose = self.random.choice
        rows = choose([1, 1, 2, 3, 3, 3, 3, 4, 5, 7])
        columns = choose([rows, rows, rows, 1, 3])
        strides = choose([[1, 1]] * 4 + [[2, 2], [1, 2], [3, 1]])
        apart = choose([[1, 1]] * 3 + [[2, 2], [1, 3], [3, 2]])
        taps_apart = choose([[1, 1]] * 4 + [[2, 2], [1, 3]])
        spans = [(taps - 1) * taps_apart[axis] + 1 for axis, taps in enumerate((rows, columns))]
        padding = [(spans[0] - 1) // 2, spans[0] // 2, (spans[1] - 1) // 2, spans[1] // 2]
        if self.random.random() < 0.4:
            padding = [self.random.randrange(4) for _ in range(4)]
        extents = [
            ((shape[2 + axis] - 1) * apart[axis] + 1 + sum(padding[2 * axis:2 * axis + 2]) - spans[axis]) // strides[axis] + 1
            for axis in range(2)]
        groups = choose([1] * 4 + [choose([count for count in range(1, shape[1] + 1) if shape[1] % count == 0]), shape[1]])
        result = [shape[0], choose(CHANNELS) if groups == 1 else groups * choose([1, 1, 2, shape[1] // groups]), *extents]
        inputs = shape[1] // groups
        # A convolution whose taps never meet a pixel would be constant.
        meets = all(
            any((tap * taps_apart[axis] - padding[2 * axis]) % math.gcd(strides[axis], apart[axis]) == 0 for tap in range(taps))
            for axis, taps in enumerate((rows, columns)))
        if not meets or self.too_large(result) or math.prod(result) * inputs * rows * columns > 2e5 * self.largest:
            return None
        operands = [x, self.parameter([result[1], inputs, rows, columns])]
        if self.random.random() < 0.6:
            operands.append(self.parameter([result[1]]))
        dilation = "" if apart == [1, 1] else f", lhs_dilation = {apart}"
        dilation += "" if taps_apart == [1, 1] else f", rhs_dilation = {taps_apart}"
        dilation += "" if groups == 1 else f", feature_group_count = {groups}"
        text = f"convolution {', '.join(operands)} {{padding = {padding}, strides = {strides}{dilation}}}"
        return self.add(text, result), result

    def multiply(self, x, shape):
        """A product of matrices: with weights, or of an image's rows or columns with each other."""
        kind = self.random.choice(["weights", "rows", "columns"])
        if kind == "weights":
            columns = self.random.choice(CHANNELS)
            turned = self.random.random() < 0.5
            weights = self.parameter([columns, shape[3]] if turned else [shape[3], columns])
            result = [*shape[:3], columns]
            text = f"dot_general {x}, {weights} {{lhs_contracting_dimensions = [3], rhs_contracting_dimensions = [{int(turned)}]}}"
        else:
            summed, left = (3, shape[2]) if kind == "rows" else (2, shape[3])
            result = [*shape[:2], left, left]
            side = f"hs_batching_dimensions = [0, 1]", f"hs_contracting_dimensions = [{summed}]"
            text = f"dot_general {x}, {x} {{l{side[0]}, l{side[1]}, r{side[0]}, r{side[1]}}}"
        if self.too_large(result):
            return None
        share = self.add(f"constant {1 / shape[2 if kind == 'columns' else 3]!r}", result)
        return self.add(f"multiply {self.add(text, result)}, {share}", result), result

    def relu(self, x, shape):
        return self.add(f"relu {x}", shape), shape

    def binary(self, x, shape):
        other, _ = self.random.choice([value for value in self.values if value[1] == shape])
        word = self.random.choice(["add", "subtract", "multiply", "maximum"])
        return self.add(f"{word} {x}, {other}", shape), shape

    def concatenate(self, x, shape):
        fitting = [value for value in self.values if value[1][0] == shape[0] and value[1][2:] == shape[2:]]
        other, others = self.random.choice(fitting)
        result = [shape[0], shape[1] + others[1], *shape[2:]]
        if self.too_large(result):
            return None
        return self.add(f"concatenate {x}, {other} {{dimension = 1}}", result), result

    def upsample(self, x, shape):
        scale = self.random.choice([[2, 2], [2, 1], [3, 2], [1, 2]])
        result = [*shape[:2], shape[2] * scale[0], shape[3] * scale[1]]
        return None if self.too_large(result) else (self.add(f"upsample_nearest {x} {{scale = {scale}}}", result), result)

    def pool(self, x, shape):
        window = self.random.choice([[2, 2], [2, 2], [3, 3], [1, 2]])
        strides = self.random.choice([window, [2, 2], [1, 1]])
        result = [*shape[:2], *((shape[2 + axis] - window[axis]) // strides[axis] + 1 for axis in range(2))]
        if self.too_large(result):
            return None
        reducer = self.random.choice(["max", "add"])
        return self.add(f"reduce_window {x} {{reducer = {reducer}, window = {window}, strides = {strides}}}", result), result

    def normalize(self, x, shape):
        """Instance normalization, and sometimes a leaky ReLU; of few pixels it would be of rounding errors."""
        if shape[2] * shape[3] < 12:
            return None
        channels = shape[:2]
        share = self.add(f"constant {1 / (shape[2] * shape[3])!r}", channels)

        def mean(image):
            total = self.add(f"reduce {image} {{reducer = add, dimensions = [2, 3]}}", channels)
            return self.add(f"multiply {total}, {share}", channels)

        def broadcast(value):
            return self.add(f"broadcast_in_dim {value} {{dimensions = [0, 1]}}", shape)

        centred = self.add(f"subtract {x}, {broadcast(mean(x))}", shape)
        variance = mean(self.add(f"multiply {centred}, {centred}", shape))
        variance = self.add(f"add {variance}, {self.add('constant 0.1', channels)}", channels)
        y = self.add(f"multiply {centred}, {broadcast(self.add(f'rsqrt {variance}', channels))}", shape)
        if self.random.random() < 0.5:
            y = self.add(f"maximum {y}, {self.add(f'multiply {y}, ' + self.add('constant 0.2', shape), shape)}", shape)
        return y, shape

    def pad(self, x, shape):
        low, high = ([0, 0] + [self.random.randrange(-1, 3) for _ in range(2)] for _ in range(2))
        interior = [0, 0] + self.random.choice([[0, 0], [1, 1], [0, 2]])
        result = [low[i] + high[i] + (shape[i] - 1) * (interior[i] + 1) + 1 for i in range(4)]
        if self.too_large(result):
            return None
        return self.add(f"pad {x} {{low = {low}, high = {high}, interior = {interior}}}", result), result

    def slice(self, x, shape):
        start = [0] + [self.random.randrange(extent) for extent in shape[1:]]
        limit = [shape[0]] + [self.random.randrange(start[i] + 1, shape[i] + 1) for i in range(1, 4)]
        strides = [1, 1] + self.random.choice([[1, 1], [1, 1], [2, 2], [1, 3]])
        strides = list(map(min, strides, shape))
        result = [-((start[i] - limit[i]) // strides[i]) for i in range(4)]
        return self.add(f"slice {x} {{start = {start}, limit = {limit}, strides = {strides}}}", result), result

    def reverse(self, x, shape):
        return self.add(f"reverse {x} {{dimensions = {self.random.choice([[2], [3], [2, 3], [1]])}}}", shape), shape

    def sum(self, x, shape):
        rows = [shape[0], shape[2]]
        total = self.add(f"reduce {x} {{reducer = add, dimensions = [1, 3]}}", rows)
        share = self.add(f"constant {1 / (shape[1] * shape[3])!r}", rows)
        mean = self.add(f"multiply {total}, {share}", rows)
        return self.add(f"subtract {x}, " + self.add(f"broadcast_in_dim {mean} {{dimensions = [0, 2]}}", shape), shape), shape

    def text(self):
        """The last image, and sometimes another one, are results; nothing where there is no operation."""
        results = dict(self.values[-1:] + ([self.random.choice(self.values)] if self.random.random() < 0.3 else []))
        results.pop("%x", None)
        if not results:
            return None
        types = ", ".join(map(tensor, results.values()))
        return (
            f"rephase_ir 1\n\nfunc @f(%x: {tensor(self.input)}) -> {types if len(results) == 1 else f'({types})'} {{\n"
            + "\n".join(self.lines) + f"\n  return {', '.join(results)}\n}}\n")


def verify(work, seed, steps, largest, *options):
    """1 where the network was checked, 0 where the seed makes none; stops at an error."""
    network = Network(seed, largest)
    for _ in range(network.random.randrange(2, steps)):
        network.step()
    text = network.text()
    if text is None:
        return 0
    numbers = numpy.random.default_rng(seed)
    weights = {
        name: (numbers.standard_normal(shape) / math.sqrt(math.prod(shape[1:]))).astype("f4")
        for name, shape in network.weights.items()}
    (work / "f.rir").write_text(text)
    save_file(weights, work / "f.safetensors")
    command = [REPHASE, "verify", str(work / "f.rir"), *options, "--json"]
    if weights:
        command += ["--weights", str(work / "f.safetensors")]
    done = subprocess.run(command, capture_output=True, text=True)
    rows = json.loads(done.stdout) if done.stdout.startswith("{") else None
    # What normalization makes of constant or tiny images is rounding alone, so only random ones count.
    if rows is None or not all(float(row["ulps"]) <= rows["promise"] for row in rows["rows"] if row["input"] == "random"):
        sys.exit(f"seed {seed}: {' '.join(command)}: exit {done.returncode}\n{done.stderr}{done.stdout}\n{text}")
    return 1


def main():
    first, count = map(int, sys.argv[1:3]) if len(sys.argv) > 2 else (1, 40)
    checked = 0
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        for seed in range(first, first + count):
            checked += verify(work, seed, 14, 34)
            if seed % 4 == 0:
                precision = ["standard", "tf32", "bf16", "strict"][seed // 4 % 4]
                checked += verify(work, seed, 6, 12, "--target", "sm_90", "--emulate", "--precision", precision)
    assert checked > count // 2, checked
    print(f"{checked} random networks keep their promises")


main()
