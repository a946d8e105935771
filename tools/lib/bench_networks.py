"""The networks for the peers of tools/bench: structure written once, and a backend for each format.

A backend has convolution(name, x, relu), add, pool, upsample and concatenate; what x is, is its own
affair. Batch norm is folded into the convolutions before, so that all engines have the same work.
"""

import numpy

EPSILON = 1e-3  # of batch norm


def resnet(ops, x, names):
    """ResNet_k; `names` are the convolutions' names."""
    y = ops.convolution("head", x, relu=False)
    for i in sorted({int(name.split(".")[1]) for name in names if name.startswith("blocks.")}):
        z = ops.convolution(f"blocks.{i}.conv1", y, relu=True)
        y = ops.add(y, ops.convolution(f"blocks.{i}.conv2", z, relu=False))
    return ops.convolution("tail.conv2", ops.convolution("tail.conv1", y, relu=True), relu=False)


def unet(ops, x, names):
    def stage(name, y):
        y = ops.convolution(name + ".conv1", y, relu=True)
        return ops.convolution(name + ".conv2", y, relu=True)

    fine = stage("down1", x)
    coarse = stage("down2", ops.pool(fine))
    y = stage("bottom", ops.pool(coarse))
    y = stage("up2", ops.concatenate(ops.upsample(y), coarse))
    y = stage("up1", ops.concatenate(ops.upsample(y), fine))
    return ops.convolution("out", y, relu=False)


def build(net, ops, x, names):
    return (unet if net == "unet" else resnet)(ops, x, names)


def folded(weights):
    """Convolutions {name: (kernel OIHW, bias)} in float32, batch norm folded in float64."""
    result = {}
    for name in sorted(key[: -len(".weight")] for key in weights if key.endswith(".weight")):
        if ".norm" in name:
            continue
        kernel, bias = (
            weights[f"{name}.{part}"].astype(numpy.float64) for part in ["weight", "bias"]
        )
        norm = name.replace(".conv", ".norm")
        if f"{norm}.running_var" in weights:
            scale, offset, mean, variance = (
                weights[f"{norm}.{part}"].astype(numpy.float64)
                for part in ["weight", "bias", "running_mean", "running_var"]
            )
            factor = scale / numpy.sqrt(variance + EPSILON)
            kernel, bias = kernel * factor[:, None, None, None], (bias - mean) * factor + offset
        result[name] = kernel.astype(numpy.float32), bias.astype(numpy.float32)
    return result


class Count:
    """Counts floating-point operations of direct convolution, two for each multiply-add."""

    def __init__(self, weights):
        self.weights, self.operations = weights, 0

    def convolution(self, name, x, relu):
        kernel = self.weights[name][0]
        batch, channels, height, width = x
        if channels != kernel.shape[1]:
            raise ValueError(f"{name} has {kernel.shape[1]} input channels, not {channels}")
        self.operations += 2 * kernel.size * batch * height * width
        return batch, kernel.shape[0], height, width

    def add(self, x, y):
        return x

    def pool(self, x):
        return *x[:2], x[2] // 2, x[3] // 2

    def upsample(self, x):
        return *x[:2], x[2] * 2, x[3] * 2

    def concatenate(self, x, y):
        return x[0], x[1] + y[1], *x[2:]


def gflop(net, weights, shape):
    """10^9 operations of one inference of an input of `shape` [N, C, H, W]."""
    count = Count(weights)
    build(net, count, tuple(shape), weights)
    return count.operations / 1e9


class Onnx:
    """Writes nodes; x is the name of a tensor."""

    def __init__(self, weights):
        from onnx import helper, numpy_helper

        self.weights, self.helper, self.tensor = weights, helper, numpy_helper.from_array
        scales = numpy.array([1, 1, 2, 2], dtype=numpy.float32)
        self.nodes, self.constants = [], [self.tensor(scales, "scales")]

    def node(self, kind, *inputs, **attributes):
        name = f"t{len(self.nodes)}"
        self.nodes.append(self.helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def convolution(self, name, x, relu):
        kernel, bias = self.weights[name]
        self.constants += [self.tensor(kernel, name + ".weight"), self.tensor(bias, name + ".bias")]
        size = kernel.shape[-1]
        y = self.node(
            "Conv",
            x,
            name + ".weight",
            name + ".bias",
            kernel_shape=[size, size],
            pads=[size // 2] * 4,
        )
        return self.node("Relu", y) if relu else y

    def add(self, x, y):
        return self.node("Add", x, y)

    def pool(self, x):
        return self.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])

    def upsample(self, x):
        modes = {
            "mode": "nearest",
            "coordinate_transformation_mode": "asymmetric",
            "nearest_mode": "floor",
        }
        return self.node("Resize", x, "", "scales", **modes)

    def concatenate(self, x, y):
        return self.node("Concat", x, y, axis=1)


def save_onnx(net, weights, shape, path):
    """Opset 17, IR version 8: what all current runtimes read."""
    import onnx

    ops = Onnx(weights)
    output = build(net, ops, "x", weights)
    kind, info = onnx.TensorProto.FLOAT, onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        ops.nodes, net, [info("x", kind, shape)], [info(output, kind, shape)], ops.constants
    )
    model = onnx.helper.make_model(
        graph, ir_version=8, opset_imports=[onnx.helper.make_opsetid("", 17)]
    )
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def torch_module(net, weights):
    """A module of Conv2d layers, so that compilers may treat the weights as constants."""
    import torch
    from torch.nn.functional import interpolate, max_pool2d

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.names = tuple(weights)
            self.layers = torch.nn.ModuleDict()
            for name, (kernel, bias) in weights.items():
                outputs, inputs, size, _ = kernel.shape
                layer = torch.nn.Conv2d(inputs, outputs, size, padding=size // 2)
                layer.weight.data = torch.from_numpy(kernel.copy())
                layer.bias.data = torch.from_numpy(bias.copy())
                self.layers[name.replace(".", "_")] = layer

        def forward(self, x):
            return build(net, self, x, self.names)

        def convolution(self, name, x, relu):
            y = self.layers[name.replace(".", "_")](x)
            return y.relu() if relu else y

        def add(self, x, y):
            return x + y

        def pool(self, x):
            return max_pool2d(x, 2)

        def upsample(self, x):
            return interpolate(x, scale_factor=2, mode="nearest")

        def concatenate(self, x, y):
            return torch.cat([x, y], dim=1)

    return Network().eval()


class Jax:
    """Traces; x is [N, H, W, C], the layout XLA's convolutions on CPUs are made for."""

    def __init__(self, weights):
        import jax

        self.weights, self.jax, self.numpy = weights, jax, jax.numpy

    def convolution(self, name, x, relu):
        kernel, bias = self.weights[name]
        y = self.jax.lax.conv_general_dilated(
            x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        return self.jax.nn.relu(y + bias) if relu else y + bias

    def add(self, x, y):
        return x + y

    def pool(self, x):
        window = (1, 2, 2, 1)
        return self.jax.lax.reduce_window(
            x, -self.numpy.inf, self.jax.lax.max, window, window, "VALID"
        )

    def upsample(self, x):
        return x.repeat(2, axis=1).repeat(2, axis=2)

    def concatenate(self, x, y):
        return self.numpy.concatenate([x, y], axis=-1)


def jax_function(net):
    """f(parameters, x NCHW) -> NCHW, to be jitted; parameters have HWIO kernels."""

    def function(parameters, x):
        y = build(net, Jax(parameters), x.transpose(0, 2, 3, 1), tuple(parameters))
        return y.transpose(0, 3, 1, 2)

    return function


def jax_parameters(weights):
    """Kernels HWIO; one-channel images make the outer transposes free."""
    return {
        name: (numpy.ascontiguousarray(kernel.transpose(2, 3, 1, 0)), bias)
        for name, (kernel, bias) in weights.items()
    }


def save_folded(weights, path):
    parts = {"weight": 0, "bias": 1}
    arrays = {f"{name}.{part}": weights[name][i] for name in weights for part, i in parts.items()}
    numpy.savez(path, **arrays)


def load_folded(path):
    with numpy.load(path) as file:
        names = sorted(key[: -len(".weight")] for key in file if key.endswith(".weight"))
        return {name: (file[name + ".weight"], file[name + ".bias"]) for name in names}
