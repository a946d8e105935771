"""Training steps in PyTorch: networks in training mode, the losses of the paper, TensorFlow 1's RMSProp.

Written from the published formulas; weights are a dictionary named as in the safetensors files.
"""

import torch
from torch.nn.functional import avg_pool2d, batch_norm

import pytorch_networks

STATISTICS = ("running_mean", "running_var")


class Training:
    """A network's parameters and the state of RMSProp; `step` trains on one batch."""

    def __init__(self, net, weights, loss, vgg=None, dtype=torch.float32, settings=None):
        self.net, self.loss, self.settings = net, loss, settings or {}
        self.vgg = {key: torch.tensor(value, dtype=dtype) for key, value in (vgg or {}).items()}
        self.weights = {key: torch.tensor(value, dtype=dtype) for key, value in weights.items()}
        self.trained = [key for key in self.weights if not key.endswith(STATISTICS)]
        for key in self.trained:
            self.weights[key].requires_grad_()
        # TensorFlow's slots start at one.
        self.squares = {key: torch.ones_like(self.weights[key]) for key in self.trained}

    def predict(self, x):
        if self.net in ("unet", "varnet"):
            return pytorch_networks.network(self.net)(self.weights, x, **self.settings)[0]
        return resnet(self.weights, x)

    def step(self, x, target, rate):
        """One step; returns the loss before it."""
        loss = LOSSES[self.loss](self.predict(x), target, self.vgg)
        gradients = torch.autograd.grad(loss, [self.weights[key] for key in self.trained])
        with torch.no_grad():
            for key, gradient in zip(self.trained, gradients):
                square = self.squares[key]
                square.mul_(0.9).add_(gradient * gradient, alpha=0.1)
                self.weights[key] -= rate * gradient / torch.sqrt(square + 1e-10)
        return loss.item()


def resnet(weights, x):
    """As pytorch_networks.resnet, with the batch's own statistics; updates the running ones."""

    def norm(name, y):
        mean, variance, scale, offset = (
            weights[f"{name}.{part}"] for part in [*STATISTICS, "weight", "bias"]
        )
        return batch_norm(y, mean, variance, scale, offset, training=True, momentum=0.01, eps=1e-3)

    convolution = pytorch_networks.convolution
    y = convolution(weights, "head", x)
    blocks = {int(name.split(".")[1]) for name in weights if name.startswith("blocks.")}
    for i in sorted(blocks):
        z = norm(f"blocks.{i}.norm1", convolution(weights, f"blocks.{i}.conv1", y)).relu()
        y = y + norm(f"blocks.{i}.norm2", convolution(weights, f"blocks.{i}.conv2", z))
    return convolution(weights, "tail.conv2", convolution(weights, "tail.conv1", y).relu())


def l2(prediction, target, vgg):
    return ((prediction - target) ** 2).mean()


def l1(prediction, target, vgg):
    return (prediction - target).abs().mean()


def dssim(prediction, target, vgg):
    """(1 - SSIM) / 2 over 3x3 patches that do not overlap, population variances."""

    def mean(value):
        return avg_pool2d(value, 3, stride=3)

    x, y = prediction, target
    mean_x, mean_y = mean(x), mean(y)
    variance_x, variance_y = mean(x * x) - mean_x**2, mean(y * y) - mean_y**2
    covariance = mean(x * y) - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    similarity = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    similarity = similarity / ((mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2))
    return ((1 - similarity) / 2).mean()


def perceptual(prediction, target, vgg):
    """Weighted squared differences of features, the target's without gradient."""
    ours = pytorch_networks.vgg16_features(vgg, prediction.repeat(1, 3, 1, 1))
    with torch.no_grad():
        theirs = pytorch_networks.vgg16_features(vgg, target.repeat(1, 3, 1, 1))
    weights = [0.5, 0.25, 0.25]
    return sum(w * ((a - b) ** 2).mean() for w, a, b in zip(weights, ours, theirs))


LOSSES = {"l2": l2, "l1": l1, "dssim": dssim, "perceptual": perceptual}


def train_by_adam(weights, inputs, targets, batch, steps, rate):
    """A residual ResNet trained with L1, torch's Adam and half a cosine of learning rate, pairs in the order stored;
    returns its weights."""
    weights = {key: torch.tensor(value) for key, value in weights.items()}
    trained = [value for key, value in weights.items() if not key.endswith(STATISTICS)]
    optimizer = torch.optim.Adam([value.requires_grad_() for value in trained], lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    inputs, targets = torch.tensor(inputs), torch.tensor(targets)
    for step in range(steps):
        chosen = torch.arange(step * batch, (step + 1) * batch) % len(inputs)
        x = inputs[chosen]
        optimizer.zero_grad()
        l1(x + resnet(weights, x), targets[chosen], None).backward()
        optimizer.step()
        schedule.step()
    return {key: value.detach() for key, value in weights.items()}
