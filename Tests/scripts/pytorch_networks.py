"""The zoo in PyTorch, written from the networks' published structure; and real or made inputs.

Weights are a dictionary of tensors named as in the safetensors files; they set the element type.
"""

import os
import pathlib

import numpy
import torch
from torch.nn.functional import (
    avg_pool2d,
    batch_norm,
    conv2d,
    conv_transpose2d,
    instance_norm,
    interpolate,
    leaky_relu,
    max_pool2d,
    pad,
)


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


def kept_lines(count, mask):
    """Which of so many lines a mask `regular:EVERY:CENTRE[:OFFSET]` keeps, and its central ones as fastMRI finds them."""
    every, centre, offset = (*map(int, mask.split(":")[1:]), 0)[:3]
    lines, first = torch.arange(count), count // 2 - centre // 2
    kept = (lines % every == offset) | ((lines >= first) & (lines < first + centre))
    first = (count - centre + 1) // 2
    return kept, (lines >= first) & (lines < first + centre)


def k_space(image):
    """Of complex images, by the last two dimensions; centred and orthonormal."""
    spectrum = torch.fft.fft2(torch.fft.ifftshift(image, dim=(-2, -1)), norm="ortho")
    return torch.fft.fftshift(spectrum, dim=(-2, -1))


def image(k):
    y = torch.fft.ifft2(torch.fft.ifftshift(k, dim=(-2, -1)), norm="ortho")
    return torch.fft.fftshift(y, dim=(-2, -1))


def planes(y):
    """Complex images [N, H, W] as [N, 2, H, W]."""
    return torch.stack([y.real, y.imag], dim=1)


def cascade(weights, x, mask="regular:4:22", axis="columns"):
    """Schlemper et al. 2018; hard data consistency by 2-D transforms."""
    kept, _ = kept_lines(x.shape[2 if axis == "rows" else 3], mask)
    kept = kept[:, None] if axis == "rows" else kept
    measured = k_space(torch.complex(x[:, 0], x[:, 1]))
    y = x
    for i in sorted({int(name.split(".")[1]) for name in weights}):
        z = y
        for j in range(1, 5):
            z = convolution(weights, f"cascades.{i}.conv{j}", z).relu()
        y = y + convolution(weights, f"cascades.{i}.conv5", z)
        y = planes(image(torch.where(kept, measured, k_space(torch.complex(y[:, 0], y[:, 1])))))
    return [y]


def norm_unet(weights, name, x):
    """`fastmri.models.NormUnet` on complex images [N, H, W]."""

    def normal(y):
        return leaky_relu(instance_norm(y), 0.2)

    def stage(stem, y):
        for layer in (0, 4):
            y = normal(conv2d(y, weights[f"{stem}.layers.{layer}.weight"], padding=1))
        return y

    y = planes(x)
    mean, deviation = y.mean((2, 3), keepdim=True), y.std((2, 3), keepdim=True)
    height, width = y.shape[2:]
    rows, columns = -height % 16, -width % 16
    edges = (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)
    y = pad((y - mean) / deviation, edges)
    pools = len({key.split(".down_sample_layers.")[1][0] for key in weights if key.startswith(f"{name}.unet.down_")})
    skips = []
    for i in range(pools):
        skips.append(stage(f"{name}.unet.down_sample_layers.{i}", y))
        y = avg_pool2d(skips[-1], 2)
    y = stage(f"{name}.unet.conv", y)
    for i in range(pools):
        y = normal(conv_transpose2d(y, weights[f"{name}.unet.up_transpose_conv.{i}.layers.0.weight"], stride=2))
        last = ".0" if i == pools - 1 else ""
        y = stage(f"{name}.unet.up_conv.{i}{last}", torch.cat([y, skips.pop()], dim=1))
    stem = f"{name}.unet.up_conv.{pools - 1}.1"
    y = conv2d(y, weights[f"{stem}.weight"], weights[f"{stem}.bias"])
    y = y[:, :, edges[2] : edges[2] + height, edges[0] : edges[0] + width] * deviation + mean
    return torch.complex(y[:, 0], y[:, 1])


def varnet(weights, x, mask="regular:4:22", axis="columns"):
    """`fastmri.models.VarNet` (0.3.0) on zero-filled images of coils [N, 2C, H, W]; k-space by 2-D transforms."""
    batch, coils, size = x.shape[0], x.shape[1] // 2, x.shape[2:]
    kept, central = kept_lines(x.shape[2 if axis == "rows" else 3], mask)
    if axis == "rows":
        kept, central = kept[:, None], central[:, None]
    parts = x.reshape(batch, coils, 2, *size)
    measured = k_space(torch.complex(parts[:, :, 0], parts[:, :, 1]))
    zero = torch.zeros((), dtype=measured.dtype)
    maps = image(torch.where(central, measured, zero)).reshape(batch * coils, *size)
    maps = norm_unet(weights, "sens_net.norm_unet", maps).reshape(batch, coils, *size)
    maps = maps / (maps.real**2 + maps.imag**2).sum(1, keepdim=True).sqrt()
    k = measured
    for i in sorted({int(name.split(".")[1]) for name in weights if name.startswith("cascades.")}):
        corrected = norm_unet(weights, f"cascades.{i}.model", (image(k) * maps.conj()).sum(1))
        change = torch.where(kept, k - measured, zero) * weights[f"cascades.{i}.dc_weight"]
        k = k - change - k_space(corrected[:, None] * maps)
    y = image(k)
    return [(y.real**2 + y.imag**2).sum(1, keepdim=True).sqrt()]


def network(name):
    if name.startswith("cascade"):
        return cascade
    return {"unet": unet, "varnet": varnet, "vgg16-features": vgg16_features}.get(name, resnet)


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
        elif name.endswith("dc_weight"):
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


def coil_images(frames, coils, mask, axis):
    """Zero-filled images of coils around the object, [N, 2C, H, W] float32, and the fully sampled root sum of squares,
    [N, 1, H, W]; both over the zero-filled one's greatest value."""
    height, width = frames.shape[1:]
    rows, columns = numpy.mgrid[0:height, 0:width] / max(height, width) - 0.5
    angles = 2 * numpy.pi * numpy.arange(coils)[:, None, None] / coils
    distance = (rows - 0.4 * numpy.cos(angles)) ** 2 + (columns - 0.4 * numpy.sin(angles)) ** 2
    maps = numpy.exp(-2 * distance + 1j * (angles + 2 * rows - columns))
    kept, _ = kept_lines(height if axis == "rows" else width, mask)
    full = torch.from_numpy(frames[:, None] * maps)
    y = image(k_space(full) * (kept[:, None] if axis == "rows" else kept))
    scale = (abs(y) ** 2).sum(1).sqrt().amax((1, 2))[:, None, None, None]
    parts = torch.stack([y.real, y.imag], dim=2).reshape(len(frames), 2 * coils, height, width)
    target = (abs(full) ** 2).sum(1, keepdim=True).sqrt()
    return (parts / scale).float().numpy(), (target / scale).float().numpy()


def inputs(batch, channels, height=192, width=128, coils=None, mask="regular:4:22", axis="columns"):
    """[batch, channels, height, width] float32: real cine images, cut to the size, or made ones; seen by `coils`."""
    frames = cine(batch)
    if frames is None:
        frames = smooth(batch, height, width)
    top, left = (frames.shape[1] - height) // 2, (frames.shape[2] - width) // 2
    frames = frames[:, top : top + height, left : left + width]
    if coils:
        return coil_images(frames, coils, mask, axis)[0]
    return zero_filled(frames, channels)
