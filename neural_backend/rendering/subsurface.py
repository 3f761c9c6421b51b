"""Light that wanders under the skin, as diffusion of irradiance over the surface.

Each colour channel's transfer T is replaced by the solution of (area + t K) T' = area T, with K the cotangent
Laplacian: one implicit step of heat flow. Its kernel falls off like measured skin profiles (a sharp peak, a long tail)
and conserves energy. It works on the transfer, hence stays linear in light and free of the picture's resolution; it
knows the surface, so light does not jump from lip to lip.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sparse
import torch
from scipy.sparse.linalg import splu
from torch import Tensor

from ..geometry.adjacency import cotangent_laplacian

#: Subsurface radii of skin in millimetres, red, green, blue (Jensen et al., "A Practical Model for Subsurface Light
#: Transport", 2001, skin1: mean free paths from its reduced scattering and absorption).
SKIN_SCATTER_MM: tuple[float, float, float] = (3.67, 1.37, 0.68)
#: Diffusion length over Cycles' subsurface radius, per the comparison with Cycles in docs/rendering.md.
DIFFUSION_PER_RADIUS = 0.2
#: Reflectance over base colour of Cycles' random walk, face on: a quadratic in the base colour, lowest power first.
_RANDOM_WALK = (0.759, 0.276, -0.035)
#: Weight of fully closed places.
MIN_OPENNESS = 0.25


def random_walk_reflectance(base_colour: Tensor, cosine_view: Tensor | float) -> Tensor:
    """What Cycles' random walk reflects towards the eye in place of a Lambertian base colour (0..1, any shape).

    Less than the base colour face on, a little more at grazing angles, whatever the radius: measured in a white furnace
    (docs/rendering.md), within 0.01 for cosines above 0.25.
    """
    weight = _angular_weight(cosine_view)
    a, b, c = _RANDOM_WALK
    face_on = base_colour * (a + base_colour * (b + base_colour * c))
    return base_colour + weight * (face_on - base_colour)


def base_colour_for(reflectance: Tensor, cosine_view: float = 0.8) -> Tensor:
    """The inverse at one angle, for maps: the base colour whose random walk reflects `reflectance`.

    Use it where a fitted Lambertian albedo is given to Principled with subsurface weight 1, or the render comes out 5
    to 15 % darker than the photo.
    """
    weight = _angular_weight(cosine_view)
    a, b, c = _RANDOM_WALK
    colour = reflectance
    for _ in range(8):  # Newton: the polynomial is monotonic on 0..1
        slope = 1 - weight + weight * (a + colour * (2 * b + 3 * c * colour))
        colour = colour - (random_walk_reflectance(colour, cosine_view) - reflectance) / slope
    return colour.clamp(0, 1)


def _angular_weight(cosine_view: Tensor | float) -> Tensor:
    """1 face on, 0 where the random walk reflects what a Lambertian surface does, negative at grazing angles."""
    return ((torch.as_tensor(cosine_view) - 0.31) / 0.67).clamp(-0.15, 1)


class SurfaceDiffusion:
    """The factorised operators of one mesh, one per channel; reuse while the mesh hardly changes."""

    def __init__(
        self,
        vertices: np.ndarray,  # [V, 3] metres
        triangles: np.ndarray,  # [F, 3]
        radius_mm: tuple[float, float, float] = SKIN_SCATTER_MM,
        openness: np.ndarray | None = None,  # [V] 0..1, Transfer.openness
    ):
        if min(radius_mm) < 0:
            raise ValueError(f"Subsurface radii are lengths in millimetres and cannot be negative: {radius_mm}.")
        stiffness, area = cotangent_laplacian(vertices, triangles)
        # A vertex without area keeps its value.
        area = np.maximum(area, 1e-12)
        if openness is not None:
            # A closed cavity gives back what enters it: it has little weight, or the mouth would drain the lips.
            area = area * np.maximum(openness, MIN_OPENNESS)
        self._area = area
        self._solvers = []
        for radius in radius_mm:
            time = (radius * 1e-3 * DIFFUSION_PER_RADIUS) ** 2
            self._solvers.append(splu((sparse.diags(area) + time * stiffness).tocsc()) if time else None)

    def __call__(self, values: Tensor) -> Tensor:
        """[V, B] (or [V, B, 3]) per vertex -> [V, B, 3] diffused per channel. The operator is self-adjoint in area."""
        return _Diffuse.apply(values, self)

    def _solve(self, values: np.ndarray, channel: int, adjoint: bool) -> np.ndarray:
        solver = self._solvers[channel]
        if solver is None:
            return values
        area = self._area[:, None]
        # x = M^-1 A v; the adjoint is A M^-1, as M is symmetric.
        return area * solver.solve(values) if adjoint else solver.solve(area * values)


class _Diffuse(torch.autograd.Function):
    """The linear operator, with its adjoint as gradient."""

    @staticmethod
    def forward(ctx, values: Tensor, operator: SurfaceDiffusion) -> Tensor:
        ctx.operator = operator
        ctx.shared = values.ndim == 2
        source = values.detach().cpu().double().numpy()
        channels = [
            operator._solve(np.ascontiguousarray(source if ctx.shared else source[..., c]), c, False) for c in range(3)
        ]
        return torch.from_numpy(np.stack(channels, -1)).to(values)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        source = gradient.detach().cpu().double().numpy()
        channels = [ctx.operator._solve(np.ascontiguousarray(source[..., c]), c, True) for c in range(3)]
        result = sum(channels) if ctx.shared else np.stack(channels, -1)
        return torch.from_numpy(result).to(gradient), None
