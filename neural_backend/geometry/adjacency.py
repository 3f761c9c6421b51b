"""Who touches whom in a mesh: edges, neighbours, Laplacians. Topology only depends on indices, so it is numpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sparse
from scipy.sparse import csgraph


@dataclass(frozen=True)
class Edges:
    """Every undirected edge of a triangle mesh once."""

    vertices: np.ndarray  # [E, 2] int64, smaller id first
    opposite: np.ndarray  # [E, 2] int64: the third vertex of the first and second triangle; -1 on a boundary
    triangles: np.ndarray  # [E, 2] int64: the triangles on both sides; -1 on a boundary

    @property
    def boundary(self) -> np.ndarray:  # [E] bool
        return self.triangles[:, 1] < 0


def find_edges(triangles: np.ndarray) -> Edges:
    """Edges of [F, 3] triangles. Where more than two triangles meet in an edge, the first two are kept."""
    triangles = np.asarray(triangles, np.int64)
    if triangles.ndim != 2 or triangles.shape[1] != 3:
        raise ValueError(f"Triangles must be [F, 3], not {triangles.shape}: triangulate the mesh first.")
    count = len(triangles)
    pair = np.sort(np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), axis=1)
    opposite = np.concatenate([triangles[:, 2], triangles[:, 0], triangles[:, 1]])
    owner = np.tile(np.arange(count), 3)
    # A quad written as a triangle repeats its last vertex; its second triangle has edges of no length.
    real = pair[:, 0] != pair[:, 1]
    pair, opposite, owner = pair[real], opposite[real], owner[real]
    order = np.lexsort((owner, pair[:, 1], pair[:, 0]))
    pair, opposite, owner = pair[order], opposite[order], owner[order]
    new = np.ones(len(pair), bool)
    new[1:] = (pair[1:] != pair[:-1]).any(1)
    first = np.flatnonzero(new)
    shared = np.diff(np.append(first, len(pair))) > 1
    second = np.minimum(first + 1, len(pair) - 1)
    return Edges(
        pair[first],
        np.stack([opposite[first], np.where(shared, opposite[second], -1)], 1),
        np.stack([owner[first], np.where(shared, owner[second], -1)], 1),
    )


def vertex_neighbours(triangles: np.ndarray, vertex_count: int) -> sparse.csr_matrix:
    """[V, V] symmetric matrix with 1 where two vertices share an edge."""
    edges = find_edges(triangles).vertices
    row = np.concatenate([edges[:, 0], edges[:, 1]])
    column = np.concatenate([edges[:, 1], edges[:, 0]])
    ones = np.ones(len(row), np.float32)
    return sparse.csr_matrix((ones, (row, column)), shape=(vertex_count, vertex_count))


def uniform_laplacian(triangles: np.ndarray, vertex_count: int) -> sparse.csr_matrix:
    """[V, V] vertex minus the mean of its neighbours; rows of lone vertices are zero."""
    neighbours = vertex_neighbours(triangles, vertex_count)
    degree = np.asarray(neighbours.sum(1)).ravel()
    mean = sparse.diags(1.0 / np.maximum(degree, 1.0)) @ neighbours
    return (sparse.diags((degree > 0).astype(np.float32)) - mean).tocsr()


def cotangent_laplacian(
    vertices: np.ndarray,  # [V, 3]
    triangles: np.ndarray,  # [F, 3]
) -> tuple[sparse.csr_matrix, np.ndarray]:
    """The stiffness matrix [V, V] (positive semi-definite) and lumped areas [V] in the unit of the vertices squared.

    Cotangents are clamped at zero, which keeps the maximum principle (no negative weights) on obtuse triangles.
    """
    vertices = np.asarray(vertices, np.float64)
    rows, columns, values = [], [], []
    for corner in range(3):
        tip, a, b = (triangles[:, (corner + k) % 3] for k in range(3))
        u, v = vertices[a] - vertices[tip], vertices[b] - vertices[tip]
        cross = np.linalg.norm(np.cross(u, v), axis=1)
        half_cotangent = np.clip(0.5 * (u * v).sum(1) / np.maximum(cross, 1e-12), 0.0, 1e3)
        rows += [a, b]
        columns += [b, a]
        values += [half_cotangent, half_cotangent]
    count = len(vertices)
    weights = sparse.csr_matrix(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=(count, count)
    )
    stiffness = sparse.diags(np.asarray(weights.sum(1)).ravel()) - weights
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    third = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 6.0
    area = np.bincount(triangles.ravel(), np.repeat(third, 3), minlength=count)
    return stiffness.tocsr(), area


def connected_parts(triangles: np.ndarray, vertex_count: int) -> np.ndarray:
    """[V] the number of the connected part each vertex belongs to."""
    return csgraph.connected_components(vertex_neighbours(triangles, vertex_count), directed=False)[1]
