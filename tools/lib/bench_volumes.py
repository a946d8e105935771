"""Writes the networks of volumes whose times decision record 51 has, as ONNX files for `tools/bench --onnx`; with --torch, times
PyTorch's own in both memory formats, in turns.
"""

import argparse
import pathlib
import statistics
import time

import torch
from torch import nn
from torch.nn import functional


class Residual(nn.Module):
    """Five 3x3x3 convolutions whose result is added to the volume."""

    def __init__(self, channels=32):
        super().__init__()
        widths = [1, channels, channels, channels, channels, 1]
        self.layers = nn.ModuleList(nn.Conv3d(i, o, 3, padding=1) for i, o in zip(widths, widths[1:]))

    def forward(self, x):
        y = x
        for layer in self.layers[:-1]:
            y = torch.relu(layer(y))
        return x + self.layers[-1](y)


class UNet(nn.Module):
    """Three levels of two convolutions with instance normalization, transposed convolutions between them."""

    def __init__(self, channels=16):
        super().__init__()
        one, two, four = channels, 2 * channels, 4 * channels
        self.down = nn.ModuleList([self._stage(1, one), self._stage(one, two)])
        self.inner = self._stage(two, four)
        self.enlarge = nn.ModuleList([nn.ConvTranspose3d(four, two, 2, 2), nn.ConvTranspose3d(two, one, 2, 2)])
        self.up = nn.ModuleList([self._stage(four, two), self._stage(two, one)])
        self.last = nn.Conv3d(one, 1, 1)

    @staticmethod
    def _stage(inputs, outputs):
        layers = []
        for channels in [inputs, outputs]:
            layers += [nn.Conv3d(channels, outputs, 3, padding=1), nn.InstanceNorm3d(outputs), nn.LeakyReLU(0.1)]
        return nn.Sequential(*layers)

    def forward(self, x):
        y, skips = x, []
        for stage in self.down:
            skips.append(stage(y))
            y = functional.max_pool3d(skips[-1], 2)
        y = self.inner(y)
        for enlarge, stage in zip(self.enlarge, self.up):
            y = stage(torch.cat([enlarge(y), skips.pop()], 1))
        return x + self.last(y)


class PlanesAndTime(nn.Module):
    """Three residual blocks of a 1x3x3 and a 3x1x1 convolution."""

    def __init__(self, channels=32):
        super().__init__()
        self.first = nn.Conv3d(1, channels, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv3d(channels, channels, (1, 3, 3), padding=(0, 1, 1)), nn.ReLU(),
                nn.Conv3d(channels, channels, (3, 1, 1), padding=(1, 0, 0)), nn.ReLU())
            for _ in range(3))
        self.last = nn.Conv3d(channels, 1, 3, padding=1)

    def forward(self, x):
        y = self.first(x)
        for block in self.blocks:
            y = y + block(y)
        return x + self.last(y)


def milliseconds(network, x, rounds=5):
    """The median of the faster memory format."""
    times = {torch.contiguous_format: [], torch.channels_last_3d: []}
    with torch.inference_mode():
        for _ in range(rounds):
            for layout, own in times.items():
                network, x = network.to(memory_format=layout), x.to(memory_format=layout)
                network(x)
                start = time.perf_counter()
                network(x)
                own.append(1000 * (time.perf_counter() - start))
    return min(map(statistics.median, times.values()))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--torch", type=int, metavar="THREADS", help="time PyTorch on so many threads")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    x = torch.zeros(1, 1, 12, 192, 128)
    for name, make in [("residual", Residual), ("unet", UNet), ("planes", PlanesAndTime)]:
        torch.manual_seed(1)
        network = make().eval()
        torch.onnx.export(network, (x,), options.folder / f"{name}.onnx", dynamo=False, opset_version=17)
        if options.torch:
            torch.set_num_threads(options.torch)
            print(f"{name}, threads {options.torch}: PyTorch {milliseconds(network, torch.randn_like(x)):.1f} ms")


if __name__ == "__main__":
    main()
