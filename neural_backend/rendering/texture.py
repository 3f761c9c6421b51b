"""Texture reads: bilinear, and trilinear over a mip pyramid, by UV with the origin bottom left."""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import Tensor

from .rasterizer import Fragments


def sample_texture(texture: Tensor, uv: Tensor) -> Tensor:
    """[H, W, C] texture at [N, 2] UV -> [N, C], bilinear, clamped at the border; differentiable in both."""
    # grid_sample's y runs down, and row 0 is the top: v = 1 there.
    grid = torch.stack([2 * uv[:, 0] - 1, 1 - 2 * uv[:, 1]], -1)
    sampled = functional.grid_sample(
        texture.permute(2, 0, 1)[None], grid[None, :, None], padding_mode="border", align_corners=False
    )
    return sampled[0, :, :, 0].T


def mip_pyramid(texture: Tensor, smallest: int = 16) -> list[Tensor]:
    """[H, W, C] -> the texture and its halves by area average, down to `smallest`. Dilate gutters beforehand."""
    levels = [texture]
    while min(levels[-1].shape[:2]) >= 2 * smallest:
        halved = functional.avg_pool2d(levels[-1].permute(2, 0, 1)[None], 2)
        levels.append(halved[0].permute(1, 2, 0))
    return levels


def mip_level(
    pixels: Tensor,  # [V, 2]
    triangles: Tensor,  # [F, 3]
    uv: Tensor,  # [T, 2]
    triangle_uv: Tensor,  # [F, 3]
    fragments: Fragments,
    size: int,
) -> Tensor:
    """[N] mip level of the covered pixels for a texture of `size` texels: log2 of texels per pixel, by areas."""
    area_pixels = _double_area(pixels.detach()[triangles]).clamp_min(1e-6)
    area_texels = _double_area(uv[triangle_uv] * size).clamp_min(1e-6)
    level = 0.5 * torch.log2(area_texels / area_pixels)
    return level[fragments.covered_triangle].clamp_min(0)


def sample_mipmap(levels: list[Tensor], uv: Tensor, level: Tensor) -> Tensor:
    """Trilinear read of a pyramid at [N, 2] UV and [N] (fractional) levels -> [N, C]."""
    level = level.clamp(0, len(levels) - 1)
    lower = level.floor().long().clamp_max(max(len(levels) - 2, 0))
    fraction = (level - lower)[:, None]
    result = levels[0].new_zeros(len(uv), levels[0].shape[-1])
    for k in lower.unique().tolist():
        chosen = (lower == k).nonzero()[:, 0]
        fine = sample_texture(levels[k], uv[chosen])
        coarse = sample_texture(levels[min(k + 1, len(levels) - 1)], uv[chosen])
        result = result.index_copy(0, chosen, torch.lerp(fine, coarse, fraction[chosen]))
    return result


def _double_area(corner: Tensor) -> Tensor:
    """[F, 3, 2] -> [F] twice the area."""
    e1, e2 = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    return (e1[:, 0] * e2[:, 1] - e1[:, 1] * e2[:, 0]).abs()
