"""Quad-mesh topology: neighbours, edge loops, floods, and one step of topological subdivision."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp


class Topology:
    """Adjacency of a mesh of quads and triangles (a negative id marks a triangle's missing corner)."""

    def __init__(self, quads: np.ndarray) -> None:  # [F, 4] int
        self.quads: list[list[int]] = [[vertex for vertex in quad if vertex >= 0] for quad in quads.tolist()]
        self.edge_faces: dict[tuple[int, int], list[int]] = defaultdict(list)
        self.neighbours: dict[int, set[int]] = defaultdict(set)
        for face, quad in enumerate(self.quads):
            for a, b in zip(quad, quad[1:] + quad[:1], strict=True):
                self.edge_faces[min(a, b), max(a, b)].append(face)
                self.neighbours[a].add(b)
                self.neighbours[b].add(a)

    def _straight_on(self, before: int, at: int) -> int | None:
        """The vertex across a regular (four-valent) vertex; None where the loop ends."""
        around = self.neighbours[at]
        if len(around) != 4:
            return None
        faces = set(self.edge_faces[min(before, at), max(before, at)])
        for candidate in around:
            if candidate != before and not faces & set(self.edge_faces[min(at, candidate), max(at, candidate)]):
                return candidate
        return None

    def loop(self, first: int, second: int, most: int = 400) -> list[int]:
        """The closed edge loop through the edge (first, second).

        Raises:
            ValueError: the loop does not close within `most` vertices.
        """
        loop = [first, second]
        while len(loop) < most:
            following = self._straight_on(loop[-2], loop[-1])
            if following is None:
                break
            if following == loop[0]:
                return loop
            loop.append(following)
        raise ValueError(
            f"The edge loop through {first}-{second} does not close; the source mesh is not the expected one."
        )

    def flood(self, seeds: Iterable[int], barrier: Iterable[int]) -> set[int]:
        """All vertices reachable from `seeds` without entering `barrier`; seeds are included."""
        wall = set(barrier)
        seen = set(seeds)
        stack = list(seen)
        while stack:
            for vertex in self.neighbours[stack.pop()]:
                if vertex not in seen and vertex not in wall:
                    seen.add(vertex)
                    stack.append(vertex)
        return seen

    def boundaries(self) -> list[list[int]]:
        """Boundary loops, each in the winding of its faces."""
        following: dict[int, int] = {}
        for quad in self.quads:
            for a, b in zip(quad, quad[1:] + quad[:1], strict=True):
                if len(self.edge_faces[min(a, b), max(a, b)]) == 1:
                    following[a] = b
        loops: list[list[int]] = []
        unused = set(following)
        while unused:
            start = min(unused)
            loop = [start]
            unused.discard(start)
            while (vertex := following[loop[-1]]) in unused:
                loop.append(vertex)
                unused.discard(vertex)
            loops.append(loop)
        return loops


def edges_of(quads: np.ndarray) -> np.ndarray:
    """[E, 2] unique undirected edges of [F, 4] quads, sorted."""
    pairs = np.concatenate([quads[:, [0, 1]], quads[:, [1, 2]], quads[:, [2, 3]], quads[:, [3, 0]]])
    pairs = np.sort(pairs, axis=1)
    return np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)


def triangles_of(quads: np.ndarray) -> np.ndarray:
    """[T, 3] triangles of quads; a triangle is marked by a negative or repeated last corner."""
    second = quads[(quads[:, 3] >= 0) & (quads[:, 3] != quads[:, 2])]
    return np.concatenate([quads[:, [0, 1, 2]], second[:, [0, 2, 3]]])


def adjacency(quads: np.ndarray, count: int) -> sp.csr_matrix:
    """[count, count] neighbour matrix of ones."""
    edges = edges_of(quads)
    rows, columns = np.concatenate([edges[:, 0], edges[:, 1]]), np.concatenate([edges[:, 1], edges[:, 0]])
    return sp.coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(count, count)).tocsr()


def averaging(quads: np.ndarray, count: int) -> sp.csr_matrix:
    """[count, count] the mean of a vertex's neighbours (rows sum to one)."""
    around = adjacency(quads, count)
    return (sp.diags(1 / np.maximum(np.asarray(around.sum(1)).ravel(), 1)) @ around).tocsr()


def uniform_laplacian(quads: np.ndarray, count: int) -> sp.csr_matrix:
    """[count, count] mean of the neighbours minus the vertex."""
    return (averaging(quads, count) - sp.eye(count)).tocsr()


def vertex_normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """[V, 3] area-weighted unit normals."""
    corners = vertices[triangles]
    face = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(normals, triangles[:, corner], face)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


@dataclass(frozen=True)
class Subdivision:
    """One topological subdivision: old vertices keep their ids, then one per edge, then one per face."""

    quads: np.ndarray  # [4F, 4]
    edges: np.ndarray  # [E, 2] vertex V + e lies on edge e
    faces: np.ndarray  # [F, 4] vertex V + E + f lies in face f
    count: int  # V of the coarse mesh

    @classmethod
    def of(cls, quads: np.ndarray, count: int) -> Subdivision:
        edges = edges_of(quads)
        place = {tuple(edge): count + index for index, edge in enumerate(edges.tolist())}
        first_face = count + len(edges)
        fine: list[list[int]] = []
        for index, (a, b, c, d) in enumerate(quads.tolist()):
            middle = first_face + index
            ab, bc, cd, da = (place[min(p, q), max(p, q)] for p, q in ((a, b), (b, c), (c, d), (d, a)))
            fine += [[a, ab, middle, da], [b, bc, middle, ab], [c, cd, middle, bc], [d, da, middle, cd]]
        return cls(np.array(fine), edges, quads, count)

    def edge_vertex(self, a: int, b: int) -> int:
        """The new vertex on the edge (a, b)."""
        return self._edge_index[min(a, b), max(a, b)]

    @property
    def _edge_index(self) -> dict[tuple[int, int], int]:
        if not hasattr(self, "_cache"):
            table = {tuple(edge): self.count + index for index, edge in enumerate(self.edges.tolist())}
            object.__setattr__(self, "_cache", table)
        return self._cache

    def linear(self, values: np.ndarray) -> np.ndarray:
        """Values [V, ...] of the coarse mesh at all fine vertices by averaging edge ends and face corners."""
        return np.concatenate([values, values[self.edges].mean(1), values[self.faces].mean(1)])

    def mirror(self, mirror: np.ndarray) -> np.ndarray:
        """[V'] mirror map of the fine mesh from the coarse one's."""
        edge = [self.edge_vertex(mirror[a], mirror[b]) for a, b in self.edges.tolist()]
        first = self.count + len(self.edges)
        face_of = {tuple(sorted(quad)): first + index for index, quad in enumerate(self.faces.tolist())}
        face = [face_of[tuple(sorted(mirror[quad].tolist()))] for quad in self.faces]
        return np.concatenate([mirror, edge, face]).astype(np.int64)

    def loop(self, loop: np.ndarray) -> np.ndarray:
        """A closed loop of the coarse mesh with the new vertices between."""
        following = np.roll(loop, -1)
        return np.array([v for a, b in zip(loop.tolist(), following.tolist(), strict=True)
                         for v in (a, self.edge_vertex(a, b))])  # fmt: skip
