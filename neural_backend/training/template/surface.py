"""Closest points on a triangle mesh, with a test that the surfaces face the same way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from .topology import triangles_of, vertex_normals


@dataclass(frozen=True)
class Closest:
    """Closest points of n queries."""

    point: np.ndarray  # [n, 3]
    normal: np.ndarray  # [n, 3] of the triangle
    distance: np.ndarray  # [n]
    facing: np.ndarray  # [n] bool: the triangle's normal agrees with the query's
    triangle: np.ndarray  # [n, 3] vertex ids
    barycentric: np.ndarray  # [n, 3]


class Surface:
    """A triangle mesh to ask for closest points."""

    def __init__(self, vertices: np.ndarray, faces: np.ndarray) -> None:
        self.vertices = vertices
        self.triangles = triangles_of(faces)
        self.vertex_normals = vertex_normals(vertices, self.triangles)
        corners = vertices[self.triangles]
        normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        self.normals = normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
        self._tree = cKDTree(corners.mean(1))
        self.used = np.unique(self.triangles)

    def closest(self, points: np.ndarray, normals: np.ndarray | None, k: int = 24, cosine: float = 0.3) -> Closest:
        """Closest point among the k triangles with the nearest centres that face like `normals`.

        Where none faces that way the nearest is returned with `facing` False.
        """
        _, near = self._tree.query(points, k=min(k, len(self.triangles)))
        found, bary = closest_on_triangles(points[:, None], self.vertices[self.triangles[near]])
        distance = np.linalg.norm(found - points[:, None], axis=2)
        if normals is None:
            facing = np.ones_like(distance, bool)
        else:
            facing = (self.normals[near] * normals[:, None]).sum(2) > cosine
        best = np.where(facing, distance, distance + 1e3).argmin(1)
        rows = np.arange(len(points))
        return Closest(
            found[rows, best], self.normals[near[rows, best]], distance[rows, best], facing[rows, best],
            self.triangles[near[rows, best]], bary[rows, best],
        )  # fmt: skip


def closest_on_triangles(points: np.ndarray, corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Closest points [..., 3] on triangles [..., 3, 3] and their barycentrics (Ericson, "Real-Time Collision")."""
    a, b, c = corners[..., 0, :], corners[..., 1, :], corners[..., 2, :]
    ab, ac = b - a, c - a

    def dot(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return (x * y).sum(-1)

    def ratio(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return x / np.where(np.abs(y) < 1e-20, 1e-20, y)

    d1, d2 = dot(ab, points - a), dot(ac, points - a)
    d3, d4 = dot(ab, points - b), dot(ac, points - b)
    d5, d6 = dot(ab, points - c), dot(ac, points - c)
    va, vb, vc = d3 * d6 - d5 * d4, d5 * d2 - d1 * d6, d1 * d4 - d3 * d2
    total = va + vb + vc
    v, w = ratio(vb, total), ratio(vc, total)
    bary = np.stack([1 - v - w, v, w], -1)
    zero, one = np.zeros_like(v), np.ones_like(v)

    def where(mask: np.ndarray, *weights: np.ndarray) -> None:
        bary[mask] = np.stack(np.broadcast_arrays(*weights), -1)[mask]

    t = np.clip(ratio(d4 - d3, (d4 - d3) + (d5 - d6)), 0, 1)
    where((va <= 0) & (d4 - d3 >= 0) & (d5 - d6 >= 0), zero, 1 - t, t)
    t = np.clip(ratio(d2, d2 - d6), 0, 1)
    where((vb <= 0) & (d2 >= 0) & (d6 <= 0), 1 - t, zero, t)
    t = np.clip(ratio(d1, d1 - d3), 0, 1)
    where((vc <= 0) & (d1 >= 0) & (d3 <= 0), 1 - t, t, zero)
    where((d6 >= 0) & (d5 <= d6), zero, zero, one)
    where((d3 >= 0) & (d4 <= d3), zero, one, zero)
    where((d1 <= 0) & (d2 <= 0), one, zero, zero)
    return (bary[..., None] * corners).sum(-2), bary
