"""Half-edge collapse of a triangle mesh: a subset of its vertices remains, with all that is bound to them.

Quadric errors (Garland and Heckbert 1997, "Surface simplification using quadric error metrics") are summed over several
poses of the same mesh: a vertex that is spare at rest and needed in an open jaw is not spare.
"""

from __future__ import annotations

import heapq
from collections import defaultdict

import numpy as np

#: Least cosine between a triangle's normals before and after one collapse, at rest; in other poses it must not flip.
_LEAST_TURN = 0.35
#: Weight of the planes that hold borders, seams and the midline where they are.
_BORDER = 4.0
#: Weight of an edge's squared length: among equal errors the shorter edge goes, and triangles stay compact.
_LENGTH = 1e-2
#: Weight of how far the surface's direction changes along the edge, times the square of the area that changes it:
#: shading shows it before the outline does.
_SHADING = 0.05


class Collapse:
    """One part of the mesh under collapse.

    Args:
        poses: [P, V, 3] positions, the neutral one first.
        triangles: [F, 3] vertex ids.
        corners: [F, 3] UV ids.
        uv: [T, 2].
        part: [F] what may not mix: an edge between two parts stays an edge between them.
        importance: [V] factor of each vertex's error.
        locked: [V] bool vertices that must stay.
        midline: [V] bool vertices of the mirror plane, whose own edges are the mesh's rim there.
    """

    def __init__(self, poses, triangles, corners, uv, part, importance, locked, midline) -> None:
        self.poses = np.ascontiguousarray(poses.transpose(1, 0, 2), float)  # [V, P, 3]
        self.homogeneous = np.concatenate([self.poses, np.ones((*self.poses.shape[:2], 1))], -1)
        self.uv, self.part, self.importance = uv, part, importance
        self.locked, self.midline = locked.copy(), midline
        self.triangles = {f: tuple(map(int, triangle)) for f, triangle in enumerate(triangles)}
        self.corners = {f: tuple(map(int, corner)) for f, corner in enumerate(corners)}
        self.faces: dict[int, set[int]] = defaultdict(set)
        for f, triangle in self.triangles.items():
            for v in triangle:
                self.faces[v].add(f)
        self.stamp = np.zeros(len(self.poses), int)
        self.quadrics = self._quadrics()
        self.normals, self.areas = self._shading()

    def run(self, wanted: int) -> None:
        """Collapse the cheapest edge until `wanted` vertices are left or none can go."""
        heap: list[tuple[float, int, int, int, int]] = []
        for u in list(self.faces):
            self._offer(heap, u)
        left = len(self.faces)
        while heap and left > wanted:
            cost, u, v, stamp_u, stamp_v = heapq.heappop(heap)
            if u not in self.faces or v not in self.faces or (self.stamp[u], self.stamp[v]) != (stamp_u, stamp_v):
                continue
            moved = self._moved_corners(u, v)
            if moved is None or not self._may(u, v, moved):
                continue
            ring = self._collapse(u, v, moved)
            left -= 1
            for w in ring:
                self.stamp[w] += 1
            for w in ring:
                self._offer(heap, w)

    def result(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """([F', 3] vertex ids, [F', 3] UV ids, [F'] which of the given faces each was)."""
        order = sorted(self.triangles)
        return (
            np.array([self.triangles[f] for f in order]),
            np.array([self.corners[f] for f in order]),
            np.array(order),
        )

    def _neighbours(self, u: int) -> set[int]:
        found = {v for f in self.faces[u] for v in self.triangles[f]}
        found.discard(u)
        return found

    def _corner(self, f: int, v: int) -> int:
        return self.corners[f][self.triangles[f].index(v)]

    def _kind(self, u: int, v: int) -> tuple | None:
        """What an edge borders on; None for an edge inside one part and one chart."""
        shared = self.faces[u] & self.faces[v]
        parts = tuple(sorted({int(self.part[f]) for f in shared}))
        seam = len({(self._corner(f, u), self._corner(f, v)) for f in shared}) > 1
        rim = len(shared) == 1
        if not (rim or seam or len(parts) > 1):
            return None
        return rim, rim and bool(self.midline[u] and self.midline[v]), seam, parts

    def _moved_corners(self, u: int, v: int) -> dict[int, int] | None:
        """UV ids of `u` -> the UV ids of `v` that replace them; None where a chart of `u` does not touch the edge."""
        moved: dict[int, int] = {}
        for f in self.faces[u] & self.faces[v]:
            a, b = self._corner(f, u), self._corner(f, v)
            if moved.setdefault(a, b) != b:
                return None
        if any(self._corner(f, u) not in moved for f in self.faces[u]):
            return None
        return moved

    def _may(self, u: int, v: int, moved: dict[int, int]) -> bool:
        if self.locked[u] or (self.midline[u] and not self.midline[v]):
            return False
        around = self._neighbours(u)
        kinds = [kind for w in around if (kind := self._kind(u, w)) is not None]
        if kinds and (len(kinds) != 2 or kinds[0] != kinds[1] or self._kind(u, v) is None):
            return False
        beside = self._neighbours(v)
        shared = self.faces[u] & self.faces[v]
        if len(around & beside) != len(shared) or len(self.faces[u]) == len(shared):
            return False
        if self.midline[v] and not self.midline[u] and any(self.midline[w] for w in around - beside - {v}):
            return False  # an edge through the plane: its mirror image would be the same edge
        return all(self._stays_upright(f, u, v, moved) for f in self.faces[u] - shared)

    def _stays_upright(self, f: int, u: int, v: int, moved: dict[int, int]) -> bool:
        before = self.triangles[f]
        after = tuple(v if w == u else w for w in before)
        a, b = self._normals(before), self._normals(after)
        lengths = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
        if np.linalg.norm(b[0]) < 1e-12:
            return False
        turn = (a * b).sum(-1) / np.maximum(lengths, 1e-20)
        if turn[0] < _LEAST_TURN or turn.min() < 0.0:
            return False
        old = self.corners[f]
        new = tuple(moved[c] if w == u else c for w, c in zip(before, old, strict=True))
        return _signed(self.uv[list(old)]) * _signed(self.uv[list(new)]) > 0.0

    def _normals(self, triangle: tuple[int, ...]) -> np.ndarray:  # [P, 3] twice the area long
        a, b, c = self.poses[list(triangle)]
        return np.cross(b - a, c - a)

    def _collapse(self, u: int, v: int, moved: dict[int, int]) -> set[int]:
        around = self._neighbours(u)
        for f in self.faces[u] & self.faces[v]:
            for w in self.triangles[f]:
                self.faces[w].discard(f)
            del self.triangles[f], self.corners[f]
        for f in self.faces.pop(u):
            self.corners[f] = tuple(
                moved[c] if w == u else c for w, c in zip(self.triangles[f], self.corners[f], strict=True)
            )
            self.triangles[f] = tuple(v if w == u else w for w in self.triangles[f])
            self.faces[v].add(f)
        self.quadrics[v] += self.quadrics[u]
        self.areas[v] += self.areas[u]
        return {w for w in around | {v} if w in self.faces}

    def _offer(self, heap: list, u: int) -> None:
        """Put every collapse of `u`, and every collapse into it, on the heap."""
        for v in self._neighbours(u):
            for a, b in ((u, v), (v, u)):
                if not self.locked[a]:
                    heapq.heappush(heap, (self._cost(a, b), a, b, int(self.stamp[a]), int(self.stamp[b])))

    def _cost(self, u: int, v: int) -> float:
        point = self.homogeneous[v]
        error = float(np.einsum("pi,pij,pj->", point, self.quadrics[u], point)) / len(point)
        length = self.poses[u, 0] - self.poses[v, 0]
        square = float(length @ length)
        turn = 1.0 - float(np.einsum("pi,pi->p", self.normals[u], self.normals[v]).min())
        area = float(self.areas[u])
        return float(self.importance[u]) * (error + _LENGTH * square * square + _SHADING * area * area * turn)

    def _shading(self) -> tuple[np.ndarray, np.ndarray]:
        """([V, P, 3] the vertices' normals, [V] the area round each at rest)."""
        normals, areas = np.zeros_like(self.poses), np.zeros(len(self.poses))
        for triangle in self.triangles.values():
            normal = self._normals(triangle)
            for v in triangle:
                normals[v] += normal
                areas[v] += float(np.linalg.norm(normal[0])) / 6
        return normals / np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-20), areas

    def _quadrics(self) -> np.ndarray:  # [V, P, 4, 4]
        count, poses = self.poses.shape[:2]
        quadrics = np.zeros((count, poses, 4, 4))
        for triangle in self.triangles.values():
            normal = self._normals(triangle)
            area = np.linalg.norm(normal, axis=-1, keepdims=True)  # [P, 1] twice the area
            normal = normal / np.maximum(area, 1e-20)
            self._add_plane(quadrics, triangle, normal, area / 6)
            for i in range(3):
                u, v = triangle[i], triangle[i - 1]
                if self._kind(u, v) is not None:
                    edge = self.poses[u] - self.poses[v]
                    across = np.cross(edge, normal)
                    length = np.linalg.norm(across, axis=-1, keepdims=True)
                    self._add_plane(quadrics, (u, v), across / np.maximum(length, 1e-20), _BORDER * length**2)
        return quadrics

    def _add_plane(self, quadrics: np.ndarray, vertices, normal: np.ndarray, weight: np.ndarray) -> None:
        offset = -(normal * self.poses[vertices[0]]).sum(-1, keepdims=True)
        plane = np.concatenate([normal, offset], -1)  # [P, 4]
        outer = weight[..., None] * plane[:, :, None] * plane[:, None, :]
        for v in vertices:
            quadrics[v] += outer


def _signed(uv: np.ndarray) -> float:  # [3, 2] twice the signed area
    a, b = uv[1] - uv[0], uv[2] - uv[0]
    return float(a[0] * b[1] - a[1] * b[0])
