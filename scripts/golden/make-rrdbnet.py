"""Reference numbers of ESRGAN's network, written down in torch from the papers.

Prints what test/models/rrdbnet.test.ts compares with: a few numbers of the result, for each scale. Weights and image are
made by the same integer arithmetic as in test/models/tiny-esrgan.ts, so that no file is kept.

Source: Wang et al. 2018 (arXiv 1809.00219) 3.1; Wang et al. 2021 (arXiv 2107.10833): pixel-unshuffle before scales 2 and 1.
"""

import json

import torch
from torch.nn import functional as F

BLOCKS, FEATURES, GROWTH = 2, 8, 4


def numbers(seed: int, count: int) -> torch.Tensor:
    """`count` numbers in [-1, 1): Weyl's sequence of odd steps, mixed once."""
    values = []
    for index in range(count):
        x = ((index + 1) * 2654435761 + seed * 40503) % 2**32
        x = ((x ^ (x >> 15)) * 2246822519) % 2**32
        values.append((x ^ (x >> 13)) / 2**31 - 1)
    return torch.tensor(values, dtype=torch.float32)


class Network:
    def __init__(self, in_channels: int):
        self.seed = 0
        self.weights: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
        self.conv("conv_first", in_channels, FEATURES)
        for block in range(BLOCKS):
            for dense in (1, 2, 3):
                for conv in (1, 2, 3, 4, 5):
                    out = FEATURES if conv == 5 else GROWTH
                    self.conv(f"body.{block}.rdb{dense}.conv{conv}", FEATURES + (conv - 1) * GROWTH, out)
        for name in ("conv_body", "conv_up1", "conv_up2", "conv_hr"):
            self.conv(name, FEATURES, FEATURES)
        self.conv("conv_last", FEATURES, 3)

    def conv(self, name: str, inputs: int, outputs: int) -> None:
        weight = numbers(2 * self.seed + 1, outputs * inputs * 9) * (2 / (inputs * 9) ** 0.5)
        bias = numbers(2 * self.seed + 2, outputs) * 0.1
        self.weights[name] = (weight.reshape(outputs, inputs, 3, 3), bias)
        self.seed += 1

    def run(self, name: str, x: torch.Tensor) -> torch.Tensor:
        return F.conv2d(x, *self.weights[name], padding=1)

    def dense(self, name: str, x: torch.Tensor) -> torch.Tensor:
        before = [x]
        for conv in (1, 2, 3, 4):
            before.append(F.leaky_relu(self.run(f"{name}.conv{conv}", torch.cat(before, 1)), 0.2))
        return self.run(f"{name}.conv5", torch.cat(before, 1)) * 0.2 + x

    def __call__(self, image: torch.Tensor, block: int) -> torch.Tensor:
        height, width = image.shape[2:]
        image = F.pad(image, (0, -width % block, 0, -height % block), mode="reflect")
        x = first = self.run("conv_first", F.pixel_unshuffle(image, block))
        for index in range(BLOCKS):
            y = x
            for dense in (1, 2, 3):
                y = self.dense(f"body.{index}.rdb{dense}", y)
            x = y * 0.2 + x
        x = first + self.run("conv_body", x)
        for name in ("conv_up1", "conv_up2"):
            x = F.leaky_relu(self.run(name, F.interpolate(x, scale_factor=2, mode="nearest")), 0.2)
        x = self.run("conv_last", F.leaky_relu(self.run("conv_hr", x), 0.2))
        scale = 4 // block
        return x[:, :, : scale * height, : scale * width]


with torch.no_grad():
    image = (numbers(0, 3 * 11 * 14).reshape(1, 3, 11, 14) + 1) / 2
    for block in (1, 2, 4):
        out = Network(3 * block * block)(image, block)
        flat = out.flatten()
        spread = flat[torch.linspace(0, len(flat) - 1, 6).round().long()]
        print(json.dumps({"block": block, "shape": list(out.shape), "mean": flat.mean().item(), "spread": spread.tolist()}))
