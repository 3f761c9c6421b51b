"""Straightens the mesh of the lids: vertices slide along their own rings until the rings stand across each other.

Matching by arc length starts at each loop's own outermost vertex, and that is not the same vertex on every loop: round
the outer canthus the quads come out sheared, down to a few degrees. Sliding keeps each ring where it is.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from .cut import Cut
from .topology import Topology

_LOOPS = range(3, 17)
_ROUNDS, _STEP = 400, 0.35
_MARGIN, _EVEN = (8, 11), 0.7  # front and rear edge of the margin; how far its rings are evened out
_ALONG_SHARE = 0.35  # how much even spacing counts beside standing across
_ROOM = 0.2  # of the spacing: how far one round may move a vertex, so that the order along the ring is kept


class LidSpacing:
    """A linear map that moves level-1 fields [V, 3] (positions or displacements) with the sliding vertices."""

    def __init__(self, coarse: Cut, fine: Cut, points: np.ndarray) -> None:
        rings = _rings(coarse, fine)  # [R, n]
        first, share = _slid(points, rings)
        ids = rings[1:-1].ravel()
        a = np.take_along_axis(rings[1:-1], first, 1).ravel()
        b = np.take_along_axis(rings[1:-1], (first + 1) % rings.shape[1], 1).ravel()
        t = share.ravel()
        rows, columns, values = [], [], []
        for side in (np.arange(len(points)), fine.mirror):  # the right eye as the left one's mirror image
            rows += [side[ids], side[ids], side[ids]]
            columns += [side[a], side[b], side[ids]]
            values += [1 - t, t, np.full(len(t), -1.0)]
        change = sp.coo_matrix(
            (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=(len(points),) * 2
        )
        self.matrix = (_even_margin(rings, len(points), fine.mirror) @ (sp.eye(len(points)) + change)).tocsr()

    def __call__(self, values: np.ndarray) -> np.ndarray:
        return self.matrix @ np.asarray(values, np.float64)


def _even_margin(rings: np.ndarray, count: int, mirror: np.ndarray) -> sp.csr_matrix:
    """Spreads the rings of the lid margin evenly between its front and its rear edge: the margin is flat."""
    front, rear = (2 * (edge - _LOOPS[0]) for edge in _MARGIN)
    rows, columns, values = [], [], []
    for ring in range(front + 1, rear):
        share = (ring - front) / (rear - front)
        for side in (np.arange(count), mirror):
            own = side[rings[ring]]
            rows += [own] * 3
            columns += [own, side[rings[front]], side[rings[rear]]]
            values += [np.full(len(own), value) for value in (-_EVEN, _EVEN * (1 - share), _EVEN * share)]
    change = sp.coo_matrix(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=(count, count)
    )
    return (sp.eye(count) + change).tocsr()


def _rings(coarse: Cut, fine: Cut) -> np.ndarray:
    """[R, n] level-1 rings round the left eye, from outside in; equal columns are neighbours."""
    mesh = Topology(coarse.quads)
    loops = [coarse.curves[f"eye_left_{_LOOPS[0]:02d}"].tolist()]
    for number in _LOOPS[1:]:
        following = set(coarse.curves[f"eye_left_{number:02d}"].tolist())
        loops.append([next(iter(mesh.neighbours[vertex] & following)) for vertex in loops[-1]])
    step = fine.subdivision
    middle = {tuple(sorted(quad)): step.count + len(step.edges) + f for f, quad in enumerate(step.faces.tolist())}
    count = len(loops[0])
    rings = []
    for k, loop in enumerate(loops):
        rings.append([v for i in range(count) for v in (loop[i], step.edge_vertex(loop[i], loop[(i + 1) % count]))])
        if k + 1 < len(loops):
            inner, ring = loops[k + 1], []
            for i in range(count):
                j = (i + 1) % count
                ring += [
                    step.edge_vertex(loop[i], inner[i]),
                    middle[tuple(sorted((loop[i], loop[j], inner[i], inner[j])))],
                ]
            rings.append(ring)
    return np.array(rings)


def _slid(points: np.ndarray, rings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the vertices of all rings but the outermost and innermost end up: column and share to the next."""
    closed = points[np.concatenate([rings, rings[:, :1]], 1)]  # [R, n + 1, 3]
    length = np.linalg.norm(np.diff(closed, axis=1), axis=2).cumsum(1)
    length = np.concatenate([np.zeros((len(rings), 1)), length], 1)
    at = length[:, :-1].copy()

    def place() -> np.ndarray:  # [R, n, 3]
        s = at % length[:, -1:]
        return np.stack(
            [[np.interp(s[k], length[k], closed[k, :, axis]) for axis in range(3)] for k in range(len(rings))]
        ).transpose(0, 2, 1)

    for _ in range(_ROUNDS):
        here = place()
        tangent = np.roll(here, -1, 1) - np.roll(here, 1, 1)
        tangent /= np.maximum(np.linalg.norm(tangent, axis=2, keepdims=True), 1e-12)
        across = 0.5 * (here[2:] + here[:-2]) - here[1:-1]
        even = 0.5 * (np.roll(here, -1, 1) + np.roll(here, 1, 1)) - here
        move = _STEP * ((across + _ALONG_SHARE * even[1:-1]) * tangent[1:-1]).sum(2)
        spacing = np.diff(np.concatenate([at, at[:, :1] + length[:, -1:]], 1), axis=1)
        room = _ROOM * np.minimum(spacing, np.roll(spacing, 1, 1))[1:-1]
        at[1:-1] += np.clip(move, -room, room)
    s = (at % length[:, -1:])[1:-1]
    column = np.stack([np.searchsorted(length[k + 1], s[k], side="right") - 1 for k in range(len(s))])
    column = np.clip(column, 0, rings.shape[1] - 1)
    start, end = (np.take_along_axis(length[1:-1], column + extra, 1) for extra in (0, 1))
    return column, (s - start) / np.maximum(end - start, 1e-12)
