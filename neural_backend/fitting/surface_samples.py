"""Points of the skin where photometric fitting compares photo and model: positions, normals and their derivatives.

Normals come from the level-1 triangles around each sample, so their derivative with respect to every shape mode is
exact for the mesh that is shown.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from ..head.template import HeadTemplate
from .linear_points import LinearPoints

BROW_POINTS = range(17, 27)  # of the 68 landmarks
EYE_POINTS = range(36, 48)
MOUTH_POINTS = range(48, 68)
BROW_MARGIN_M = 0.006  # brows, lashes and lips have colours of their own: shading must not explain them
EYE_MARGIN_M = 0.003
FOREHEAD_M, CHIN_M = 0.045, 0.008  # above the eye corners, below the chin's lowest landmark
DEEPEST_M = 0.075  # behind the nose bridge: ears and the head's sides are left to silhouettes


@dataclass(frozen=True)
class SurfaceSamples:
    """M sample vertices and the small mesh around them."""

    vertex_ids: np.ndarray  # [M] level-1 vertex ids
    points: LinearPoints  # the U vertices of the small mesh
    own: np.ndarray  # [M] where each sample is among those U
    triangles: np.ndarray  # [T, 3] into the U vertices
    incidence: csr_matrix  # [M, T] one where the triangle touches the sample

    def __len__(self) -> int:
        return len(self.vertex_ids)

    @classmethod
    def on_face(cls, template: HeadTemplate, count: int) -> SurfaceSamples:
        """About `count` vertices spread evenly over the face's skin."""
        candidates = face_region(template)
        chosen = candidates[farthest_points(template.vertices[candidates].astype(np.float64), count)]
        level = template.levels[1]
        touched = np.isin(level.triangles, chosen).any(1)
        triangles = level.triangles[touched]
        used, local = np.unique(triangles, return_inverse=True)
        triangles = local.reshape(-1, 3)
        own = np.searchsorted(used, chosen)
        position = np.full(len(used), -1)
        position[own] = np.arange(len(chosen))
        rows = position[triangles]  # [T, 3]
        keep = rows >= 0
        incidence = csr_matrix(
            (np.ones(int(keep.sum()), np.float32), (rows[keep], np.nonzero(keep)[0])),
            shape=(len(chosen), len(triangles)),
        )
        return cls(chosen, LinearPoints.at_vertices(template, used), own, triangles, incidence)

    def normals(self, vertices: np.ndarray) -> np.ndarray:
        """[U, 3] -> [M, 3] unit normals of the samples."""
        summed = self.incidence @ _cross(*_edges(vertices.astype(np.float32), self.triangles))
        return summed / np.linalg.norm(summed, axis=1, keepdims=True)

    def normal_derivatives(self, vertices: np.ndarray, modes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """([U, 3], [N, U, 3] modes) -> ([M, 3] unit normals, [M, N, 3] how each mode turns them)."""
        first, second = _edges(vertices.astype(np.float32), self.triangles)
        summed = self.incidence @ _cross(first, second)
        length = np.linalg.norm(summed, axis=1, keepdims=True)
        normal = summed / length
        d_first, d_second = _edges(modes, self.triangles)
        d_face = _cross(d_first, second[None]) + _cross(first[None], d_second)  # [N, T, 3]
        count = len(modes)
        d_summed = self.incidence @ np.ascontiguousarray(d_face.transpose(1, 0, 2)).reshape(len(self.triangles), -1)
        d_summed = d_summed.reshape(len(self), count, 3)
        along = (d_summed * normal[:, None]).sum(-1, keepdims=True)
        return normal, (d_summed - normal[:, None] * along) / length[:, :, None]


def _edges(vertices: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    origin = vertices[..., triangles[:, 0], :]
    return vertices[..., triangles[:, 1], :] - origin, vertices[..., triangles[:, 2], :] - origin


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.stack(
        [
            a[..., 1] * b[..., 2] - a[..., 2] * b[..., 1],
            a[..., 2] * b[..., 0] - a[..., 0] * b[..., 2],
            a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0],
        ],
        -1,
    )


def landmark68_positions(template: HeadTemplate) -> np.ndarray:
    """[68, 3] on the mean head."""
    return np.einsum("lk,lkd->ld", template.landmarks68_barycentric, template.vertices[template.landmarks68_triangle])


def face_region(template: HeadTemplate) -> np.ndarray:
    """[n] level-1 vertices of the skin between forehead, jaw and temples, without brows, eye openings and mouth."""
    skin = np.setdiff1d(
        template.part_vertices("skin"),
        template.part_vertices("mouth_bag", "eye_socket_left", "eye_socket_right", "nostril"),
    )
    places = template.vertices[skin].astype(np.float64)
    marks = landmark68_positions(template)
    eyes_height = marks[list(EYE_POINTS), 1].mean()
    inside = (places[:, 1] < eyes_height + FOREHEAD_M) & (places[:, 1] > marks[8, 1] - CHIN_M)
    inside &= places[:, 2] > marks[27, 2] - DEEPEST_M
    for points, margin, closed in (
        (BROW_POINTS, BROW_MARGIN_M, False), (EYE_POINTS, EYE_MARGIN_M, True), (MOUTH_POINTS, EYE_MARGIN_M, True),
    ):  # fmt: skip
        groups = np.array_split(np.array(points), 1 if points is MOUTH_POINTS else 2)
        for group in groups:
            line = marks[group] if not closed else marks[np.append(group, group[0])]
            steps = np.linspace(0, 1, 12)[:, None]
            dense = np.concatenate([a + (b - a) * steps for a, b in itertools.pairwise(line)])
            inside &= np.sqrt(((places[:, None] - dense[None]) ** 2).sum(-1).min(1)) > margin
    normals = _skin_normals(template)[skin]
    return skin[inside & (normals[:, 2] > -0.2)]  # the undersides of nose and chin stay, the ears' backs go


def _skin_normals(template: HeadTemplate) -> np.ndarray:
    from ..geometry.normals import vertex_normals_numpy

    return vertex_normals_numpy(template.vertices, template.levels[1].triangles)


def farthest_points(points: np.ndarray, count: int) -> np.ndarray:
    """[n] ids of an even subset, greedy and deterministic."""
    count = min(count, len(points))
    chosen = np.empty(count, np.int64)
    chosen[0] = int(points[:, 2].argmax())
    distance = np.full(len(points), np.inf)
    for index in range(1, count):
        distance = np.minimum(distance, ((points - points[chosen[index - 1]]) ** 2).sum(1))
        chosen[index] = int(distance.argmax())
    return np.sort(chosen)
