"""Models of a few nodes each, made by onnx.helper: what exporters do not write, but the standard has."""

import numpy
from onnx import TensorProto, helper, numpy_helper

random = numpy.random.default_rng(3)


def _tensor(name, value):
    value = numpy.asarray(value)
    kind = {"i": numpy.int64, "b": numpy.bool_}.get(value.dtype.kind, numpy.float32)
    return numpy_helper.from_array(value.astype(kind), name)


def model(nodes, x, constants, operator_set):
    """The nodes take `x` and the constants by name; the last gives `y`."""
    graph = helper.make_graph(
        nodes, "test", [helper.make_tensor_value_info("x", TensorProto.FLOAT, x)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [_tensor(name, value) for name, value in constants.items()])
    imports = [helper.make_opsetid("", operator_set)]
    return helper.make_model(graph, opset_imports=imports, ir_version=min(10, 4 + operator_set // 3))


def node(operator, x, *inputs, operator_set=18, **attributes):
    """A model of one node; inputs after the image are arrays, or None where they are left out."""
    names = ["" if value is None else f"c{i}" for i, value in enumerate(inputs)]
    constants = {name: value for name, value in zip(names, inputs) if name}
    made = helper.make_node(operator, ["x", *names], ["y"], **attributes)
    return f"{operator} {attributes or ''}", model([made], x, constants, operator_set)


def _side_by_side(operators, x, operator_set):
    """A model that applies each operator to the image, and puts what they give one after the other."""
    names = [f"y{i}" for i in range(len(operators))]
    nodes = [
        helper.make_node(operator, ["x"], [name], **attributes)
        for name, (operator, attributes) in zip(names, operators)]
    return model([*nodes, helper.make_node("Concat", names, ["y"], axis=0)], x, {}, operator_set)


def weights(*shape):
    return random.normal(size=shape)


def _convolutions():
    image, kernel = [1, 4, 9, 10], weights(6, 4, 3, 2)
    yield node("Conv", image, kernel, weights(6), strides=[2, 1], pads=[0, 1, 2, 0])
    for mode in ["SAME_UPPER", "SAME_LOWER", "VALID"]:
        yield node("Conv", image, kernel, auto_pad=mode, strides=[2, 3])
        yield node("ConvTranspose", image, weights(4, 3, 3, 2), auto_pad=mode, strides=[2, 1])
    yield node("Conv", image, weights(6, 2, 3, 3), weights(6), group=2, dilations=[2, 1])
    yield node("Conv", [1, 70, 4, 4], weights(70, 1, 3, 3), group=70, pads=[1, 1, 1, 1])
    yield node("Conv", image, weights(8, 1, 3, 3), weights(8), group=4, strides=[1, 2], pads=[1, 2, 1, 3], dilations=[1, 3])
    kernel = weights(4, 3, 3, 4)
    yield node("ConvTranspose", image, kernel, weights(3), strides=[3, 2], output_padding=[2, 1])
    yield node("ConvTranspose", image, kernel, strides=[2, 2], pads=[1, 2, 0, 1], dilations=[1, 2])
    yield node("ConvTranspose", image, kernel, strides=[2, 2], output_shape=[18, 21])
    yield node("ConvTranspose", image, kernel, weights(6), strides=[1, 2], group=2, pads=[2, 3, 2, 3])
    yield node("ConvTranspose", image, kernel, strides=[2, 1], group=2, dilations=[1, 2])
    yield node("ConvTranspose", image, weights(4, 1, 2, 2), weights(4), strides=[2, 2], group=4)


def _poolings():
    image = [2, 3, 9, 10]
    for operator in ["MaxPool", "AveragePool"]:
        yield node(operator, image, kernel_shape=[3, 2], strides=[2, 3], pads=[1, 0, 2, 1])
        yield node(operator, image, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
        yield node(operator, image, kernel_shape=[3, 3], strides=[4, 2], auto_pad="SAME_LOWER")
        yield node(operator, image, kernel_shape=[2, 2], operator_set=9)
    yield node("AveragePool", image, kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1)
    yield node("AveragePool", image, kernel_shape=[4, 3], strides=[3, 4], pads=[1, 1, 0, 1], count_include_pad=1, ceil_mode=1)
    yield node("AveragePool", [1, 2, 5, 4, 3], kernel_shape=[2, 2, 2], strides=[2, 2, 2], count_include_pad=1, ceil_mode=1)
    yield node("MaxPool", image, kernel_shape=[3, 2], dilations=[2, 3], strides=[1, 2], pads=[1, 1, 2, 0], ceil_mode=1)
    yield node("MaxPool", [1, 2, 8, 5, 6], kernel_shape=[2, 1, 3], dilations=[3, 1, 2], strides=[2, 1, 1])
    yield node("AveragePool", image, kernel_shape=[2, 3], dilations=[3, 2], pads=[1, 0, 0, 1], operator_set=19)
    yield node("GlobalAveragePool", image)
    yield node("GlobalMaxPool", image)


def _volumes():
    image = [1, 4, 5, 6, 7]
    for batch in (1, 2):
        v = [batch] + image[1:]
        yield node("Conv", v, weights(6, 4, 3, 3, 3), weights(6), pads=[1, 1, 1, 1, 1, 1])
        yield node("Conv", v, weights(6, 4, 2, 3, 1), strides=[2, 1, 2], pads=[1, 0, 2, 0, 1, 0], dilations=[2, 1, 1])
        yield node("Conv", v, weights(6, 2, 3, 1, 2), weights(6), group=2, auto_pad="SAME_LOWER", strides=[2, 2, 1])
        yield node("Conv", v, weights(8, 1, 1, 3, 3), group=4)
        yield node("ConvTranspose", v, weights(4, 3, 2, 2, 2), weights(3), strides=[2, 2, 2])
        yield node("ConvTranspose", v, weights(4, 3, 3, 2, 3), weights(6), strides=[2, 1, 3], group=2, pads=[1, 0, 1, 2, 1, 0], output_padding=[1, 0, 2], dilations=[2, 1, 1])
        yield node("MaxPool", v, kernel_shape=[2, 3, 2], strides=[2, 1, 2], pads=[1, 1, 0, 0, 1, 1])
        yield node("AveragePool", v, kernel_shape=[3, 2, 3], strides=[2, 2, 1], pads=[1, 1, 0, 1, 0, 1])
        yield node("GlobalAveragePool", v)
        yield node("GlobalMaxPool", v)
        yield node("InstanceNormalization", v, weights(4), weights(4))
        yield node("GroupNormalization", v, weights(4), weights(4), num_groups=2, operator_set=21)
        yield node("BatchNormalization", v, weights(4), weights(4), weights(4), weights(4) ** 2 + 1)
        for mode in ("nearest", "linear"):
            yield node("Resize", v, None, numpy.float32([1, 1, 2, 2, 2]), mode=mode, coordinate_transformation_mode="asymmetric", nearest_mode="floor")
            yield node("Resize", v, None, numpy.float32([1, 1, 2, 0.5, 3]), mode=mode)
            yield node("Resize", v, None, numpy.float32([1, 1, 1.5, 0.7, 1]), mode=mode, nearest_mode="floor")
    line = [2, 4, 11]
    yield node("Conv", line, weights(6, 4, 3), weights(6), pads=[2, 1], strides=[2])
    yield node("ConvTranspose", line, weights(4, 3, 4), weights(3), strides=[2], pads=[1, 0])
    yield node("MaxPool", line, kernel_shape=[3], strides=[2], pads=[1, 1])
    yield node("AveragePool", line, kernel_shape=[3], ceil_mode=1, strides=[2])
    yield node("GlobalAveragePool", line)
    yield node("InstanceNormalization", line, weights(4), weights(4))
    yield node("Resize", line, None, numpy.float32([1, 1, 2]), mode="linear")


def _arithmetic():
    image, channels = [2, 3, 4, 5], weights(3, 1, 1)
    for operator in ["Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "Mean"]:
        yield node(operator, image, channels + 3)
    yield node("Max", image, channels, weights(5), weights(2, 1, 1, 1))
    for operator in ["Abs", "Neg", "Relu", "LeakyRelu", "Identity", "Dropout", "Reciprocal"]:
        yield node(operator, image)
    yield "activations", _side_by_side([
        ("Sigmoid", {}), ("Tanh", {}), ("Exp", {}), ("Erf", {}), ("Sign", {}), ("Elu", {"alpha": 0.5}), ("Selu", {}),
        ("Celu", {"alpha": 2.0}), ("HardSigmoid", {}), ("HardSwish", {}), ("Softplus", {}), ("Softsign", {}),
        ("Mish", {}), ("Gelu", {}), ("Gelu", {"approximate": "tanh"}), ("Softmax", {"axis": 1}), ("Softmax", {}),
        ("LogSoftmax", {"axis": 2}), ("Shrink", {"lambd": 0.75, "bias": 0.25}), ("Sin", {}), ("Cos", {}), ("Atan", {})], image, 20)
    yield node("ThresholdedRelu", image, alpha=0.25)
    yield "ReduceProd of sizes", model(
        [helper.make_node("Shape", ["x"], ["s"]), helper.make_node("Gather", ["s", "places"], ["g"]),
         helper.make_node("ReduceProd", ["g"], ["p"], keepdims=0), helper.make_node("Cast", ["p"], ["n"], to=TensorProto.FLOAT),
         helper.make_node("Div", ["x", "n"], ["y"])], image, {"places": numpy.array([1, 3])}, 17)
    yield "IsNaN", model(
        [helper.make_node("Log", ["x"], ["l"]), helper.make_node("IsNaN", ["l"], ["n"]),
         helper.make_node("Where", ["n", "x", "l"], ["y"])], image, {}, 13)
    yield "roundings", model(
        [helper.make_node("Mul", ["x", "four"], ["m"])]
        + [helper.make_node(name, ["m"], [name]) for name in ["Floor", "Ceil", "Round"]]
        + [helper.make_node("Concat", ["Floor", "Ceil", "Round"], ["y"], axis=2)], image, {"four": numpy.float32(4)}, 18)
    yield "waves of large numbers", model(
        [helper.make_node("Mul", ["x", "many"], ["m"]), helper.make_node("Sin", ["m"], ["y"])], image,
        {"many": numpy.float32(2) ** [-30, 10, 30, 60, 120]}, 18)
    yield "Softmax of all", _side_by_side([("Softmax", {"axis": 1}), ("LogSoftmax", {"axis": 2})], image, 11)
    yield "Log", model(
        [helper.make_node("Abs", ["x"], ["a"]), helper.make_node("Log", ["a"], ["y"])], image, {}, 13)
    yield "comparisons", model(
        [helper.make_node("Greater", ["x", "c"], ["g"]), helper.make_node("Less", ["x", "zero"], ["l"]),
         helper.make_node("Not", ["l"], ["n"]), helper.make_node("And", ["g", "n"], ["a"]),
         helper.make_node("Where", ["a", "x", "c"], ["y"])], image, {"c": channels, "zero": numpy.zeros(1)}, 18)
    yield "And and Or with known masks", model(
        [helper.make_node("Greater", ["x", "zero"], ["g"]), helper.make_node("And", ["g", "m"], ["a"]),
         helper.make_node("Or", ["n", "a"], ["o"]), helper.make_node("Where", ["o", "x", "zero"], ["y"])], image,
        {"zero": numpy.zeros(1), "m": random.random(size=5) < 0.5, "n": random.random(size=(4, 1)) < 0.3}, 18)
    yield "Where of a known mask", model(
        [helper.make_node("Where", ["mask", "x", "low"], ["y"])], image,
        {"mask": random.random(size=image[-2:]) < 0.5, "low": numpy.float32(-9)}, 18)
    yield node("Pow", image, numpy.float32(2))
    yield node("Pow", image, numpy.int64(2))
    yield node("Pow", [3], numpy.full((2, 3), 2.0))
    yield "Pow of a number", model(
        [helper.make_node("Pow", ["c", "x"], ["y"])], image, {"c": numpy.float32([[2.5]])}, 18)
    for exponent in [0, 1, 5, -4, 37]:
        yield node("Pow", image, numpy.float32(exponent))
    for exponent in [2.2, -0.3]:
        yield f"Pow {exponent}", model(
            [helper.make_node("Abs", ["x"], ["a"]), helper.make_node("Pow", ["a", "c"], ["y"])], image,
            {"c": numpy.float32(exponent)}, 18)
    yield node("PRelu", image, channels)
    yield node("Clip", image, min=-0.25, max=0.5, operator_set=9)
    yield node("Clip", image, None, numpy.float32(0.5))
    yield node("InstanceNormalization", image, weights(3), weights(3), epsilon=1e-3)
    for shape in [image, [4, 3], [2, 3, 7]]:
        yield node("BatchNormalization", shape, weights(3), weights(3), weights(3), weights(3) ** 2 + 1)
    yield node("GroupNormalization", [2, 6, 4, 5], weights(3), weights(3), num_groups=3)
    yield node("GroupNormalization", [2, 6, 4, 5], weights(6), weights(6), num_groups=2, operator_set=21)
    yield node("LayerNormalization", image, weights(4, 5), weights(4, 5), axis=-2)
    yield "extrema, norms", _side_by_side(
        [(f"Reduce{name}", {"axes": [1, -1]}) for name in ["Max", "Min", "L1", "L2", "SumSquare", "LogSumExp"]], image, 17)
    yield node("ReduceLogSumExp", image, numpy.array([0, 2]), keepdims=0)
    yield "ReduceLogSum", model(
        [helper.make_node("Abs", ["x"], ["a"]), helper.make_node("ReduceLogSum", ["a", "c"], ["y"])], image,
        {"c": numpy.array([3])}, 18)
    for operator in ["ReduceMean", "ReduceSum"]:
        yield node(operator, image, axes=[1, -1], operator_set=11)
        yield node(operator, image, numpy.array([2]), keepdims=0)


def heads(images, tokens, channels, count):
    """Self-attention as exporters write it: one matrix for queries, keys and values, which are split into heads."""
    shape = [images, tokens, count, channels // count]
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["p"]), helper.make_node("Add", ["p", "b"], ["a"]),
        helper.make_node("Split", ["a", "parts"], ["q", "k", "v"], axis=2)]
    for name, order in [("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3])]:
        nodes += [
            helper.make_node("Reshape", [name, "split"], [f"{name}r"]),
            helper.make_node("Transpose", [f"{name}r"], [f"{name}t"], perm=order)]
    nodes += [
        helper.make_node("MatMul", ["qt", "kt"], ["s"]), helper.make_node("Mul", ["s", "scale"], ["ss"]),
        helper.make_node("Softmax", ["ss"], ["e"]), helper.make_node("MatMul", ["e", "vt"], ["o"]),
        helper.make_node("Transpose", ["o"], ["ot"], perm=[0, 2, 1, 3]), helper.make_node("Reshape", ["ot", "joined"], ["oj"]),
        helper.make_node("MatMul", ["oj", "w2"], ["y"])]
    constants = {
        "w": weights(channels, 3 * channels) / channels**0.5, "b": weights(3 * channels), "parts": [channels] * 3,
        "split": shape, "joined": [images, tokens, channels], "scale": numpy.float32(shape[3] ** -0.5),
        "w2": weights(channels, channels)}
    return model(nodes, [images, tokens, channels], constants, 18)


def _layouts():
    image = [1, 2, 6, 5]
    borders = numpy.array([0, 0, 2, 1, 0, 1, 3, 4])
    yield node("Pad", image, borders, numpy.float32(1.5))
    yield node("Pad", image, numpy.array([0, 0, -1, 1, 0, 0, 2, -2]))
    yield node("Pad", image, borders * [1, 1, 1, 1, 1, 0, 1, 1], mode="reflect")
    yield node("Pad", image, borders, mode="edge")
    yield node("Pad", image, borders, mode="wrap", operator_set=19)
    yield node("Pad", image, pads=[0, 0, 1, 1, 0, 0, 1, 1], mode="reflect", operator_set=9)
    yield node("Slice", image, *map(numpy.array, ([4, 0], [-7, 9], [2, 3], [-2, 3])))
    yield node("Slice", image, starts=[1, -4], ends=[3, -1], axes=[2, 3], operator_set=9)
    yield node("Transpose", image, perm=[0, 3, 1, 2])
    yield node("Flatten", [2, 7, 1, 1])
    yield node("Reshape", [2, 1, 7, 1], numpy.array([1, 2, -1]))
    yield node("Squeeze", image, numpy.array([0]))
    yield node("Reshape", image, numpy.array([4, -1, 3]))
    yield node("SpaceToDepth", [1, 2, 6, 4], blocksize=2)
    for mode in ["DCR", "CRD"]:
        yield node("DepthToSpace", [2, 8, 3, 5], blocksize=2, mode=mode)
    yield node("MatMul", [2, 3, 7, 20], weights(20, 33))
    yield node("MatMul", [2, 3, 34, 5], weights(3, 5, 6))
    yield node("MatMul", [2, 3, 7, 20], weights(20))
    yield node("MatMul", [20], weights(20, 33))
    yield node("MatMul", [5, 300], weights(2, 300, 18))
    yield node("Gemm", [3, 48], weights(50, 48), weights(50), transB=1)
    for equation, x, other in [
            ("bihd,bjhd->bhij", [2, 19, 3, 8], (2, 17, 3, 8)), ("bhij,bjhd->bihd", [2, 3, 18, 20], (2, 20, 3, 5)),
            ("bic,oc->bio", [2, 33, 40], (24, 40)), ("ij,jk->k", [6, 7], (7, 5)), ("bij,bij", [2, 3, 4], (2, 3, 4))]:
        yield node("Einsum", x, weights(*other), equation=equation)
    yield node("Einsum", [2, 3, 4], equation="abc->ca")
    yield node("Gemm", [20, 18], weights(20, 9), weights(9), transA=1, alpha=0.5, beta=2.0)
    made = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[0, 2, 1]), helper.make_node("MatMul", ["x", "t"], ["p"]),
        helper.make_node("Softmax", ["p"], ["s"]), helper.make_node("MatMul", ["s", "x"], ["y"])]
    yield "attention", model(made, [3, 24, 8], {}, 18)
    yield "attention", model(made, [2, 130, 40], {}, 18)
    yield "heads", heads(2, 37, 24, 3)
    yield node("Unsqueeze", image, numpy.array([-1, 2]))
    yield node("Tile", image, numpy.array([1, 3, 1, 2]))
    yield node("Expand", [1, 2, 1, 5], numpy.array([3, 1, 4, 1]))
    yield node("Gather", image, numpy.int64(-2), axis=2)
    yield node("Gather", image, numpy.array([2, 0, 1, -1, 2, 2]), axis=3)
    yield node("Gather", image, numpy.array([[1, 0], [0, 1], [0, 0]]), axis=1)
    yield node("Resize", image, None, numpy.float32([1, 1, 3, 2]))
    yield node("Resize", image, None, None, numpy.array([1, 2, 12, 20]), nearest_mode="round_prefer_ceil")
    yield node("Resize", image, numpy.float32([1, 1, 2, 4]), operator_set=10)
    for mode, factors in [("linear", [0.5, 1.3]), ("cubic", [1.4, 0.7]), ("nearest", [0.6, 1.5])]:
        for place in ["half_pixel", "asymmetric", "pytorch_half_pixel"]:
            yield node("Resize", [1, 2, 9, 7], None, numpy.float32([1, 1, *factors]), mode=mode,
                       coordinate_transformation_mode=place, nearest_mode="floor")
    for mode in ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]:
        yield node("Resize", image, None, numpy.float32([1, 1, 2, 3]), mode="linear", coordinate_transformation_mode=mode)
    yield node("Resize", image, None, None, numpy.array([1, 2, 3, 8]), mode="linear", coordinate_transformation_mode="align_corners")
    for mode in ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]:
        for rounding in ["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"]:
            yield node("Resize", [2, 3, 6, 5], None, None, numpy.array([2, 3, 3, 11]), nearest_mode=rounding,
                       coordinate_transformation_mode=mode)  # fmt: skip
        for sizes in ([2, 3, 13, 7], [2, 3, 4, 1]):
            yield node("Resize", [2, 3, 6, 5], None, None, numpy.array(sizes), mode="cubic", exclude_outside=sizes[3] % 2,
                       cubic_coeff_a=-0.5 - 0.01 * sizes[2], coordinate_transformation_mode=mode)  # fmt: skip
    yield node("Upsample", image, numpy.float32([1, 1, 3, 1]), operator_set=9)
    made = [
        helper.make_node("Split", ["x"], ["a", "b", "c"], axis=2, num_outputs=3),
        helper.make_node("Concat", ["c", "a", "b"], ["y"], axis=-1),
    ]
    yield "Split, Concat", model(made, image, {}, 18)
    yield from _known_numbers()


def _known_numbers():
    """What files compute of integers before the network runs: the pads and shapes here are told by axes and ranks."""
    pads = [
        helper.make_node("Concat", ["begin", "end"], ["pairs"], axis=1),
        helper.make_node("Transpose", ["pairs"], ["turned"], perm=[1, 0]),
        helper.make_node("Reshape", ["turned", "all"], ["pads"]), helper.make_node("Pad", ["x", "pads"], ["y"])]
    columns = {"begin": [[0], [1], [2], [3]], "end": [[1], [0], [3], [2]], "all": [-1]}
    yield "Concat of columns of integers", model(
        pads, [2, 3, 4, 5], {name: numpy.array(value) for name, value in columns.items()}, 18)
    chosen = [
        helper.make_node("Where", ["which", "a", "b"], ["table"]), helper.make_node("Reshape", ["table", "all"], ["shape"]),
        helper.make_node("Expand", ["x", "shape"], ["y"])]
    table = {"which": numpy.array([[True], [False]]), "a": numpy.array([[2, 3]]), "b": numpy.array([[4, 5]]),
             "all": numpy.array([-1])}  # fmt: skip
    yield "Where of a table of integers", model(chosen, [1, 1, 1, 1], table, 18)
    halves = [
        helper.make_node("Shape", ["x"], ["sizes"]), helper.make_node("Mod", ["sizes", "divisor"], ["rests"]),
        helper.make_node("Sub", ["sizes", "rests"], ["even"]), helper.make_node("Slice", ["x", "none", "even"], ["y"])]
    numbers = {"divisor": numpy.array([2, 1, 3, -4]), "none": numpy.zeros(4, numpy.int64)}
    yield "Mod of sizes", model(halves, [2, 3, 8, 8], numbers, 18)
    counted = [
        helper.make_node("Shape", ["x"], ["sizes"]), helper.make_node("Size", ["sizes"], ["rank"]),
        helper.make_node("Range", ["one", "rank", "one"], ["places"]),
        helper.make_node("Gather", ["sizes", "places"], ["last"]), helper.make_node("Tile", ["last", "twice"], ["more"]),
        helper.make_node("Reshape", ["x", "flat"], ["f"]), helper.make_node("Expand", ["f", "more"], ["y"])]
    numbers = {"one": numpy.int64(1), "twice": numpy.array([2]), "flat": numpy.array([3, 4, 5])}
    yield "Range, Size and Tile of sizes", model(counted, [1, 3, 4, 5], numbers, 18)
    parts = [
        helper.make_node("Shape", ["x"], ["sizes"]), helper.make_node("Split", ["sizes", "two"], ["a", "b"]),
        helper.make_node("Add", ["b", "column"], ["table"]), helper.make_node("Reshape", ["table", "flat"], ["list"]),
        helper.make_node("Expand", ["a", "twice"], ["as"]), helper.make_node("Concat", ["list", "as"], ["all"], axis=0),
        helper.make_node("Slice", ["all", "first", "last"], ["shape"]),
        helper.make_node("Expand", ["x", "shape"], ["y"])]
    numbers = {"two": numpy.array([1, 2]), "column": numpy.array([[0], [0]]), "flat": numpy.array([4]),
               "twice": numpy.array([2]), "first": numpy.array([1]), "last": numpy.array([4])}  # fmt: skip
    yield "Split, Expand and tables of sizes", model(parts, [1, 4, 5], numbers, 18)
    scalars = [
        helper.make_node("Reshape", ["x", "none"], ["s"]), helper.make_node("ConstantOfShape", ["none"], ["zero"]),
        helper.make_node("Add", ["s", "zero"], ["t"]), helper.make_node("Expand", ["t", "none"], ["y"])]
    yield "scalars", model(scalars, [1, 1], {"none": numpy.zeros(0, numpy.int64)}, 18)
    ramp = [helper.make_node("Range", ["a", "b", "c"], ["r"]), helper.make_node("Mul", ["x", "r"], ["y"])]
    numbers = {"a": numpy.float32(0.5), "b": numpy.float32(3), "c": numpy.float32(0.6)}
    yield "Range of numbers", model(ramp, [2, 5], numbers, 18)
    empty = [
        helper.make_node("Shape", ["x"], ["sizes"]), helper.make_node("Slice", ["sizes", "four", "nine"], ["rest"]),
        helper.make_node("Concat", ["all", "rest"], ["shape"], axis=0), helper.make_node("Reshape", ["x", "shape"], ["y"])]
    numbers = {"four": numpy.array([4]), "nine": numpy.array([9]), "all": numpy.array([6, 20])}
    yield "Slice of sizes that leaves none", model(empty, [2, 3, 4, 5], numbers, 18)


def _transforms():
    """Fourier transforms: of real and complex tensors, padded, cut, halved, of both dimensions of images, and back."""
    for shape, axis in [([2, 6, 1], 1), ([2, 7, 2], 1), ([2, 3, 5, 2], 1), ([3, 4, 5, 6, 2], 2), ([8, 2], 0)]:
        yield node("DFT", shape, operator_set=17, axis=axis)
        yield node("DFT", shape, None, numpy.int64(axis), operator_set=20)
    yield node("DFT", [2, 6, 1], operator_set=17, axis=1, onesided=1)
    yield node("DFT", [2, 9, 2], operator_set=20, inverse=1)
    yield node("DFT", [2, 9, 2], numpy.int64(12), operator_set=20)
    yield node("DFT", [2, 9, 1], numpy.int64(5), operator_set=20, onesided=1)
    both = [
        helper.make_node("DFT", ["x", "", "rows"], ["r"]), helper.make_node("DFT", ["r", "", "columns"], ["k"]),
        helper.make_node("Mul", ["k", "mask"], ["m"]), helper.make_node("DFT", ["m", "", "columns"], ["c"], inverse=1),
        helper.make_node("DFT", ["c", "", "rows"], ["y"], inverse=1)]
    mask = (random.random(size=(1, 20, 1)) < 0.5).astype(numpy.float32)
    yield "data consistency", model(
        both, [2, 3, 12, 20, 2], {"rows": numpy.int64(-3), "columns": numpy.int64(-2), "mask": mask}, 20)


def _long_chains():
    """What would double with each step if it were written out before a sum."""
    gates = []
    for step in range(9):
        before, after = (f"v{step}" if step else "x"), f"v{step + 1}"
        gates += [
            helper.make_node("Sigmoid", [before], [f"g{step}"]), helper.make_node("Mul", [before, f"g{step}"], [after])]
    gates.append(helper.make_node("GlobalAveragePool", [f"v{9}"], ["y"]))
    yield "a mean of nine SiLUs", model(gates, [2, 3, 5, 6], {}, 18)


def all_models():
    """Pairs of a title and a model, whose input is `x`."""
    for make in [_convolutions, _poolings, _volumes, _arithmetic, _layouts, _transforms, _long_chains]:
        yield from make()
