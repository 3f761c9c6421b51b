"""The branch of D_rgb that is exactly linear in the light (TRAvatar, section 3.2; VRMM, section 3.2).

No bias and no activation anywhere. The three colours of light never mix: each goes through the same weights as a batch
of its own. What makes a head of it are the factors `a`, which the non-linear branch gives per colour channel.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from .blocks import point_convolution, up_convolution
from .config import LIGHT_HEIGHT, LIGHT_WIDTH, STEM, VRMMConfig
from .voxel_heads import PrimitiveTexels


class LinearBlock(nn.Module):
    """y' = (Conv_nobias(up y) * a + skip(up y)) / sqrt 2."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.conv = up_convolution(inputs, outputs)
        self.skip = point_convolution(inputs, outputs)

    def forward(self, y: Tensor, a: Tensor) -> Tensor:
        """[B * 3, inputs, h, h], [B * 3, outputs, 2h, 2h] -> [B * 3, outputs, 2h, 2h]."""
        # A 1 x 1 convolution and a nearest upsampling commute: the cheaper order.
        skip = functional.interpolate(self.skip(y), scale_factor=2, mode="nearest")
        return (self.conv(y) * a + skip) / math.sqrt(2)


class LightBranch(nn.Module):
    """Light [B, 3, 16, 32] to voxel colours, given the factors of the non-linear branch."""

    def __init__(self, config: VRMMConfig, texels: PrimitiveTexels):
        super().__init__()
        channels, maps = config.light_channels, config.shading_channels
        self.texels = texels
        self.flat_light = config.flat_light
        self.channels = channels
        if config.flat_light:
            self.stem = nn.Linear(LIGHT_HEIGHT * LIGHT_WIDTH, channels[0] * STEM * STEM, bias=False)
            nn.init.normal_(self.stem.weight, std=1 / (LIGHT_HEIGHT * LIGHT_WIDTH))
        self.blocks = nn.ModuleList(
            LinearBlock(inputs + maps, outputs) for inputs, outputs in zip(channels[:-1], channels[1:], strict=True)
        )
        last = channels[-1] + maps
        self.conv = nn.Linear(last, texels.voxels, bias=False)
        self.skip = nn.Linear(last, texels.voxels, bias=False)
        nn.init.normal_(self.conv.weight, std=(0.1 if maps else 1.0) / math.sqrt(last))
        nn.init.zeros_(self.skip.weight)
        if maps:  # at first a voxel shows its factor times the diffuse shading: albedo in light
            with torch.no_grad():
                self.conv.weight[:, channels[-1]] = math.sqrt(2)
                self.conv.weight[:, channels[-1] + 1 :] = 0

    def forward(self, flat: Tensor, shading: Tensor | None, factors: list[Tensor], gain: Tensor) -> Tensor:
        """Colours, linear in `flat` and `shading` together.

        Args:
            flat: [B, 3, L] the light as a vector.
            shading: [B, 3, K, T, T] shading maps at the last level's size; None without them.
            factors: per block `a` [B, 3, C, h, h].
            gain: [B, 3, N, V], the last `a`: one per voxel of the N texels of all primitives.

        Returns:
            [B, 3, N, V]
        """
        batch = len(flat)
        pyramid = self._pyramid(shading)
        if self.flat_light:
            y = self.stem(flat.flatten(0, 1)).unflatten(1, (-1, STEM, STEM))  # [B * 3, C, 4, 4]
        else:
            y = flat.new_zeros(batch * 3, self.channels[0], STEM, STEM)
        for level, (block, a) in enumerate(zip(self.blocks, factors, strict=True)):
            y = block(_join(y, pyramid, level), a.flatten(0, 1))
        y = self.texels.gather(_join(y, pyramid, len(self.blocks)))  # [B * 3, N, C]
        y = torch.addcmul(self.skip(y), self.conv(y), gain.flatten(0, 1)) / math.sqrt(2)
        return y.unflatten(0, (batch, 3))

    def _pyramid(self, shading: Tensor | None) -> list[Tensor] | None:
        if shading is None:
            return None
        levels = [shading.flatten(0, 1)]
        for _ in self.blocks:
            levels.append(functional.avg_pool2d(levels[-1], 2))
        return levels[::-1]


def _join(y: Tensor, pyramid: list[Tensor] | None, level: int) -> Tensor:
    return y if pyramid is None else torch.cat([y, pyramid[level].to(y.dtype)], 1)
