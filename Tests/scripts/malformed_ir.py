"""Malformed dumps of every stage: by hand, and well-formed ones damaged at random."""

import pathlib
import random
import re
import subprocess

import numpy as np
from malformed_runner import REPHASE, Case

STAGES = ["graph", "optimized", "loops", "scheduled", "llvm", "asm"]
NETWORK = ["resnet1", "--set", "filters=4"]
HEADER = "rephase_ir 1\n\n"


class Base:
    """Well-formed files to damage: dumps, weights, an input and a library of one small network."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        self._run("init", *NETWORK, "-o", "w.safetensors")
        self._run("init", "resnet1", "-o", "w32.safetensors")
        for stage in STAGES:
            self._run("emit", *NETWORK, "--size", "16x16", "--stage", stage, "-o", stage)
        np.save(folder / "x.npy", np.random.default_rng(1).random((1, 1, 16, 16), np.float32))
        image = np.load(folder / "x.npy")
        np.savez(folder / "pairs.npz", input=image, target=image)
        np.save(folder / "other.npy", image)
        self._run(
            "prepare", "x.npy", "other.npy", "--validation", "other", "--mask", "none", "--size", "16x16", "--quiet", "-o",
            "set")
        self._run(
            "compile", *NETWORK, "--size", "16x16", "--weights", "w.safetensors", "--name", "tiny",
            "--quiet", "-o", "library")

    def _run(self, *arguments):
        subprocess.run(
            [REPHASE, *arguments], cwd=self.folder, check=True, stdout=subprocess.DEVNULL)

    def path(self, name):
        return str(self.folder / name)

    def bytes(self, name):
        return (self.folder / name).read_bytes()

    def text(self, name):
        return self.bytes(name).decode()

    def run_dump(self, name="bad.rir"):
        """The arguments that take a dump all the way to an output."""
        return [
            "run", name, "--weights", self.path("w.safetensors"), "--input", self.path("x.npy"),
            "-o", "{out}/y.npy"]


def emit(stage="llvm", name="bad.rir"):
    return ["emit", name, "--stage", stage, "-o", "{out}/model"]


def cases(base, seed, count):
    result = []
    for stage in STAGES:
        result += _damaged(base, stage)
    result += _graphs(base) + _loops(base) + _code(base) + _paths(base)
    for stage in STAGES:
        result += _mutated(base, stage, random.Random(f"{seed} {stage}"), count)
    return result


def _damaged(base, stage):
    """What accidents do to a file."""
    data = base.bytes(stage)
    junk = random.Random(stage).randbytes(4000)
    line = data.index(b"\n") + 1
    files = {
        "empty": b"",
        "its first line": data[:line],
        "its first half": data[: len(data) // 2],
        "all but its last quarter": data[: len(data) * 3 // 4],
        "all but its last line": data[: data.rstrip(b"\n").rindex(b"\n")],
        "zeros after its start": data[: len(data) // 2] + bytes(200),
        "bytes after its first line": data[:line] + junk,
        "no UTF-8": data[: len(data) // 2] + b"\xff\xfe" + data[len(data) // 2 :],
        "UTF-16": data.decode().encode("utf-16"),
        "twice": data + data,
    }
    commands = [emit("asm"), base.run_dump()] if stage != "asm" else [base.run_dump()]
    # Two LLVM modules or assembly files in one are told by LLVM and the assembler.
    return [
        Case(f"{stage} dump", f"{name} ({command[0]})", command, {"bad.rir": content})
        for name, content in files.items() for command in commands]


def _graph(body, arguments="%x: tensor<1x1x8x8xf32>", result="tensor<1x1x8x8xf32>"):
    return f"{HEADER}func @m({arguments}) -> {result} {{\n{body}\n}}\n"


def _graphs(base):
    """Graphs that break a rule each."""
    relu = "  %1 = relu %x : tensor<1x1x8x8xf32>\n"
    kernel = '  %w = parameter "w" : tensor<1x1x3x3xf32>\n  %b = parameter "b" : tensor<1xf32>\n'

    def convolution(attributes, result="1x1x8x8", weights=kernel):
        return _graph(
            f"{weights}  %1 = convolution %x, %w, %b {{{attributes}}} : tensor<{result}xf32>\n"
            "  return %1", result=f"tensor<{result}xf32>")

    def argument(shape):
        return _graph("  return %x", f"%x: {shape}", shape)

    fused = "  %1 = fused %x : tensor<1x1x8x8xf32> {\n ^(%x: tensor<1x1x8x8xf32>):\n"
    many = "".join(f"  %{i} = relu %x : tensor<1x1x8x8xf32>\n" for i in range(100_001))
    huge = "tensor<1x1x65536x65536xf32>"
    texts = {
        "unknown version": "rephase_ir 99\n",
        "no version": _graph("  return %x")[len(HEADER) :],
        "comment alone": HEADER + "// nothing",
        "no function": HEADER,
        "two functions": _graph("  return %x") + _graph("  return %x")[len(HEADER) :],
        "no return": _graph(relu),
        "return of nothing": _graph("  return"),
        "return twice": _graph("  return %x\n  return %x"),
        "return of another type": _graph("  return %x", result="tensor<2xf32>"),
        "undefined value": _graph("  %1 = relu %nobody : tensor<1x1x8x8xf32>\n  return %1"),
        "use before definition": _graph(
            "  %2 = relu %1 : tensor<1x1x8x8xf32>\n" + relu + "  return %2"),
        "defined twice": _graph(relu + relu + "  return %1"),
        "unknown operation": _graph("  %1 = frobnicate %x : tensor<1x1x8x8xf32>\n  return %1"),
        "two parameters of a name": _graph(
            '  %a = parameter "a" : tensor<1x1x8x8xf32>\n  %b = parameter "a" : tensor<8xf32>\n'
            "  %c = broadcast_in_dim %b {dimensions = [3]} : tensor<1x1x8x8xf32>\n"
            "  %d = add %a, %c : tensor<1x1x8x8xf32>\n  return %d"),
        "too many operands": _graph("  %1 = relu %x, %x : tensor<1x1x8x8xf32>\n  return %1"),
        "too few operands": _graph("  %1 = add %x : tensor<1x1x8x8xf32>\n  return %1"),
        "wrong result type": _graph("  %1 = relu %x : tensor<1x1x8x9xf32>\n  return %1"),
        "unknown element type": argument("tensor<1xf31>"),
        "extent of 0": argument("tensor<1x0x8xf32>"),
        "negative extent": argument("tensor<1x-8xf32>"),
        "extents that overflow": argument("tensor<9223372036854775807x9223372036854775807xf32>"),
        "an extent that does not fit": argument("tensor<99999999999999999999999xf32>"),
        "2^60 elements": argument("tensor<1073741824x1073741824xf32>"),
        "300 dimensions": argument("tensor<" + "1x" * 300 + "f32>"),
        "a type of 10 MB": argument("tensor<" + "1" * 10_000_000 + "xf32>"),
        "a name of 10 MB": _graph("  return %" + "x" * 10_000_000),
        "a string of 10 MB": _graph(f'  %w = parameter "{"w" * 10_000_000}" : tensor<1xf32>'),
        "a string that does not end": _graph('  %w = parameter "w : tensor<1xf32>'),
        "100,001 operations": _graph(many + "  return %1"),
        "20,000 arguments": _graph(
            "  return %x", ", ".join(f"%x{i}: tensor<1xf32>" for i in range(20_000))),
        "deep regions": _graph(fused * 5000),
        "a region in a region": _graph(fused + fused + "  return %x\n}\n  return %1\n}\n  return %1"),
        "deep parentheses": _graph("  %1 = relu " + "(" * 100_000),
        "deep lists": _graph("  %1 = relu %x {a = " + "[" * 100_000),
        "a list of a million": convolution("padding = [" + "1, " * 1_000_000 + "1]"),
        "unknown attribute": convolution("padding = [1, 1, 1, 1], strides = [1, 1], groups = 2"),
        "missing attribute": convolution("padding = [1, 1, 1, 1]"),
        "attribute twice": convolution("padding = [1, 1, 1, 1], padding = [1, 1, 1, 1]"),
        "attribute of the wrong type": convolution('padding = "same", strides = [1, 1]'),
        "0 groups": convolution("padding = [1, 1, 1, 1], strides = [1, 1], feature_group_count = 0"),
        "2^63 - 1 groups": convolution(f"padding = [1, 1, 1, 1], strides = [1, 1], feature_group_count = {2**63 - 1}"),
        "taps far apart": convolution(f"padding = [1, 1, 1, 1], strides = [1, 1], rhs_dilation = [1, {2**63 - 1}]"),
        "strides of 0": convolution("padding = [1, 1, 1, 1], strides = [0, 0]"),
        "negative strides": convolution("padding = [1, 1, 1, 1], strides = [-1, -1]"),
        "huge strides": convolution(f"padding = [1, 1, 1, 1], strides = [{2**63 - 1}, {2**63 - 1}]"),
        "huge padding": convolution(f"padding = [{2**63 - 1}, {2**63 - 1}, 1, 1], strides = [1, 1]"),
        "negative padding": convolution(f"padding = [{-(2**63) + 1}, 0, 0, 0], strides = [1, 1]"),
        "number past 64 bits": convolution("padding = [9223372036854775808, 1, 1, 1], strides = [1, 1]"),
        "kernel larger than the image": convolution(
            "padding = [0, 0, 0, 0], strides = [1, 1]",
            weights=kernel.replace("3x3", "99x99")),
        "channels that differ": convolution(
            "padding = [1, 1, 1, 1], strides = [1, 1]", weights=kernel.replace("1x1x3x3", "1x2x3x3")),
        "infinite epsilon": _graph("  %1 = constant 1e999 : tensor<1xf32>\n  return %x"),
        "constant with too many values": _graph("  %1 = constant [1.0, 2.0] : tensor<1xf32>\n  return %x"),
        "terminal codes in a name": _graph('  %w = parameter "\x1b[2J\x07" : tensor<2xf30>\n'),
        "a line break in a name": _graph('  %w = parameter "a\nerror: b" : tensor<2xf32>\n'),
        "text after the function": _graph("  return %x") + "}}",
        "an image of HTML": "<html><body>404</body></html>",
    }
    result = [Case("graph", name, emit(), {"bad.rir": text}) for name, text in texts.items()]
    two = '  %w = parameter "w" : tensor<1xf32>\n  %v = parameter "w" : tensor<2xf32>\n  return %x'
    result.append(Case("graph", "one parameter, two shapes", base.run_dump(), {"bad.rir": _graph(two)}, mentions=("'w'",)))
    spread = (
        "  %1 = constant 0.0 : tensor<f32>\n"
        "  %2 = broadcast_in_dim %1 {dimensions = []} : tensor<65536x65536xf32>\n  return %2")
    text = _graph(spread, result="tensor<65536x65536xf32>")
    command = ["run", "bad.rir", "--input", "x.npy", "-o", "{out}/y.npy"]
    for engine in ["native", "reference"]:
        result.append(Case("graph", f"16 GiB from one number ({engine})", [*command, "--engine", engine], {"bad.rir": text, "x.npy": lambda path: np.save(path, np.zeros((1, 1, 8, 8), np.float32))}, mentions=("GiB",)))
    # Too large to hold: refused before any memory is taken.
    text = _graph(
        f"  %1 = relu %x : {huge}\n  %2 = add %1, %x : {huge}\n  return %2", f"%x: {huge}", huge)
    for command in ["bench", "verify"]:
        result.append(Case("graph", f"64 GiB ({command})", [command, "bad.rir"], {"bad.rir": text}, mentions=("bad.rir", "@m", "GiB")))
    return result


def _loops(base):
    """Loop modules that break a rule each.

    What only the loop interpreter finds (an index out of bounds in some iterations, races) is not
    here: loop dumps are code, which is trusted where it is run.
    """
    buffers = '  input %x "x" : f32[8]\n  output %y "y" : f32[8]\n'
    loop = "    for %i in 0 ..< 8 {\n      %o[%i] = %a[%i]\n    }\n"

    def module(body=loop, buffers=buffers, call="call @k(%x, %y)", name="@m", types=("f32[8]", "f32[8]")):
        return (
            f"rephase_loops 1\n\nmodule {name} {{\n{buffers}\n"
            f"  kernel @k(in %a: {types[0]}, out %o: {types[1]}) {{\n{body}  }}\n\n"
            f"  prepare {{\n  }}\n\n  run {{\n    {call}\n  }}\n}}\n")

    wide = 2**40
    texts = {
        "unknown version": "rephase_loops 7\n",
        "reading past the end": module(loop.replace("%a[%i]", "%a[%i + 8]")),
        "reading before the start": module(loop.replace("%a[%i]", "%a[%i - 8]")),
        "writing past the end": module(loop.replace("%o[%i]", "%o[%i + 8]")),
        "a number past 64 bits": module(loop.replace("%a[%i]", f"%a[%i + {2**63}]")),
        "division by zero": module(loop.replace("%a[%i]", "%a[%i / 0]")),
        "writing an input": module(loop.replace("%o[%i] =", "%a[%i] =")),
        "unknown variable": module(loop.replace("%a[%i]", "%a[%j]")),
        "too few indices": module(loop.replace("%a[%i]", "%a[]")),
        "unrolled a million times": module(loop.replace("for %i in 0 ..< 8", "unrolled for %i in 0 ..< 1000000")),
        "a million lanes": module(loop.replace("for %i in 0 ..< 8", "vectorized for %i in 0 ..< 1000000")),
        "unrolled in unrolled": module(
            "".join(f"    unrolled for %u{i} in 0 ..< 4000 {{\n" for i in range(6)) + loop + "    }\n" * 6),
        "a terabyte on the stack": module(f"    allocate %s : f32[{wide}] stack\n" + loop),
        "a terabyte in registers": module(f"    allocate %s : f32[{wide}] register\n" + loop),
        "5000 nested loops": module("".join(f"    for %v{i} in 0 ..< 1 {{\n" for i in range(5000))),
        "5000 nested parentheses": module(loop.replace("%a[%i]", "(" * 5000 + "%a[%i]" + ")" * 5000)),
        "a sum of 100,000 terms": module(loop.replace("%a[%i]", "%a[%i]" + " + %a[%i]" * 100_000)),
        "a call of nobody": module(call="call @nobody(%x, %y)"),
        "a call with too few buffers": module(call="call @k(%x)"),
        "a call of other extents": module(types=("f32[9]", "f32[8]")),
        "a call of another type": module(types=("f64[8]", "f32[8]")),
        "the output as input": module(call="call @k(%y, %y)"),
        "no call": module(call=""),
        "buffer twice": module(buffers=buffers * 2),
        "strides that overlap": module(buffers=buffers.replace('"y" : f32[8]', '"y" : f32[8] strides [0]')),
        "strides that overflow": module(buffers=buffers.replace('"y" : f32[8]', f'"y" : f32[8] strides [{2**62}]')),
        "extents that overflow": module(buffers=buffers.replace('"y" : f32[8]', f'"y" : f32[{2**62}, {2**62}]')),
        "negative extents": module(buffers=buffers.replace('"y" : f32[8]', '"y" : f32[-8]')),
        "an arena beyond memory": module(buffers=buffers + f"  temporary %t : f32[8] at {2**62}\n"),
        "an offset that is not aligned": module(buffers=buffers + "  temporary %t : f32[8] at 3\n"),
        "no name": module(name=""),
        "unknown statement": module("    goto %i\n"),
    }
    result = [Case("loops", name, emit("asm"), {"bad.rir": text}) for name, text in texts.items()]
    large = module(buffers=buffers + f"  temporary %t : f32[{2**34}]\n")
    result.append(Case("loops", "64 GiB (bench)", ["bench", "bad.rir"], {"bad.rir": large}, mentions=("bad.rir", "@m", "GiB")))
    return result


def _code(base):
    """LLVM IR and assembly whose text or interface is damaged. Their code itself is trusted."""
    llvm, asm = base.text("llvm"), base.text("asm")
    interface = llvm.index("!rephase.interface")

    def edited(old, new, text=llvm):
        assert old in text, old
        return text.replace(old, new)

    texts = {
        "IR without interface": llvm[:interface],
        "IR with an interface of junk": llvm[:interface] + '!rephase.interface = !{!0}\n!0 = !{!"junk"}\n',
        "IR with an interface that is a number": llvm[:interface] + "!rephase.interface = !{!0}\n!0 = !{i32 1}\n",
        "IR with an empty interface": llvm[:interface] + "!rephase.interface = !{!0}\n!0 = !{}\n",
        "IR with an overflowing interface": edited("f32[1, 1, 16, 16]", f"f32[{2**62}, {2**62}]"),
        "IR with overflowing strides": edited("strides [1024, 1, 64, 4]", f"strides [{2**62}, {2**62}, 64, 4]"),
        "IR with an offset beyond memory": edited("at 4096", f"at {2**62}"),
        "IR of another processor": edited("x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"),
        "IR of an unknown processor": edited("x86_64-unknown-linux-gnu", "nonsense-of-nobody"),
        "IR with another data layout": edited("e-m:e-p270", "E-m:e-p270"),
        "IR with a data layout of junk": edited("e-m:e-p270:32:32", "junk"),
        "IR without its entry": edited("@resnet1_kernels", "@resnet2_kernels"),
        "IR with an unknown instruction": edited("  ret void", "  frobnicate void"),
        "IR of another back end": edited("  ret void", "  call void @llvm.nvvm.barrier0()\n  ret void") + "\ndeclare void @llvm.nvvm.barrier0()\n",
        "IR with a type error": edited("  ret void", "  ret i32 1"),
        "assembly without interface": edited("#| ", "#x ", asm),
        "assembly with a damaged interface": edited("f32[1, 1, 16, 16]", "f32[1, 1, 16", asm),
        "assembly with an overflowing interface": edited("f32[1, 1, 16, 16]", f"f32[{2**62}, {2**62}]", asm),
        "assembly with an unknown instruction": edited("\tretq", "\tfrobnicate", asm),
        "assembly without its entry": edited("resnet1_kernels", "resnet2_kernels", asm),
    }
    # LLVM's back end knows its function and no file where it gives up.
    mentions = ("bad.rir", "llvm.nvvm.barrier0")
    return [
        Case("code", name, base.run_dump(), {"bad.rir": text}, mentions=mentions)
        for name, text in texts.items()]


def _paths(base):
    """Files that are none, in place of a dump."""
    def long(path):
        with open(path, "wb") as file:
            file.write(HEADER.encode())
            file.truncate(1 << 40)

    def folder(path):
        path.mkdir()

    def loop(path):
        path.symlink_to(path.name)

    def link(path):
        path.symlink_to("nowhere")

    result = [
        Case("path", f"{name} ({command[0]})", command, {"bad.rir": content})
        for name, content in [
            ("a folder", folder), ("a link to itself", loop), ("a link to nothing", link),
            ("a sparse file of 1 TB", long)]
        for command in [emit(), base.run_dump(), ["opt", "bad.rir", "-o", "{out}/x"]]]
    for name in ["missing.rir", "/dev/null", "/dev/zero", "bad.rir/x", "~/x.rir", "x" * 5000]:
        for command in [emit(name=name), ["opt", name, "-o", "{out}/x"]]:
            mention = name[:20]
            result.append(Case("path", f"{mention} ({command[0]})", command, mentions=(mention,)))
    return result


TOKEN = re.compile(r'"[^"\n]*"|[%@]?[A-Za-z_][\w.]*|\d+(?:\.\d+)?(?:e-?\d+)?|[^\sA-Za-z_0-9]|\s+')
VALUES = [
    "0", "-1", "1", "2", "3", "17", "4294967296", "9223372036854775807", "9223372036854775808",
    "99999999999999999999999", "1e308", "1e999", "nan", "0.5", "%x", "@m", '"', '""', "[", "]", "(",
    "{", "}", "tensor<1xf32>", "f64", "f16", "complex64", "i32", "relu", "for", "parallel", "vectorized"]


def mutate(text, source):
    """The text after one to three of: a token dropped, doubled, swapped or replaced, a line moved."""
    for _ in range(source.randint(1, 3)):
        tokens = TOKEN.findall(text)
        at, other = source.randrange(len(tokens)), source.randrange(len(tokens))
        action = source.choice(["drop", "double", "swap", "value", "value", "number", "number", "line", "cut"])
        if action == "drop":
            tokens[at] = ""
        elif action == "double":
            tokens[at] *= 2
        elif action == "swap":
            tokens[at], tokens[other] = tokens[other], tokens[at]
        elif action == "value":
            tokens[at] = source.choice(VALUES)
        elif action == "number":
            numbers = [i for i, token in enumerate(tokens) if token.isdigit()]
            tokens[source.choice(numbers)] = source.choice(VALUES[:10])
        elif action == "line":
            lines = text.split("\n")
            lines.insert(source.randrange(len(lines)), lines.pop(source.randrange(len(lines))))
            tokens = lines and ["\n".join(lines)]
        else:
            del tokens[at : at + source.randint(1, 30)]
        text = "".join(tokens)
    return text


def _mutated(base, stage, source, count):
    """Dumps damaged at random; graphs are run, loops and later stages are code and only compiled."""
    text = base.text(stage)
    result = []
    for number in range(count):
        content = _mutated_interface(text, source) if stage == "asm" else mutate(text, source)
        command = emit("asm")
        if stage in ("graph", "optimized") and number % 2:
            command = base.run_dump()
        result.append(
            Case(f"{stage} at random", f"{number} ({command[0]})", command, {"bad.rir": content}, random=True))
    return result


def _mutated_interface(text, source):
    lines = text.split("\n")
    last = max(i for i, line in enumerate(lines) if line.startswith("#| "))
    damaged = mutate("\n".join(lines[: last + 1]), source)
    return damaged + "\n" + "\n".join(lines[last + 1 :])
