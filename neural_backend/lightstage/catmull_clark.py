"""One step of Catmull-Clark subdivision as a sparse matrix, in the vertex order of the template's level 1.

Level 1 orders its skin vertices: the vertices of level 0, one per edge (edges sorted by their two vertex ids), one per
quad. Catmull and Clark, "Recursively generated B-spline surfaces on arbitrary topological meshes", 1978; boundary edges
and vertices follow the cubic B-spline of the boundary.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse


@dataclass(frozen=True)
class Subdivision:
    """The finer mesh and the matrix that places its vertices."""

    matrix: sparse.csr_matrix  # [V + E + F, V]; fine vertices = matrix @ coarse vertices
    quads: np.ndarray  # [4F, 4] int64
    edges: np.ndarray  # [E, 2] int64, each row ascending, rows in ascending order


def edges_of(quads: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Edges of a quad mesh, the edge of each quad side, and how many quads meet at each edge.

    Args:
        quads: [F, 4] vertex ids.

    Returns:
        [E, 2] ascending edges; [F, 4] id of the edge from corner k to corner k + 1; [E] number of quads.
    """
    sides = np.stack([quads, np.roll(quads, -1, axis=1)], axis=-1)  # [F, 4, 2]
    edges, inverse, counts = np.unique(
        np.sort(sides.reshape(-1, 2), axis=1), axis=0, return_inverse=True, return_counts=True
    )
    return edges, inverse.reshape(quads.shape), counts


def catmull_clark(quads: np.ndarray, vertex_count: int) -> Subdivision:
    """Build one Catmull-Clark step for a mesh of quads that may have boundaries.

    Args:
        quads: [F, 4] vertex ids below `vertex_count`.
        vertex_count: number of coarse vertices, each used by at least one quad.
    """
    edges, quad_edges, edge_quads = edges_of(quads)
    face_count, edge_count = len(quads), len(edges)
    faces = sparse.csr_matrix(
        (np.full(quads.size, 0.25), (np.repeat(np.arange(face_count), 4), quads.ravel())), (face_count, vertex_count)
    )
    middles = sparse.csr_matrix(
        (np.full(edges.size, 0.5), (np.repeat(np.arange(edge_count), 2), edges.ravel())), (edge_count, vertex_count)
    )
    faces_at_edge = sparse.csr_matrix(
        (np.ones(quads.size), (quad_edges.ravel(), np.repeat(np.arange(face_count), 4))), (edge_count, face_count)
    )
    boundary_edge = edge_quads == 1
    inner_edge = sparse.diags((~boundary_edge).astype(float))
    # An inner edge point is the mean of the edge's ends and of the two face points beside it.
    edge_points = (
        inner_edge @ (0.5 * middles + 0.25 * faces_at_edge @ faces) + sparse.diags(boundary_edge * 1.0) @ middles
    )

    ends = sparse.csr_matrix(
        (np.ones(edges.size), (edges.ravel(), np.repeat(np.arange(edge_count), 2))), (vertex_count, edge_count)
    )
    corners = sparse.csr_matrix(
        (np.ones(quads.size), (quads.ravel(), np.repeat(np.arange(face_count), 4))), (vertex_count, face_count)
    )
    valence = np.asarray(ends.sum(1)).ravel()
    faces_met = np.asarray(corners.sum(1)).ravel()
    boundary_vertex = np.zeros(vertex_count, bool)
    boundary_vertex[edges[boundary_edge]] = True
    # (Q + 2 R + (n - 3) S) / n with Q the mean face point, R the mean edge middle, S the vertex itself.
    n = np.maximum(valence, 1)
    inner = (
        sparse.diags(1 / (n * np.maximum(faces_met, 1))) @ corners @ faces
        + sparse.diags(2 / n**2) @ ends @ middles
        + sparse.diags((n - 3) / n)
    )
    # The boundary's cubic B-spline: 1/8, 6/8, 1/8; written through the two edge middles it is 1/2 S + 1/4 (M1 + M2).
    rim = 0.5 * sparse.identity(vertex_count) + 0.25 * ends @ sparse.diags(boundary_edge * 1.0) @ middles
    vertex_points = sparse.diags((~boundary_vertex).astype(float)) @ inner + sparse.diags(boundary_vertex * 1.0) @ rim

    edge_id = vertex_count + quad_edges  # [F, 4]
    centre = vertex_count + edge_count + np.arange(face_count)
    children = [
        np.stack([quads[:, k], edge_id[:, k], centre, edge_id[:, (k - 1) % 4]], axis=1) for k in range(4)
    ]  # 4 x [F, 4]
    return Subdivision(
        matrix=sparse.vstack([vertex_points, edge_points, faces]).tocsr(),
        quads=np.stack(children, axis=1).reshape(-1, 4),
        edges=edges,
    )
