"""Shading maps of the base mesh: the light as the skin sees it, on the UV grid, linear in the light.

Not in the paper. A flat light vector alone generalises badly to unseen lights (method.md, section 4); these maps are
what a smooth unshadowed surface would send to the eye: cosine-weighted radiance about the normal, and radiance in
cosine-power lobes about the reflected view (Phong, normalised to preserve energy). The light is filtered once per
lobe on its own lat-long grid, a constant matrix, and read off bilinearly at each point's direction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...geometry.normals import normalize
from ...rendering.light import environment_directions, latlong_taps
from .anchors import Frames
from .config import LIGHT_HEIGHT, LIGHT_WIDTH


@dataclass(frozen=True)
class Taps:
    """Where points read the filtered lights: four texels each."""

    texel: Tensor  # [B, K, P, 4] int64
    weight: Tensor  # [B, K, P, 4]


class ShadingMaps(nn.Module):
    """One diffuse map and one per lobe: K in all."""

    def __init__(self, lobes: tuple[int, ...]):
        super().__init__()
        directions, solid = environment_directions(LIGHT_HEIGHT, LIGHT_WIDTH)
        directions, solid = directions.reshape(-1, 3), solid.reshape(-1)
        cosine = (directions @ directions.T).clamp_min(0)  # [L, L]
        filters = [cosine / math.pi] + [cosine**lobe * ((lobe + 1) / (2 * math.pi)) for lobe in lobes]
        filters = torch.stack(filters) * solid  # [K, L to, L from]
        # Sums over the grid stand for integrals: a uniform light of radiance 1 must give 1 in every direction.
        filters = filters / filters.sum(-1, keepdim=True)
        self.register_buffer("filters", filters, persistent=False)
        self.register_buffer("solid", solid, persistent=False)  # [L] steradians

    def taps(self, frames: Frames, eye: Tensor) -> Taps:
        """Frames of P points, [B, 3] eye position in metres."""
        normal = frames.rotations[..., 2]  # [B, P, 3]
        view = normalize(eye[:, None] - frames.positions)
        mirrored = 2 * (normal * view).sum(-1, keepdim=True) * normal - view
        diffuse, glossy = (latlong_taps(x, LIGHT_HEIGHT, LIGHT_WIDTH) for x in (normal, mirrored))
        lobes = len(self.filters) - 1
        return Taps(*(torch.stack([d] + [g] * lobes, 1) for d, g in zip(diffuse, glossy, strict=True)))

    def shade(self, taps: Taps, light: Tensor) -> Tensor:
        """Taps of P points, radiance [B, 3, 16, 32] -> shading [B, P, 3, K]."""
        filtered = torch.einsum("bcl,ktl->bckt", light.flatten(2), self.filters)  # [B, 3, K, L]
        batch, maps, points, _ = taps.texel.shape
        index = taps.texel.reshape(batch, 1, maps, points * 4).expand(-1, 3, -1, -1)
        read = filtered.gather(3, index).view(batch, 3, maps, points, 4)
        return (read * taps.weight[:, None]).sum(-1).permute(0, 3, 1, 2)

    def flat(self, light: Tensor) -> Tensor:
        """[B, 3, 16, 32] -> [B, 3, L]: radiance times solid angle over its mean, the light as one vector."""
        return light.flatten(2) * (self.solid * (len(self.solid) / (4 * math.pi)))
