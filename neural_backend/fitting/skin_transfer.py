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

SKIN_F0 = 0.028
LOBE_ALPHA = 0.25  # GGX alpha of skin at Principled roughness 0.5
LOBE_EDGE = 0.35  # share of Schlick's rise that rough skin keeps at grazing angles
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

    def mirrored(
        self, normals: np.ndarray, towards: np.ndarray, unoccluded: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """What the skin mirrors: ([M, B] response, [M, B, 3] derivative with respect to the normal).

        One GGX lobe at normal incidence's F0 with Schlick's rise, its blur applied band by band to the light.

        Args:
            towards: [M, 3] unit, to the camera.
            unoccluded: [M] share of the hemisphere that is open: what is hidden is not mirrored either.
        """
        facing = np.clip((normals * towards).sum(1), 0.0, 1.0)
        strength = (SKIN_F0 + (1 - SKIN_F0) * LOBE_EDGE * (1 - facing) ** 5) * unoccluded
        reflected = 2 * (normals * towards).sum(1, keepdims=True) * normals - towards
        blur = np.exp(-((LOBE_ALPHA * self.band) ** 2)) * strength[:, None]
        step = 1e-3
        turn = np.stack(
            [
                (basis(reflected + step * axis, self.degree) - basis(reflected - step * axis, self.degree)) / (2 * step)
                for axis in np.eye(3)
            ],
            -1,
        )  # [M, B, 3] per reflected direction
        # d reflected / d normal = 2 (normal towards^T + (normal . towards) I)
        along = np.einsum("mbi,mi->mb", turn, normals)
        per_normal = 2 * (along[:, :, None] * towards[:, None] + facing[:, None, None] * turn)
        return basis(reflected, self.degree) * blur, per_normal * blur[:, :, None]

    def loss(self, surface: Surface, points: np.ndarray, normals: np.ndarray) -> np.ndarray:
        """[M, 3] points on `surface` -> [M, B] what the head's own shadows take away."""
        cosine = np.maximum(normals @ self.directions.T, 0.0)  # [M, D]
        sample, direction = np.nonzero(cosine > 0.02)
        starts = points + normals * 0.0005
        origins = starts[sample] + self.directions[direction] * RAY_START_M
        hidden = np.zeros(cosine.shape, np.float32)
        hidden[sample, direction] = surface.occluded(origins, self.directions[direction], 0.25)
        return (hidden * cosine) @ self.values * (4.0 / self.rays)  # 4 pi / rays, over pi
