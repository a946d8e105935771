"""Networks in PyTorch as people train them elsewhere, to be exported to ONNX."""

import torch
from torch import nn
from torch.nn import functional

import pytorch_networks


class FastMRIUnet(nn.Module):
    """The U-Net baseline of fastMRI (Zbontar et al. 2018, arXiv:1811.08839, section 4.2), without dropout.

    Stages of two 3x3 convolutions without bias, each with instance normalization and LeakyReLU(0.2); average pooling;
    transposed convolutions 2x2 with stride 2; reflection where an odd row or column is missing; 1x1 at the end.
    """

    def __init__(self, channels=4, poolings=2, images=1):
        super().__init__()
        widths = [channels << level for level in range(poolings + 1)]
        self.down = nn.ModuleList(
            self._stage(images if i == 0 else widths[i - 1], widths[i]) for i in range(poolings + 1))
        self.enlarge = nn.ModuleList(
            self._enlargement(widths[i + 1], widths[i]) for i in reversed(range(poolings)))
        self.up = nn.ModuleList(
            self._stage(2 * widths[i], widths[i]) for i in reversed(range(poolings)))
        self.out = nn.Conv2d(channels, images, 1)

    @staticmethod
    def _normalized(layer, outputs):
        return [layer, nn.InstanceNorm2d(outputs), nn.LeakyReLU(0.2)]

    @classmethod
    def _stage(cls, inputs, outputs):
        first = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        second = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        return nn.Sequential(*cls._normalized(first, outputs), *cls._normalized(second, outputs))

    @classmethod
    def _enlargement(cls, inputs, outputs):
        layer = nn.ConvTranspose2d(inputs, outputs, 2, stride=2, bias=False)
        return nn.Sequential(*cls._normalized(layer, outputs))

    def forward(self, x):
        skips = []
        for stage in self.down[:-1]:
            x = stage(x)
            skips.append(x)
            x = functional.avg_pool2d(x, 2)
        x = self.down[-1](x)
        for enlarge, stage in zip(self.enlarge, self.up):
            x, skip = enlarge(x), skips.pop()
            missing = [skip.shape[3] - x.shape[3], skip.shape[2] - x.shape[2]]
            if any(missing):
                x = functional.pad(x, [0, missing[0], 0, missing[1]], "reflect")
            x = stage(torch.cat([x, skip], dim=1))
        return self.out(x)


class ResidualPReLU(nn.Module):
    """Residual blocks with batch norm and PReLU, whose slopes are one for each channel; the result is clipped."""

    def __init__(self, channels=6, blocks=2):
        super().__init__()
        self.head = nn.Conv2d(1, channels, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.PReLU(channels),
                nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels))
            for _ in range(blocks))
        self.tail = nn.Conv2d(channels, 1, 3, padding=1)

    def forward(self, x):
        y = self.head(x)
        for block in self.blocks:
            y = y + block(y)
        return (x + self.tail(y)).clamp(-1, 2)


class DilatedGroups(nn.Module):
    """Dilated, grouped and depthwise convolutions, strides, nearest enlargement, groups' norms, padding modes, poolings."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReflectionPad2d((1, 2, 2, 1)), nn.Conv2d(1, 8, 3), nn.ReLU(),
            nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=2), nn.LeakyReLU(0.1),
            nn.Conv2d(8, 8, 3, padding=1, groups=8, padding_mode="replicate"), nn.ReLU6(),
            nn.MaxPool2d(3, stride=2, padding=1), nn.Conv2d(8, 4, (1, 3), stride=(1, 2), padding=(0, 1)),
            nn.Upsample(scale_factor=(2, 4), mode="nearest"), nn.GroupNorm(2, 4), nn.AvgPool2d(3, stride=1, padding=1),
            nn.ConvTranspose2d(4, 2, 4, stride=2, padding=1, groups=2), nn.AvgPool2d(2))

    def forward(self, x):
        y = self.layers(x)
        first, second = y.split(1, dim=1)
        gain = x.mean(dim=(2, 3), keepdim=True).abs()
        return first[:, :, :, 1:] * gain - second[..., :-1] / (1 + gain)


class AttentionUnet(nn.Module):
    """One level of a U-Net with an attention gate (Oktay et al. 2018, arXiv:1804.03999): sigmoid of two 1x1 convolutions'
    sum, enlarged bilinearly; SiLU and tanh beside it."""

    def __init__(self, channels=6):
        super().__init__()
        self.first = nn.Conv2d(1, channels, 3, padding=1)
        self.bottom = nn.Conv2d(channels, 2 * channels, 3, padding=1)
        self.query = nn.Conv2d(channels, channels, 1, stride=2)
        self.gate = nn.Conv2d(2 * channels, channels, 1)
        self.weight = nn.Conv2d(channels, 1, 1)
        self.last = nn.Conv2d(3 * channels, 1, 3, padding=1)

    def forward(self, x):
        skip = functional.silu(self.first(x))
        deep = functional.elu(self.bottom(functional.max_pool2d(skip, 2)))
        attention = torch.sigmoid(self.weight(functional.relu(self.query(skip) + self.gate(deep))))
        wide = functional.interpolate(attention, scale_factor=2, mode="bilinear", align_corners=False)
        deep = functional.interpolate(deep, size=skip.shape[2:], mode="bilinear", align_corners=True)
        return x + torch.tanh(self.last(torch.cat([wide * skip, deep], dim=1)))


class SqueezeExcitation(nn.Module):
    """Residual blocks whose channels are weighted (Hu et al. 2018, arXiv:1709.01507), with GELU; softmax over channels."""

    def __init__(self, channels=8, blocks=2):
        super().__init__()
        self.head = nn.Conv2d(1, channels, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels, channels, 3, padding=1), nn.GELU(), nn.Conv2d(channels, channels, 3, padding=1))
            for _ in range(blocks))
        self.excitations = nn.ModuleList(
            nn.Sequential(
                nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, 2, 1), nn.ReLU(), nn.Conv2d(2, channels, 1), nn.Sigmoid())
            for _ in range(blocks))
        self.tail = nn.Conv2d(channels, 1, 1)

    def forward(self, x):
        y = self.head(x)
        for block, excitation in zip(self.blocks, self.excitations):
            z = block(y)
            y = y + z * excitation(z)
        return self.tail(y * y.softmax(dim=1))


class WindowAttention(nn.Module):
    """Two layers of a Swin transformer (Liu et al. 2021, arXiv:2103.14030), as SwinIR and SwinMR have them, the second one in
    shifted windows: layer norm, attention in windows of 4x4 with a bias for each distance and a mask, GELU."""

    def __init__(self, size, channels=16, heads=2, window=4):
        super().__init__()
        self.window, self.heads = window, heads
        self.first = nn.Conv2d(1, channels, 3, padding=1)
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(4))
        self.qkv = nn.ModuleList(nn.Linear(channels, 3 * channels) for _ in range(2))
        self.joined = nn.ModuleList(nn.Linear(channels, channels) for _ in range(2))
        self.wide = nn.ModuleList(nn.Linear(channels, 2 * channels) for _ in range(2))
        self.narrow = nn.ModuleList(nn.Linear(2 * channels, channels) for _ in range(2))
        self.bias = nn.Parameter(0.1 * torch.randn(2, heads, window**2, window**2))
        areas = torch.zeros(1, *size, 1)
        parts = [slice(0, -window), slice(-window, -window // 2), slice(-window // 2, None)]
        for number, (rows, columns) in enumerate((a, b) for a in parts for b in parts):
            areas[:, rows, columns] = number
        areas = self.windows(areas)[..., 0]
        self.register_buffer("mask", -100.0 * (areas[:, None] != areas[:, :, None])[:, None])
        self.last = nn.Conv2d(channels, 1, 3, padding=1)

    def windows(self, x):
        count, rows, columns, channels = x.shape
        side = self.window
        x = x.view(count, rows // side, side, columns // side, side, channels)
        return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, side * side, channels)

    def attention(self, x, layer):
        count, rows, columns, channels = x.shape
        windows = self.windows(x)
        qkv = self.qkv[layer](windows).reshape(len(windows), -1, 3, self.heads, channels // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        scores = q * (channels // self.heads) ** -0.5 @ k.transpose(-2, -1) + self.bias[layer]
        if layer:
            own = scores.view(count, -1, *scores.shape[1:]) + self.mask[None]
            scores = own.view(scores.shape)
        result = (scores.softmax(-1) @ v).transpose(1, 2).reshape(windows.shape)
        side = self.window
        result = self.joined[layer](result).view(count, rows // side, columns // side, side, side, channels)
        return result.permute(0, 1, 3, 2, 4, 5).reshape(count, rows, columns, channels)

    def forward(self, x):
        tokens = self.first(x).permute(0, 2, 3, 1)
        for layer in range(2):
            shift = self.window // 2
            moved = self.norms[2 * layer](tokens)
            if layer:
                moved = torch.roll(moved, (-shift, -shift), (1, 2))
            result = self.attention(moved, layer)
            tokens = tokens + (torch.roll(result, (shift, shift), (1, 2)) if layer else result)
            wide = functional.gelu(self.wide[layer](self.norms[2 * layer + 1](tokens)))
            tokens = tokens + self.narrow[layer](wide)
        return x + self.last(tokens.permute(0, 3, 1, 2))


class Zoo(nn.Module):
    """A network of Rephase's zoo, as pytorch_networks.py has it, with weights of its own."""

    def __init__(self, name, weights):
        super().__init__()
        self.network = pytorch_networks.network(name)
        self.weights = {key: torch.from_numpy(value) for key, value in weights.items()}

    def forward(self, x):
        return self.network(self.weights, x)[0]


def randomized(network, seed):
    """In inference, with statistics of batch norm that are not those of a fresh network."""
    random = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        scale = parameter[0].numel() ** -0.5 if parameter.dim() > 1 else 0.3
        parameter.data = torch.randn(parameter.shape, generator=random) * scale
    for name, buffer in network.named_buffers():
        if name.endswith("running_var"):
            buffer.data = 0.5 + torch.rand(buffer.shape, generator=random)
        elif name.endswith("running_mean"):
            buffer.data = torch.randn(buffer.shape, generator=random) * 0.3
    return network.eval()


def _centred(transform, x):
    x = torch.fft.ifftshift(x, dim=(-2, -1))
    return torch.fft.fftshift(transform(x, dim=(-2, -1), norm="ortho"), dim=(-2, -1))


class Unrolled(nn.Module):
    """Two cascades of a small network and soft data consistency in k-space, in complex numbers (Aggarwal et al. 2019,
    IEEE TMI 38(2):394; one coil)."""

    def __init__(self, size):
        super().__init__()
        self.register_buffer("mask", (torch.arange(size[1]) % 3 == 0).float())
        self.weight = nn.Parameter(torch.tensor(0.7))
        self.networks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(2, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 2, 3, padding=1)) for _ in range(2))

    def forward(self, x):
        measured = _centred(torch.fft.fft2, x[:, 0].to(torch.complex64)) * self.mask
        image = _centred(torch.fft.ifft2, measured)
        for network in self.networks:
            planes = network(torch.stack([image.real, image.imag], 1))
            kspace = _centred(torch.fft.fft2, torch.complex(planes[:, 0], planes[:, 1]))
            kspace = kspace - self.weight * (self.mask * kspace - measured)
            image = _centred(torch.fft.ifft2, kspace)
        return image.abs()[:, None]


def _centred_pairs(transform, x):
    """Of complex numbers as pairs in the last dimension, as fastMRI has them."""
    return torch.view_as_real(_centred(transform, torch.view_as_complex(x.contiguous())))


def _product(x, y):
    real = x[..., 0] * y[..., 0] - x[..., 1] * y[..., 1]
    return torch.stack([real, x[..., 0] * y[..., 1] + x[..., 1] * y[..., 0]], dim=-1)


class VariationalNetwork(nn.Module):
    """End-to-end variational network (Sriram et al. 2020, arXiv:2004.06688): k-space [1, coils, rows, columns, 2] to the
    root sum of squares. Sensitivities come from the central lines; each cascade has soft data consistency and a U-Net."""

    def __init__(self, columns, cascades=2, centre=6):
        super().__init__()
        place = torch.arange(columns)
        is_centre = (place - columns // 2).abs() < centre // 2
        self.register_buffer("centre", is_centre.float().view(1, 1, 1, -1, 1))
        self.register_buffer("mask", (is_centre | (place % 3 == 0)).float().view(1, 1, 1, -1, 1))
        self.sensitivity = FastMRIUnet(4, 2, images=2)
        self.networks = nn.ModuleList(FastMRIUnet(8, 2, images=2) for _ in range(cascades))
        self.weights = nn.ParameterList(torch.ones(1) for _ in range(cascades))

    @staticmethod
    def _applied(network, images):
        """A network of two channels on [n, rows, columns, 2], each channel of which it sees with mean 0 and variance 1."""
        x = images.permute(0, 3, 1, 2)
        flat = x.reshape(*x.shape[:2], -1)
        mean, deviation = flat.mean(2)[..., None, None], flat.std(2)[..., None, None]
        return (network((x - mean) / deviation) * deviation + mean).permute(0, 2, 3, 1)

    def forward(self, kspace):
        measured = kspace * self.mask
        maps = self._applied(self.sensitivity, _centred_pairs(torch.fft.ifftn, measured * self.centre)[0])[None]
        maps = maps / (maps**2).sum((1, 4), keepdim=True).sqrt()
        conjugate = torch.stack([maps[..., 0], -maps[..., 1]], dim=-1)
        kspace = measured
        for network, weight in zip(self.networks, self.weights):
            missing = torch.where(self.mask > 0, kspace - measured, torch.zeros(1)) * weight
            image = _product(_centred_pairs(torch.fft.ifftn, kspace), conjugate).sum(1)
            change = _centred_pairs(torch.fft.fftn, _product(self._applied(network, image)[:, None], maps))
            kspace = kspace - missing - change
        return (_centred_pairs(torch.fft.ifftn, kspace) ** 2).sum((1, 4)).sqrt()


class Volumes(nn.Module):
    """Volumes [N, C, D, H, W]: convolutions of all three dimensions, of the plane and of the first one alone, batch, group
    and instance normalization, transposed convolutions, trilinear enlargement, poolings, borders and parts."""

    def __init__(self, channels=4):
        super().__init__()
        self.first = nn.Sequential(nn.Conv3d(1, channels, 3, padding=1), nn.BatchNorm3d(channels), nn.PReLU(channels))
        self.plane = nn.Conv3d(channels, 2 * channels, (1, 3, 3), padding=(0, 1, 1), bias=False)
        self.slices = nn.Conv3d(2 * channels, channels, (3, 1, 1), padding=(1, 0, 0))
        self.norm = nn.GroupNorm(2, channels)
        self.inner = nn.Sequential(
            nn.Conv3d(channels, 2 * channels, 3, padding=1, padding_mode="reflect"),
            nn.InstanceNorm3d(2 * channels, affine=True), nn.LeakyReLU(0.1))
        self.up = nn.ConvTranspose3d(2 * channels, channels, 2, stride=2)
        self.apart = nn.Conv3d(channels, channels, 3, padding=1, groups=channels)
        self.last = nn.Conv3d(3 * channels, 1, 1)
        self.scale = nn.Parameter(torch.randn(1, channels, 1, 1, 1))

    def forward(self, x):
        a = self.first(x)
        b = torch.sigmoid(self.norm(self.slices(self.plane(a)))) * self.scale
        inner = self.inner(functional.max_pool3d(b, 2))
        spread = functional.silu(self.up(inner))
        enlarged = functional.interpolate(inner[:, : a.shape[1]], scale_factor=2, mode="trilinear")
        enlarged = functional.pad(enlarged[:, :, 1:-1, :, 2:-2], (2, 2, 0, 0, 1, 1))
        mean = functional.avg_pool3d(self.apart(enlarged), 3, stride=1, padding=1)
        y = self.last(torch.cat([torch.maximum(spread, b), a, mean], 1))
        return x + y * functional.adaptive_avg_pool3d(y, 1)
