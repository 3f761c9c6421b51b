"""From the last feature maps to voxels: each primitive reads the texels that it covers.

MVP's decoders end in a UV texture whose texels are the primitives' voxels. Here the last map has a few texels per
primitive and one linear layer opens each of them into its block of voxels: the same thing for less work on a CPU.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .anchors import Anchors
from .config import VRMMConfig


class PrimitiveTexels(nn.Module):
    """Which texels of the last maps belong to which primitive."""

    def __init__(self, config: VRMMConfig, anchors: Anchors):
        super().__init__()
        self.config = config
        self.side = config.texture // config.grid
        row, column = anchors.texel // config.grid, anchors.texel % config.grid
        along = torch.arange(self.side)
        rows = row[:, None] * self.side + along.flip(0)  # [P, side] upwards; the map's rows go down
        columns = column[:, None] * self.side + along
        texels = rows[:, :, None] * config.texture + columns[:, None, :]
        self.register_buffer("texels", texels.reshape(-1), persistent=False)  # [P * side^2] primitive, up, right

    @property
    def voxels(self) -> int:
        """V, voxels per texel."""
        return self.config.texel_voxels**2 * self.config.voxels

    def gather(self, maps: Tensor) -> Tensor:
        """[B, C, T, T] -> [B, P * side^2, C]."""
        return maps.flatten(2).transpose(1, 2).index_select(1, self.texels)

    def assemble(self, blocks: Tensor) -> Tensor:
        """[B, C, P * side^2, V] blocks of voxels (z, y, x) -> [B, P, C, S, S, S]: z outwards, y up, x along U.

        In memory the channels come last, as the raymarcher wants them.
        """
        batch, channels = blocks.shape[:2]
        size, texel = self.config.voxels, self.config.texel_voxels
        blocks = blocks.view(batch, channels, -1, self.side, self.side, size, texel, texel)
        #                      0     1        2   3 up      4 right    5 z   6 y    7 x
        voxels = blocks.permute(0, 2, 5, 3, 6, 4, 7, 1)
        return voxels.reshape(batch, -1, size, size, size, channels).permute(0, 1, 5, 2, 3, 4)


#: Voxel biases are kept divided by this: Adam's steps are of one size for all numbers, and these have farther to go.
BIAS_GAIN = 4.0


class VoxelHead(nn.Module):
    """[B, P * side^2, inputs] texel features -> [B, channels, P * side^2, V]; every voxel has a bias of its own."""

    def __init__(self, inputs: int, texels: PrimitiveTexels, channels: int, gain: float):
        super().__init__()
        self.channels = channels
        self.weight = nn.Parameter(torch.randn(inputs, channels * texels.voxels) * (gain / inputs**0.5))
        self.bias = nn.Parameter(torch.zeros(len(texels.texels), channels * texels.voxels))

    @torch.no_grad()
    def start(self, values: Tensor) -> None:
        """Set the biases: [..., channels * V] or what broadcasts to [N, channels * V]."""
        self.bias.copy_(values / BIAS_GAIN)

    def forward(self, features: Tensor) -> Tensor:
        voxels = torch.matmul(features, self.weight) + self.bias * BIAS_GAIN
        return voxels.unflatten(2, (self.channels, -1)).transpose(1, 2)
