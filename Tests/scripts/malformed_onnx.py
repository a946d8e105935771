"""Malformed ONNX files: cut, changed, and well-formed ones that no network can be."""

import random

import numpy
from malformed_runner import Case
from onnx import TensorProto, helper, numpy_helper


def cases(base, seed, count):
    whole = _network().SerializeToString()
    result = [_case("onnx by hand", name, content) for name, content in _by_hand(whole).items()]
    result += [
        Case(
            "onnx flags", " ".join(flags), ["emit", "good.onnx", *flags, "-o", "{out}/y.rir"], {"good.onnx": whole},
            mentions=mentions, code=code)
        for flags, code, mentions in [
            (["--batch", "2"], 1, ("1 images, not 2",)),
            (["--size", "9x8"], 1, ("8 rows, not 9",)),
            (["--set", "filters=8"], 64, ("--set",)),
            (["--train", "l2"], 1, ("no network that can be trained",)),
            (["--weights", "good.onnx"], 1, ("good.onnx",)),
        ]
    ]
    result += [
        _case("onnx cut", f"{length} bytes", whole[:length], random=True)
        for length in range(1, len(whole), max(1, len(whole) // (2 * count)))
    ]
    source = random.Random(f"{seed} onnx")
    for number in range(2 * count):
        damaged = bytearray(whole)
        for _ in range(source.randint(1, 4)):
            damaged[source.randrange(len(damaged))] ^= 1 << source.randrange(8)
        result.append(_case("onnx at random", str(number), bytes(damaged), random=True))
    return result


def _case(kind, name, content, random=False):
    arguments = ["emit", "bad.onnx", "--size", "8x8", "-o", "{out}/y.rir"]
    return Case(kind, name, arguments, {"bad.onnx": content}, mentions=("bad.onnx", "no.bin"), random=random)


def _network(edit=lambda graph: None, **options):
    """Convolution, enlargement by a computed size, and a sum."""
    kernel = numpy.arange(9, dtype=numpy.float32).reshape(1, 1, 3, 3)
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
            helper.make_node("Shape", ["c"], ["s"]),
            helper.make_node("Mul", ["s", "f"], ["t"]),
            helper.make_node("Resize", ["c", "", "", "t"], ["u"]),
            helper.make_node("MaxPool", ["u"], ["m"], kernel_shape=[2, 2], strides=[2, 2]),
            helper.make_node("Add", ["m", "x"], ["y"]),
        ],
        "test", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, 8, 8])],
        [
            numpy_helper.from_array(kernel, "w"),
            numpy_helper.from_array(numpy.array([1, 1, 2, 2]), "f"),
        ])
    edit(graph)
    imports = [helper.make_opsetid(options.get("domain", ""), options.get("version", 18))]
    return helper.make_model(graph, opset_imports=imports, ir_version=9)


def _by_hand(whole):
    def changed(edit):
        return _network(edit).SerializeToString()

    def attribute(node, name, value):
        def edit(graph):
            graph.node[node].ClearField("attribute")
            graph.node[node].attribute.append(helper.make_attribute(name, value))
        return changed(edit)

    def factors(*values):
        tensor = numpy_helper.from_array(numpy.array(values), "f")
        return changed(lambda graph: graph.initializer[1].CopyFrom(tensor))

    def outside(location):
        def edit(graph):
            graph.initializer[0].ClearField("raw_data")
            graph.initializer[0].data_location = TensorProto.EXTERNAL
            entry = graph.initializer[0].external_data.add()
            entry.key, entry.value = "location", location
        return changed(edit)

    nested = b""
    for _ in range(3000):
        nested = b"\x3a" + _varint(len(nested)) + nested
    return {
        "empty": b"",
        "text": b"rephase_ir 1\n",
        "nested 3000 deep": nested,
        "a length of 2^62": b"\x3a" + _varint(1 << 62) + whole,
        "a cycle": changed(lambda graph: graph.node[0].input.__setitem__(0, "y")),
        "a size of 2^62": factors(1, 1, 1 << 59, 1 << 59),
        "a factor of 1000": factors(1, 1, 1000, 1000),
        "negative sizes": factors(1, 1, -2, -2),
        "four factors too few": factors(2),
        "weights of 2^60 elements": changed(
            lambda graph: graph.initializer[0].dims.__setitem__(0, 1 << 60)),
        "an image of 2^40 rows": changed(
            lambda graph: graph.input[0].type.tensor_type.shape.dim[2].__setattr__("dim_value", 1 << 40)),
        "a border of 2^40": attribute(0, "pads", [1 << 40, 0, 0, 0]),
        "2^40 groups": attribute(0, "group", 1 << 40),
        "dilations of 0": attribute(0, "dilations", [0, 0]),
        "a window of 2^40": attribute(4, "kernel_shape", [1 << 40, 1]),
        "a window larger than the image": attribute(4, "kernel_shape", [100, 100]),
        "an operator that is not there": changed(
            lambda graph: graph.node[5].__setattr__("op_type", "Einsum\x1b[31m")),
        "data outside": outside("../../etc/passwd"),
        "data at a path": outside("/etc/passwd"),
        "data that is missing": outside("no.bin"),
        "version 8": _network(version=8).SerializeToString(),
        "another domain": _network(domain="com.example").SerializeToString(),
    }


def _varint(value):
    result = b""
    while value > 127:
        result += bytes([value & 127 | 128])
        value >>= 7
    return result + bytes([value])
