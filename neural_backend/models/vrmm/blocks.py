"""The convolution block that every decoder of VRMM is made of."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from .config import STEM

SLOPE = 0.2  # of the leaky rectifier


class UntiedBias(nn.Module):
    """A bias of its own for every texel: the maps live in one fixed UV, so places may differ (MVP, section 4)."""

    def __init__(self, channels: int, size: int):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels, size, size))

    def forward(self, x: Tensor) -> Tensor:  # [B, C, h, w]
        return x + self.bias


class UpBlock(nn.Module):
    """Transposed convolution to twice the size, untied bias, leaky rectifier."""

    def __init__(self, inputs: int, outputs: int, size: int):
        super().__init__()
        self.conv = up_convolution(inputs, outputs)
        self.bias = UntiedBias(outputs, size)

    def forward(self, x: Tensor) -> Tensor:  # [B, inputs, size / 2, size / 2] -> [B, outputs, size, size]
        return functional.leaky_relu(self.bias(self.conv(x)), SLOPE)


class Stem(nn.Module):
    """A code as the first feature map."""

    def __init__(self, code: int, channels: int):
        super().__init__()
        self.linear = nn.Linear(code, channels * STEM * STEM)
        nn.init.normal_(self.linear.weight, std=1 / math.sqrt(code))

    def forward(self, code: Tensor) -> Tensor:  # [B, code] -> [B, C, 4, 4]
        return functional.leaky_relu(self.linear(code), SLOPE).unflatten(1, (-1, STEM, STEM))


def up_convolution(inputs: int, outputs: int) -> nn.ConvTranspose2d:
    """4 x 4 taps, stride 2, without bias. Each output sees 2 x 2 texels, by which its start is scaled."""
    conv = nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False)
    nn.init.normal_(conv.weight, std=math.sqrt(2 / ((1 + SLOPE**2) * 4 * inputs)))
    return conv


def point_convolution(inputs: int, outputs: int, gain: float = 1.0, bias: bool = False) -> nn.Conv2d:
    """1 x 1 convolution whose outputs start with `gain` times the inputs' spread; 0 starts at nothing."""
    conv = nn.Conv2d(inputs, outputs, 1, bias=bias)
    nn.init.normal_(conv.weight, std=gain / math.sqrt(inputs))
    if bias:
        nn.init.zeros_(conv.bias)
    return conv
