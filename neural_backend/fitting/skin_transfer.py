"""How much of the light of each spherical-harmonic band a point of the skin receives, its own head's shadow included.

transfer = unshadowed(normal) - loss. The unshadowed part is analytic and turns with the normal, which gives the fit its
derivatives; the loss is traced by rays and held fixed between traces.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from ..geometry.rays import Surface
from ..rendering.light import irradiance_factors, sh_basis, sphere_directions

RAY_START_M = 0.0015  # leave the own facet and its neighbours: the level-1 mesh is about 2 mm wide


def basis(directions: np.ndarray, degree: int) -> np.ndarray:
    """[N, 3] -> [N, B] the renderer's spherical harmonics."""
    return sh_basis(torch.from_numpy(np.ascontiguousarray(directions, np.float64)), degree).numpy()


@dataclass(frozen=True)
class SkinTransfer:
    degree: int = 2
    rays: int = 256  # over the whole sphere; the half below the surface is not traced
    directions: np.ndarray = field(init=False)
    values: np.ndarray = field(init=False)  # [rays, B] basis at the directions

    def __post_init__(self) -> None:
        object.__setattr__(self, "directions", sphere_directions(self.rays).numpy().astype(np.float64))
        object.__setattr__(self, "values", basis(self.directions, self.degree))

    @property
    def cosine(self) -> np.ndarray:
        """[B] Lambert's cosine, convolved, over pi."""
        return irradiance_factors(self.degree).numpy().astype(np.float64)

    @property
    def band(self) -> np.ndarray:
        """[B] degree of each coefficient."""
        return np.repeat(np.arange(self.degree + 1), 2 * np.arange(self.degree + 1) + 1)

    def unshadowed(self, normals: np.ndarray) -> np.ndarray:
        """[M, 3] unit normals -> [M, B]; transfer . light is irradiance over pi."""
        return basis(normals, self.degree) * self.cosine

    def unshadowed_gradient(self, normals: np.ndarray) -> np.ndarray:
        """[M, B, 3] by central differences: the basis is a polynomial of degree at most 3."""
        step = 1e-3
        columns = [
            (self.unshadowed(normals + step * axis) - self.unshadowed(normals - step * axis)) / (2 * step)
            for axis in np.eye(3)
        ]
        return np.stack(columns, -1)

    def loss(self, surface: Surface, points: np.ndarray, normals: np.ndarray) -> np.ndarray:
        """[M, 3] points on `surface` -> [M, B] what the head's own shadows take away."""
        cosine = np.maximum(normals @ self.directions.T, 0.0)  # [M, D]
        sample, direction = np.nonzero(cosine > 0.02)
        starts = points + normals * 0.0005
        origins = starts[sample] + self.directions[direction] * RAY_START_M
        hidden = np.zeros(cosine.shape, np.float32)
        hidden[sample, direction] = surface.occluded(origins, self.directions[direction], 0.25)
        return (hidden * cosine) @ self.values * (4.0 / self.rays)  # 4 pi / rays, over pi
