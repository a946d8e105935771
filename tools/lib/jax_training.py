"""Training steps in JAX: networks in training mode, the losses of the paper, TensorFlow 1's RMSProp, one jitted function.

The structure of the networks is bench_networks'; images are [N, H, W, C], kernels HWIO.
"""

import jax
import jax.numpy
import numpy

import bench_networks


class Layers(bench_networks.Jax):
    """Traces with the batch's own statistics where a convolution has a batch norm behind it."""

    def __init__(self, weights, norms):
        super().__init__(weights)
        self.norms, self.statistics = norms, {}

    def convolution(self, name, x, relu):
        y = super().convolution(name, x, relu=False)
        norm = name.replace(".conv", ".norm")
        if norm != name and norm in self.norms:
            scale, offset = self.norms[norm]
            mean, variance = y.mean((0, 1, 2)), y.var((0, 1, 2))
            self.statistics[norm] = mean, variance
            y = (y - mean) * jax.lax.rsqrt(variance + bench_networks.EPSILON) * scale + offset
        return jax.nn.relu(y) if relu else y


def parameters(arrays):
    """{"convolutions": {name: (kernel, bias)}, "norms": {name: (scale, offset)}}, and running statistics."""
    convolutions, norms, running = {}, {}, {}
    for name in sorted(key[: -len(".weight")] for key in arrays if key.endswith(".weight")):
        weight, bias = arrays[name + ".weight"], arrays[name + ".bias"]
        if weight.ndim == 4:
            convolutions[name] = numpy.ascontiguousarray(weight.transpose(2, 3, 1, 0)), bias
        else:
            norms[name] = weight, bias
            running[name] = arrays[name + ".running_mean"], arrays[name + ".running_var"]
    return {"convolutions": convolutions, "norms": norms}, running


def features(vgg, x):
    """Of VGG-16, after the ReLU of torchvision's features 0, 5 and 10."""
    ops = bench_networks.Jax(vgg)
    one = ops.convolution("features.0", x, relu=True)
    y = ops.pool(ops.convolution("features.2", one, relu=True))
    two = ops.convolution("features.5", y, relu=True)
    y = ops.pool(ops.convolution("features.7", two, relu=True))
    return one, two, ops.convolution("features.10", y, relu=True)


def perceptual(prediction, target, vgg):
    ours, theirs = (features(vgg, image.repeat(3, axis=-1)) for image in (prediction, target))
    weights = [0.5, 0.25, 0.25]
    return sum(w * ((a - b) ** 2).mean() for w, a, b in zip(weights, ours, theirs))


LOSSES = {
    "l2": lambda x, y, vgg: ((x - y) ** 2).mean(),
    "l1": lambda x, y, vgg: abs(x - y).mean(),
    "perceptual": perceptual,
}


class Training:
    """Parameters and the state of RMSProp; `step` trains on one batch."""

    def __init__(self, net, arrays, loss, vgg):
        weights, running = parameters(arrays)
        # TensorFlow's slots start at one.
        self.state = jax.device_put((weights, jax.tree.map(numpy.ones_like, weights), running))
        self.vgg = jax.device_put(parameters(vgg)[0]["convolutions"])
        self.update = jax.jit(self.updater(net, LOSSES[loss]), donate_argnums=0)

    @staticmethod
    def updater(net, loss):
        def objective(weights, x, target, vgg):
            layers = Layers(weights["convolutions"], weights["norms"])
            y = bench_networks.build(net, layers, x, tuple(weights["convolutions"]))
            return loss(y, target, vgg), layers.statistics

        def update(state, x, target, rate, vgg):
            weights, squares, running = state
            x, target = x.transpose(0, 2, 3, 1), target.transpose(0, 2, 3, 1)
            gradient = jax.value_and_grad(objective, has_aux=True)
            (value, statistics), gradients = gradient(weights, x, target, vgg)
            squares = jax.tree.map(lambda s, g: 0.9 * s + 0.1 * g * g, squares, gradients)
            weights = jax.tree.map(
                lambda w, g, s: w - rate * g * jax.lax.rsqrt(s + 1e-10), weights, gradients, squares)
            running = jax.tree.map(lambda old, new: 0.99 * old + 0.01 * new, running, statistics)
            return (weights, squares, running), value

        return update

    def step(self, x, target, rate):
        """One step; returns the loss before it."""
        self.state, value = self.update(self.state, x, target, rate, self.vgg)
        return float(jax.block_until_ready(value))
