"""D_T, D_alpha and the non-linear branch of D_rgb, which advance level by level together (section 3.2, figure 2).

"We concatenate the feature maps from the intermediate layers of D_T to corresponding layers of D_alpha and the
non-linear branch of D_rgb, and vice-versa", with the gradient stopped: without the stop primitives jitter. The view
direction enters D_rgb after the last exchange, so that nothing but colour depends on who looks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from .blocks import Stem, UntiedBias, UpBlock, point_convolution
from .config import STEM, VRMMConfig
from .voxel_heads import PrimitiveTexels, VoxelHead

#: D_T's outputs per unit: metres, radians, log of the scale; and the farthest they can go.
TRANSLATION_M, TRANSLATION_LIMIT_M = 0.01, 0.06
ROTATION_RAD = 0.1
LOG_SCALE, LOG_SCALE_LIMIT = 0.2, math.log(3.0)
#: Opacity of a filled voxel before softplus, and of an empty one, at first; the surface is at the primitive's middle.
FILLED, EMPTY = 3.0, -3.0
#: Of mean skin, linear: what colour factors start from.
MEAN_ALBEDO = (0.42, 0.27, 0.20)


@dataclass(frozen=True)
class VolumeMaps:
    """What the non-linear decoders say, as UV maps."""

    translation: Tensor  # [B, 3, g, g] metres in the anchor's frame
    rotation: Tensor  # [B, 3, g, g] rotation vector in the anchor's frame, radians
    log_scale: Tensor  # [B, 3, g, g] added to the log of the anchor's half sides
    opacity: Tensor  # [B, 1, N, V] before the activation; V voxels of each of the primitives' N texels
    factors: list[Tensor]  # per block of the light branch [B, 3, C, h, h]
    gain: Tensor  # [B, 3, N, V] per voxel


class VolumeDecoders(nn.Module):
    """(z_id, z_e, F_alpha, F_appe, view) -> VolumeMaps."""

    def __init__(self, config: VRMMConfig, texels: PrimitiveTexels, deep: Tensor):
        """`deep` [P] bool: primitives of eye sockets and mouth, which start empty."""
        super().__init__()
        self.config, self.texels = config, texels
        code, channels, identity = config.identity + config.expression, config.channels, config.identity_channels
        last = config.grid_level
        self.stem_t = Stem(code, channels[0])
        self.stem_alpha = Stem(config.expression, channels[0])
        self.stem_rgb = Stem(config.expression, channels[0])
        self.blocks_t, self.blocks_alpha, self.blocks_rgb = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for level, (inputs, outputs) in enumerate(zip(channels[:-1], channels[1:], strict=True)):
            size = STEM << (level + 1)
            joined = 2 * inputs + identity[level] // 2 if level <= last else inputs  # own, D_T's and D_id's features
            if level < last:
                self.blocks_t.append(UpBlock(3 * inputs, outputs, size))
            self.blocks_alpha.append(UpBlock(joined, outputs, size))
            self.blocks_rgb.append(UpBlock(joined + (VIEW_CHANNELS if level == last else 0), outputs, size))
        self.to_transform = point_convolution(3 * channels[last], 9, 0.0)
        self.transform_bias = UntiedBias(9, config.grid)
        self.to_opacity = VoxelHead(channels[-1], texels, 1, 0.05)
        self.to_factors = nn.ModuleList(
            point_convolution(nonlinear, 3 * linear, 0.2)
            for nonlinear, linear in zip(channels[1:], config.light_channels[1:], strict=True)
        )
        self.to_gain = VoxelHead(channels[-1], texels, 3, 0.1)
        self._start(deep)

    @torch.no_grad()
    def _start(self, deep: Tensor) -> None:
        """A shell of mean skin on the base mesh: filled below the surface, empty above."""
        depth, texel = self.config.voxels, self.config.texel_voxels
        height = torch.linspace(-1, 1, depth)
        profile = EMPTY + (FILLED - EMPTY) * torch.sigmoid(-6 * height)
        shell = profile.repeat_interleave(texel * texel).repeat(len(self.to_opacity.bias), 1)
        shell[deep.repeat_interleave(self.texels.side**2)] = EMPTY / 2
        self.to_opacity.start(shell)
        albedo = torch.tensor(MEAN_ALBEDO).repeat_interleave(depth * texel * texel)
        self.to_gain.start(albedo)

    def forward(self, z_id: Tensor, z_e: Tensor, features: list[tuple[Tensor, Tensor]], view: Tensor) -> VolumeMaps:
        """[B, I], [B, E], per level (F_alpha, F_appe), [B, 3, g, g] unit view directions in the anchors' frames."""
        last = self.config.grid_level
        t, alpha, rgb = self.stem_t(torch.cat([z_id, z_e], 1)), self.stem_alpha(z_e), self.stem_rgb(z_e)
        factors = []
        for level in range(len(self.blocks_rgb)):
            if level <= last:  # detach-concatenate
                joined_t = torch.cat([t, alpha.detach(), rgb.detach()], 1)
                f_alpha, f_appe = features[level]
                alpha = torch.cat([alpha, f_alpha, t.detach()], 1)
                rgb = torch.cat([rgb, f_appe, t.detach()], 1)
                if level < last:
                    t = self.blocks_t[level](joined_t)
                else:
                    transform = self.transform_bias(self.to_transform(joined_t))
                    rgb = torch.cat([rgb, view_features(view)], 1)
            alpha, rgb = self.blocks_alpha[level](alpha), self.blocks_rgb[level](rgb)
            factors.append(1 + self.to_factors[level](rgb).unflatten(1, (3, -1)))
        translation, rotation, log_scale = transform.float().chunk(3, 1)
        return VolumeMaps(
            bounded(translation * TRANSLATION_M, TRANSLATION_LIMIT_M),
            rotation * ROTATION_RAD,
            bounded(log_scale * LOG_SCALE, LOG_SCALE_LIMIT),
            self.to_opacity(self.texels.gather(alpha)),
            factors,
            self.to_gain(self.texels.gather(rgb)),
        )


#: Of `view_features`: the direction, its squares' mixed terms and how grazing it is.
VIEW_CHANNELS = 7


def view_features(view: Tensor) -> Tensor:
    """[B, 3, h, w] unit directions in the surface's frame -> [B, 7, h, w]."""
    x, y, z = view.chunk(3, 1)
    grazing = (1 - z.clamp(0, 1)) ** 5  # Schlick's term
    return torch.cat([view, x * z, y * z, x * y, grazing], 1)


def bounded(x: Tensor, limit: float) -> Tensor:
    """x near 0, never beyond the limit."""
    return limit * torch.tanh(x / limit)


def opacity_activation(x: Tensor, full: float) -> Tensor:
    """Density >= 0: 0 for an empty voxel, about `full` for one whose input is FILLED."""
    return functional.softplus(x) * (full / FILLED)
