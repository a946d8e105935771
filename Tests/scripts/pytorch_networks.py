"""The zoo in PyTorch, written from the networks' published structure; and real or made inputs.

Weights are a dictionary of tensors named as in the safetensors files; they set the element type.
"""

import os
import pathlib

import numpy
import torch
from torch.nn.functional import batch_norm, conv2d, interpolate, max_pool2d


def convolution(weights, name, x):
    """Stride 1, zero padding that keeps the size, bias."""
    weight = weights[name + ".weight"]
    return conv2d(x, weight, weights[name + ".bias"], padding=weight.shape[-1] // 2)


def resnet(weights, x, residual=False):
    """ResNet_k[filters, kernel] of Ghodrati et al. 2019; the weights tell the number of blocks."""

    def norm(name, y):
        mean, variance, scale, offset = (
            weights[f"{name}.{part}"] for part in ["running_mean", "running_var", "weight", "bias"]
        )
        return batch_norm(y, mean, variance, scale, offset, training=False, eps=1e-3)

    y = convolution(weights, "head", x)
    blocks = {int(name.split(".")[1]) for name in weights if name.startswith("blocks.")}
    for i in sorted(blocks):
        z = norm(f"blocks.{i}.norm1", convolution(weights, f"blocks.{i}.conv1", y)).relu()
        y = y + norm(f"blocks.{i}.norm2", convolution(weights, f"blocks.{i}.conv2", z))
    y = convolution(weights, "tail.conv2", convolution(weights, "tail.conv1", y).relu())
    return [x + y if residual else y]


def unet(weights, x, residual=False):
    def stage(name, y):
        y = convolution(weights, name + ".conv1", y).relu()
        return convolution(weights, name + ".conv2", y).relu()

    def joined(low, skip):
        return torch.cat([interpolate(low, scale_factor=2, mode="nearest"), skip], dim=1)

    fine = stage("down1", x)
    coarse = stage("down2", max_pool2d(fine, 2))
    y = stage("bottom", max_pool2d(coarse, 2))
    y = stage("up2", joined(y, coarse))
    y = stage("up1", joined(y, fine))
    y = convolution(weights, "out", y)
    return [x + y if residual else y]


def vgg16_features(weights, x):
    """After the ReLU of torchvision's features 0, 5 and 10."""
    y = convolution(weights, "features.0", x).relu()
    outputs = [y]
    y = max_pool2d(convolution(weights, "features.2", y).relu(), 2)
    y = convolution(weights, "features.5", y).relu()
    outputs.append(y)
    y = max_pool2d(convolution(weights, "features.7", y).relu(), 2)
    outputs.append(convolution(weights, "features.10", y).relu())
    return outputs


def cascade(weights, x, mask="regular:4:22", axis="columns"):
    """Schlemper et al. 2018; hard data consistency by 2-D transforms."""
    every, centre, offset = (*map(int, mask.split(":")[1:]), 0)[:3]
    count = x.shape[2 if axis == "rows" else 3]
    lines = torch.arange(count)
    kept = (lines % every == offset) | ((lines >= count // 2 - centre // 2) & (lines < count // 2 - centre // 2 + centre))
    kept = kept[:, None] if axis == "rows" else kept

    def k_space(y):
        image = torch.fft.ifftshift(torch.complex(y[:, 0], y[:, 1]), dim=(1, 2))
        return torch.fft.fftshift(torch.fft.fft2(image, norm="ortho"), dim=(1, 2))

    def image(k):
        y = torch.fft.ifft2(torch.fft.ifftshift(k, dim=(1, 2)), norm="ortho")
        y = torch.fft.fftshift(y, dim=(1, 2))
        return torch.stack([y.real, y.imag], dim=1)

    y = x
    for i in sorted({int(name.split(".")[1]) for name in weights}):
        z = y
        for j in range(1, 5):
            z = convolution(weights, f"cascades.{i}.conv{j}", z).relu()
        y = y + convolution(weights, f"cascades.{i}.conv5", z)
        y = image(torch.where(kept, k_space(x), k_space(y)))
    return [y]


def network(name):
    if name.startswith("cascade"):
        return cascade
    return {"unet": unet, "vgg16-features": vgg16_features}.get(name, resnet)


def perturbed(weights, seed):
    """Weights whose biases and batch norm statistics are not those of a fresh network."""
    random = numpy.random.default_rng(seed)
    result = {}
    for name in sorted(weights):
        value = weights[name]
        if name.endswith("running_mean"):
            value = random.normal(0, 0.3, value.shape)
        elif name.endswith("running_var"):
            value = random.uniform(0.4, 2.5, value.shape)
        elif ".norm" in name and name.endswith("weight"):
            value = random.uniform(0.5, 1.5, value.shape)
        elif name.endswith("bias"):
            value = random.normal(0, 0.2, value.shape)
        result[name] = numpy.asarray(value, dtype=numpy.float32)
    return result


def cine(count):
    """`count` real frames of different slices and phases, 192x128, scaled to 0-1; None without the data."""
    folder = os.environ.get("REPHASE_SHARED_DATA")
    files = sorted(pathlib.Path(folder, "scd_cine").glob("*.npz")) if folder else []
    if not files:
        return None
    images = numpy.load(files[-1])["images"].astype(numpy.float64)
    frames = []
    for i in range(count):
        frame = images[(3 + 2 * i) % images.shape[0], (7 * i) % images.shape[1]]
        frame = frame[32:224, 64:192]
        frames.append(frame / frame.max())
    return numpy.stack(frames)


def smooth(count, height, width):
    """Made frames in place of real ones: overlapping discs and waves, 0-1."""
    rows, columns = numpy.mgrid[0:height, 0:width] / max(height, width)
    frames = []
    for i in range(count):
        disc = numpy.hypot(rows - 0.4, columns - 0.3) < 0.2 + 0.02 * i
        waves = 0.5 + 0.5 * numpy.sin(17 * rows + i) * numpy.cos(23 * columns - i)
        frames.append(0.5 * disc + 0.5 * waves)
    return numpy.stack(frames)


def zero_filled(frames, channels):
    """Under-sampled as the paper does it: every 4th line and the 22 central ones, along the columns.

    A smooth phase is put on the images first, so that real and imaginary part both matter.
    Two channels are real and imaginary part, one is the magnitude, three the magnitude thrice.
    """
    height, width = frames.shape[1:]
    rows, columns = numpy.mgrid[0:height, 0:width]
    phase = numpy.exp(1j * (2 * rows / height - 3 * (columns / width) ** 2))
    space = numpy.fft.fftshift(numpy.fft.fft2(frames * phase), axes=2)
    lines = numpy.arange(width)
    kept = (lines % 4 == 0) | (abs(lines - width // 2 + 0.5) < 11)
    images = numpy.fft.ifft2(numpy.fft.ifftshift(space * kept, axes=2))
    if channels == 2:
        images = numpy.stack([images.real, images.imag], axis=1)
    else:
        images = numpy.repeat(abs(images)[:, None], channels, axis=1)
    scale = abs(images).max(axis=(1, 2, 3), keepdims=True)
    return numpy.ascontiguousarray(images / scale, dtype=numpy.float32)


def inputs(batch, channels, height=192, width=128):
    """[batch, channels, height, width] float32: real cine images, cut to the size, or made ones."""
    frames = cine(batch)
    if frames is None:
        frames = smooth(batch, height, width)
    top, left = (frames.shape[1] - height) // 2, (frames.shape[2] - width) // 2
    return zero_filled(frames[:, top : top + height, left : left + width], channels)
