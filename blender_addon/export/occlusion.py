"""Ambient occlusion of a head, by casting rays, as maps in its UVs: the package has no such map.

One map serves every expression, so a place is taken as open as its most open pose leaves it: teeth are lit through the
open mouth and lids as they are when the eye is closed. No map made at rest alone would do.
"""

from __future__ import annotations

import numpy as np
from mathutils import Vector
from mathutils.bvhtree import BVHTree

from .levels import LevelTopology

#: Each pose is a sum of shapes; {} is the neutral head.
POSES: tuple[tuple[str, ...], ...] = (
    (),
    ("jawOpen", "eyeWideLeft", "eyeWideRight", "mouthUpperUpLeft", "mouthUpperUpRight", "mouthLowerDownLeft",
     "mouthLowerDownRight"),
    ("eyeBlinkLeft", "eyeBlinkRight"),
)  # fmt: skip
#: Clear or lacy parts let light through.
TRANSPARENT = ("cornea", "tear_line", "lashes")
#: Eyeballs turn under their lids: shade painted on them would turn along.
_UNSHADED = ("eye",)
RAYS = 48
_REACH = 0.05  # metres; what is farther than this shades by itself, with the engine's own lights
_START = 3e-4  # metres off the surface


def bake_occlusion(
    rest: np.ndarray,  # [V, 3] the head's vertices, metres
    shapes: dict[str, np.ndarray],  # name -> [V, 3] displacement
    topology: LevelTopology,
    size: int = 512,
) -> dict[str, np.ndarray]:
    """Texture set -> [size, size] float32, 1 where all of the sky is seen; row 0 at the bottom."""
    ids = topology.vertex_ids
    triangles = topology.triangles
    opaque = [index for index, name in enumerate(topology.set_names) if name not in TRANSPARENT]
    solid = triangles[np.isin(triangles[:, 6], opaque)]
    unshaded = [topology.set_names.index(name) for name in _UNSHADED if name in topology.set_names]
    seen = np.unique(solid[~np.isin(solid[:, 6], unshaded), :3])
    openness = np.zeros(len(ids), np.float32)
    for pose in POSES:
        points = rest[ids] + sum(shapes[name][ids] for name in pose if name in shapes)
        openness[seen] = np.maximum(openness[seen], _openness(points, solid[:, :3], seen))
    return {
        topology.set_names[index]: _into_uv(openness, solid[solid[:, 6] == index], topology.uv, size)
        for index in opaque
        if topology.set_names[index] not in _UNSHADED and (solid[:, 6] == index).any()
    }


def _openness(points: np.ndarray, triangles: np.ndarray, which: np.ndarray) -> np.ndarray:
    """[len(which)] the cosine-weighted part of the hemisphere in which nothing is near."""
    tree = BVHTree.FromPolygons(points.tolist(), triangles.tolist())
    normals = _normals(points, triangles)[which]
    local = _cosine_directions(RAYS)
    helper = np.where(np.abs(normals[:, :1]) < 0.9, [[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]])
    side = np.cross(normals, helper)
    side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-9)
    other = np.cross(normals, side)
    found = np.empty(len(which), np.float32)
    cast = tree.ray_cast
    for row, (point, normal, x, y) in enumerate(zip(points[which], normals, side, other, strict=True)):
        origin = Vector(point + _START * normal)
        blocked = 0.0
        for direction in (local @ np.stack([x, y, normal])).tolist():
            distance = cast(origin, Vector(direction), _REACH)[3]
            if distance is not None:
                blocked += 1.0 - distance / _REACH
        found[row] = 1.0 - blocked / RAYS
    return found


def _normals(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:  # [V, 3], by area
    a, b, c = points[triangles[:, 0]], points[triangles[:, 1]], points[triangles[:, 2]]
    face = np.cross(b - a, c - a)
    normals = np.zeros((len(points), 3))
    for corner in range(3):
        np.add.at(normals, triangles[:, corner], face)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-20)


def _cosine_directions(count: int) -> np.ndarray:
    """[count, 3] unit vectors round +Z whose density is the cosine: a spiral, the same for every vertex."""
    k = np.arange(count) + 0.5
    radius, angle = np.sqrt(k / count), k * np.pi * (3.0 - np.sqrt(5.0))
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), np.sqrt(1.0 - radius**2)], 1)


def _into_uv(values: np.ndarray, triangles: np.ndarray, uv: np.ndarray, size: int) -> np.ndarray:
    """Vertex values interpolated over the triangles [n, 7] of one texture set; gaps are filled from their edges."""
    total, weight = np.zeros((size, size)), np.zeros((size, size))
    corners = uv[triangles[:, 3:6]] * size - 0.5  # [n, 3, 2] pixels, centres at whole numbers
    low = np.clip(np.floor(corners.min(1)), 0, size - 1).astype(int)
    high = np.clip(np.ceil(corners.max(1)), 0, size - 1).astype(int)
    for (a, b, c), (x0, y0), (x1, y1), at_corner in zip(corners, low, high, values[triangles[:, :3]], strict=True):
        area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        if abs(area) < 1e-9:
            continue
        y, x = np.mgrid[y0 : y1 + 1, x0 : x1 + 1]
        second = ((x - a[0]) * (c[1] - a[1]) - (y - a[1]) * (c[0] - a[0])) / area
        third = ((b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0])) / area
        inside = (second > -1e-6) & (third > -1e-6) & (second + third < 1 + 1e-6)
        value = at_corner[0] + second * (at_corner[1] - at_corner[0]) + third * (at_corner[2] - at_corner[0])
        total[y0 : y1 + 1, x0 : x1 + 1] += value * inside
        weight[y0 : y1 + 1, x0 : x1 + 1] += inside
    return np.clip(_filled(total, weight), 0.0, 1.0).astype(np.float32)


def _filled(total: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """total / weight, and where the weight is zero the value of the next coarser pyramid level that has one."""
    mean = total / np.maximum(weight, 1e-12)
    if (weight > 0).all() or len(total) % 2:
        return np.where(weight > 0, mean, 1.0)
    half = len(total) // 2

    def halved(array: np.ndarray) -> np.ndarray:
        return array.reshape(half, 2, half, 2).sum((1, 3))

    known = (weight > 0).astype(float)
    coarse = _filled(halved(mean * known), halved(known))
    return np.where(weight > 0, mean, np.repeat(np.repeat(coarse, 2, 0), 2, 1))
