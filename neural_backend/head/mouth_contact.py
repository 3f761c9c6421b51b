"""Teeth that stay behind the lips of one head."""

from __future__ import annotations

import numpy as np

from .template import HeadTemplate

_CLEARANCE = 0.25e-3
_LARGEST_SHIFT = 6e-3
_LOOPS = tuple(range(6, 14))  # from the wet line of the lips into the vestibule


def lip_depth(template: HeadTemplate, vertices: np.ndarray, teeth: np.ndarray) -> np.ndarray:
    """How far tooth vertices [n] lie behind the inside of the lips, in metres; negative inside the flesh.

    The inside of the lips is the tangent plane at its nearest vertex.
    """
    level = template.levels[1]
    lips = np.unique(np.concatenate([level.curves[f"mouth_{k:02d}"] for k in _LOOPS]))
    faces = level.quads[np.isin(level.quads, lips).any(1)]
    corner = vertices[faces]
    normal = np.cross(corner[:, 2] - corner[:, 0], corner[:, 3] - corner[:, 1])
    summed = np.zeros((len(vertices), 3))
    np.add.at(summed, faces.reshape(-1), np.repeat(normal, 4, axis=0))
    normals = summed[lips] / np.maximum(np.linalg.norm(summed[lips], axis=1, keepdims=True), 1e-12)
    distance, nearest = _nearest(vertices[teeth], vertices[lips])
    depth = np.einsum("ni,ni->n", vertices[teeth] - vertices[lips][nearest], normals[nearest])
    # Far from the lips (behind their edge, or back in the cheeks) a tangent plane says nothing.
    return np.where(distance < 5e-3, depth, np.inf)


def keep_teeth_behind_lips(template: HeadTemplate, vertices: np.ndarray, arkit: np.ndarray) -> None:
    """Move each dental arch back, in place, as far as the lips of this head ask for in neutral."""
    for teeth_part, with_it in (
        ("teeth_upper", ("teeth_upper", "gums_upper")),
        ("teeth_lower", ("teeth_lower", "gums_lower", "tongue")),
    ):
        teeth = template.part_vertices(teeth_part)
        if not len(teeth):
            continue
        for _ in range(3):
            lack = _CLEARANCE - lip_depth(template, vertices, teeth)
            worst = np.clip(np.nanmax(np.where(np.isfinite(lack), lack, -1.0)), 0, _LARGEST_SHIFT)
            if worst <= 0:
                break
            vertices[template.part_vertices(*with_it), 2] -= worst


def _nearest(points: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(distance [n], index [n]) of the target [m, 3] nearest to each point [n, 3]. Numpy alone, as in Blender."""
    squared = (points**2).sum(1)[:, None] + (targets**2).sum(1) - 2.0 * points @ targets.T  # [n, m]
    index = squared.argmin(1)
    return np.linalg.norm(points - targets[index], axis=1), index
