"""D_id: the identity code to feature maps for opacity and for appearance (section 3.2)."""

from __future__ import annotations

from torch import Tensor, nn

from .blocks import Stem, UpBlock
from .config import STEM


class IdentityDecoder(nn.Module):
    """z_id -> F_alpha and F_appe at every level from 4 x 4 to the primitives' grid."""

    def __init__(self, identity: int, channels: tuple[int, ...]):
        super().__init__()
        self.stem = Stem(identity, channels[0])
        self.blocks = nn.ModuleList(
            UpBlock(inputs, outputs, STEM << (level + 1))
            for level, (inputs, outputs) in enumerate(zip(channels[:-1], channels[1:], strict=True))
        )

    def forward(self, z_id: Tensor) -> list[tuple[Tensor, Tensor]]:
        """[B, I] -> per level (F_alpha [B, C/2, h, h], F_appe [B, C/2, h, h])."""
        maps = [self.stem(z_id)]
        for block in self.blocks:
            maps.append(block(maps[-1]))
        return [tuple(level.chunk(2, 1)) for level in maps]
