"""Alignment of two surfaces that are already close: point-to-plane ICP."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from ..geometry.rays import Surface
from ..geometry.similarity import Similarity

#: Pairs farther apart than this many robust spreads do not pull.
TUKEY = 4.685


def refine_point_to_plane(
    points: np.ndarray,  # [N, 3] of the moving surface
    surface: Surface,
    with_scale: bool = True,
    iterations: int = 30,
    tolerance: float = 1e-7,
) -> Similarity:
    """Iterative closest point with point-to-plane residuals and Tukey weights (Chen and Medioni 1992).

    Args:
        points: metres, already roughly aligned with the surface.
        surface: the fixed surface.
        with_scale: seven unknowns instead of six.
        iterations: at most this many.
        tolerance: metres; stop when no point moves farther.
    """
    total = Similarity(1.0, np.eye(3), np.zeros(3))
    for _ in range(iterations):
        moved = total.apply(points)
        nearest = surface.closest(moved)
        normal = _normals(surface, nearest.triangle)
        residual = ((moved - nearest.point) * normal).sum(1)
        spread = 1.4826 * np.median(np.abs(residual)) + 1e-9
        weight = np.clip(1 - (residual / (TUKEY * spread)) ** 2, 0, None)
        centre = moved.mean(0)
        arm = moved - centre
        columns = [np.cross(arm, normal), normal]
        if with_scale:
            columns.append((arm * normal).sum(1, keepdims=True))
        jacobian = np.concatenate(columns, axis=1) * weight[:, None]
        step = np.linalg.lstsq(jacobian, -residual * weight, rcond=None)[0]
        rotation = Rotation.from_rotvec(step[:3]).as_matrix()
        scale = 1.0 + float(step[6]) if with_scale else 1.0
        update = Similarity(scale, rotation, centre + step[3:6] - scale * rotation @ centre)
        total = total.then(update)
        if np.linalg.norm(total.apply(points) - moved, axis=1).max() < tolerance:
            break
    return total


def _normals(surface: Surface, triangle: np.ndarray) -> np.ndarray:
    corner = surface.vertices[surface.triangles[triangle]]
    normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    return normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-15)
