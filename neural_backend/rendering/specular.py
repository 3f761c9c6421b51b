"""Mirror-like reflection of distant light by rough skin: GGX, split into prefiltered light and a table of the rest.

Karis, "Real Shading in Unreal Engine 4", 2013: the lobe is taken as it is at normal incidence and put around the mirror
direction, which makes the light's part a convolution; Fresnel, masking and the lobe's share above the horizon become
scale and bias of F0, tabulated over roughness and the cosine of view.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from .light import MAX_DEGREE, band_factors, environment_directions, sample_environment, sh_basis, sh_degree

#: Roughness (Principled's: alpha is its square) at which lobes are tabulated.
ROUGHNESS_GRID = tuple(np.linspace(0.15, 1.0, 18).tolist())
#: Roughness of the levels of a prefiltered environment.
ENVIRONMENT_ROUGHNESS = (0.2, 0.3, 0.4, 0.5, 0.65, 0.85)


def _lobe(cosine: np.ndarray, roughness: float) -> np.ndarray:
    """The lobe around the mirror direction for N = V = R, weighted by the cosine; not normalised."""
    alpha2 = roughness**4
    half2 = (1 + cosine) / 2  # cosine squared of the half angle
    return np.where(cosine > 0, alpha2 / (half2 * (alpha2 - 1) + 1) ** 2 * cosine, 0)


@cache
def _lobe_table() -> Tensor:
    """[roughness, degree + 1] what the lobe leaves of each degree."""
    nodes, weights = np.polynomial.legendre.leggauss(600)
    table = []
    for roughness in ROUGHNESS_GRID:
        lobe = _lobe(nodes, roughness) * weights
        legendre = [np.polynomial.legendre.Legendre.basis(band)(nodes) for band in range(MAX_DEGREE + 1)]
        table.append([(lobe * values).sum() / lobe.sum() for values in legendre])
    return torch.tensor(np.array(table), dtype=torch.float32)


def lobe_factors(roughness: Tensor, degree: int) -> Tensor:
    """[N] roughness -> [N, B] factors of the light's coefficients, differentiable in roughness."""
    table = _lobe_table().to(roughness)
    low, high = ROUGHNESS_GRID[0], ROUGHNESS_GRID[-1]
    place = ((roughness - low) / (high - low) * (len(ROUGHNESS_GRID) - 1)).clamp(0, len(ROUGHNESS_GRID) - 1)
    lower = place.detach().floor().long().clamp_max(len(ROUGHNESS_GRID) - 2)
    per_degree = torch.lerp(table[lower], table[lower + 1], (place - lower)[:, None])  # [N, MAX_DEGREE + 1]
    repeats = torch.tensor([2 * band + 1 for band in range(degree + 1)], device=roughness.device)
    return torch.repeat_interleave(per_degree[:, : degree + 1], repeats, dim=1)


@cache
def _brdf_table(size: int = 32, samples: int = 1024) -> Tensor:
    """[2, roughness, cosine] scale and bias of F0 (GGX, height-correlated Smith, Schlick's Fresnel)."""
    index = np.arange(samples)
    u = (index + 0.5) / samples
    v = np.array([int(f"{i:032b}"[::-1], 2) for i in index]) / 2**32  # van der Corput
    cosine_view = (np.arange(size) + 0.5) / size
    roughness = (np.arange(size) + 0.5) / size
    view = np.stack([np.sqrt(1 - cosine_view**2), np.zeros(size), cosine_view], -1)  # [C, 3]
    table = np.zeros((2, size, size), np.float32)
    for row, rough in enumerate(roughness):
        alpha2 = rough**4
        cosine = np.sqrt((1 - v) / (1 + (alpha2 - 1) * v))
        sine = np.sqrt(1 - cosine**2)
        half = np.stack([sine * np.cos(2 * math.pi * u), sine * np.sin(2 * math.pi * u), cosine], -1)  # [S, 3]
        view_half = np.clip(view @ half.T, 1e-6, 1)  # [C, S]
        light_z = 2 * view_half * half[:, 2] - view[:, 2:]
        above = light_z > 0
        light_z = np.maximum(light_z, 1e-6)
        view_z = cosine_view[:, None]
        masking = 2 / (
            view_z * np.sqrt(alpha2 + (1 - alpha2) * light_z**2) / light_z + np.sqrt(alpha2 + (1 - alpha2) * view_z**2)
        )  # G2 / view_z, written so that grazing views stay finite
        weight = np.where(above, masking * view_half / half[:, 2], 0)
        fresnel = (1 - view_half) ** 5
        table[0, row] = ((1 - fresnel) * weight).mean(1)
        table[1, row] = (fresnel * weight).mean(1)
    return torch.from_numpy(table)


def specular_albedo(f0: Tensor, roughness: Tensor, cosine_view: Tensor) -> Tensor:
    """[N, C] F0, [N] roughness, [N] n.v -> [N, C] share of uniform light reflected; differentiable in all three."""
    grid = torch.stack([2 * cosine_view - 1, 2 * roughness - 1], -1)[None, :, None]
    table = _brdf_table().to(f0)[None]
    scale, bias = functional.grid_sample(table, grid, padding_mode="border", align_corners=False)[0, :, :, 0]
    # What reflects less than 2 % head on is a cavity or a matte surface, not a dielectric: no mirror at grazing angles.
    return f0 * scale[:, None] + (f0 * 50).clamp_max(1) * bias[:, None]


def reflect(view: Tensor, normal: Tensor) -> Tensor:
    """Mirror direction [N, 3] of the unit vector towards the eye."""
    return 2 * (view * normal).sum(-1, keepdim=True) * normal - view


def lobe_roughness(roughness: Tensor, cosine_view: Tensor) -> Tensor:
    """[N] roughness of the round lobe that stands for the real one at an angle, from [N] roughness and [N] n.v.

    Seen at an angle the lobe around the mirror direction keeps its width in the plane of reflection and shrinks by the
    cosine across it; the round lobe has the geometric mean of the two, alpha sqrt(cosine).
    """
    return roughness * cosine_view.clamp_min(1e-3) ** 0.25


def prefiltered_sh(coefficients: Tensor, directions: Tensor, roughness: Tensor) -> Tensor:
    """[B, 3] light seen through the lobe around unit directions [N, 3] -> [N, 3]; may be negative where it rings."""
    degree = sh_degree(coefficients.shape[0])
    return (sh_basis(directions, degree) * lobe_factors(roughness, degree)) @ coefficients


@dataclass(frozen=True)
class PrefilteredEnvironment:
    """A light-probe picture seen through lobes of increasing roughness."""

    levels: Tensor  # [L, h, 2h, 3], at ENVIRONMENT_ROUGHNESS

    @classmethod
    def build(cls, environment: Tensor, height: int = 64) -> PrefilteredEnvironment:
        """[H, W, 3] lat-long -> levels of `height` rows.

        Between two rows a round lobe depends on the difference of azimuth only: the convolution is a product of
        Fourier transforms along the rows.
        """
        width = 2 * height
        source = functional.interpolate(environment.permute(2, 0, 1)[None], (height, width), mode="area")[0]
        directions, solid = (values.to(environment) for values in environment_directions(height, width))
        signal = torch.fft.rfft(torch.cat([source, torch.ones_like(source[:1])]) * solid)  # [4, h, w/2 + 1]
        cosine = directions[:, 0, 1]
        sine = (1 - cosine.square()).sqrt()
        turn = torch.cos(torch.arange(width, device=environment.device) * (2 * math.pi / width))
        between = cosine[:, None, None] * cosine[:, None] + sine[:, None, None] * sine[:, None] * turn  # [h, h, w]
        levels = []
        for roughness in ENVIRONMENT_ROUGHNESS:
            alpha2 = roughness**4
            lobe = between.clamp_min(0) / ((1 + between) / 2 * (alpha2 - 1) + 1).square()
            product = torch.einsum("ijk,cjk->cik", torch.fft.rfft(lobe).real.to(signal.dtype), signal)
            total = torch.fft.irfft(product, n=width)  # [4, h, w]
            levels.append((total[:3] / total[3:]).permute(1, 2, 0))
        return cls(torch.stack(levels))

    def sample(self, directions: Tensor, roughness: Tensor) -> Tensor:
        """Light through the lobe around unit directions [N, 3] at [N] roughness -> [N, 3]."""
        grid = torch.tensor(ENVIRONMENT_ROUGHNESS, device=roughness.device)
        upper = torch.bucketize(roughness.detach().contiguous(), grid).clamp(1, len(grid) - 1)
        fraction = ((roughness - grid[upper - 1]) / (grid[upper] - grid[upper - 1])).clamp(0, 1)[:, None]
        stack = torch.stack([sample_environment(level, directions) for level in self.levels])  # [L, N, 3]
        index = torch.arange(len(directions), device=roughness.device)
        return torch.lerp(stack[upper - 1, index], stack[upper, index], fraction)


def specular_occlusion(visibility: Tensor, directions: Tensor, roughness: Tensor) -> Tensor:
    """[N, B] visibility harmonics -> [N] open share of the lobe around unit directions, 0..1."""
    degree = sh_degree(visibility.shape[1])
    return (visibility * sh_basis(directions, degree) * lobe_factors(roughness, degree)).sum(-1).clamp(0, 1)


__all__ = [
    "PrefilteredEnvironment",
    "band_factors",
    "lobe_factors",
    "lobe_roughness",
    "prefiltered_sh",
    "reflect",
    "specular_albedo",
    "specular_occlusion",
]
