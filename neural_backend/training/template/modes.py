"""Carries ICT's identity and expression modes to the registered cut.

Lips, lids and nostrils take them from their own ICT edge (so that each lip keeps to its side), the rest of the skin
from the closest same-facing triangle, and what ICT does not have from a bi-Laplacian fill. Identity modes are made
orthogonal again per parity class, so that symmetric modes stay exactly symmetric.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu

from .correspondence import Matches
from .cut import MOUTH_BAG, SKIN, Cut
from .registration import IctSurfaces
from .sources import IctModel
from .topology import Topology, triangles_of, uniform_laplacian, vertex_normals

log = logging.getLogger(__name__)

_FLIP = np.array([-1.0, 1.0, 1.0], np.float32)
#: ICT's expressions carry noise on unrelated vertices: displacements fade in between these lengths (cm).
_NOISE_LOW, _NOISE_HIGH = 0.002, 0.006
_NOISE_FLOOR = 0.003  # cm; shorter displacements are dropped after the transfer
_EYE_LOOPS_MOVING_WITH_BALL = range(15, 21)
_BAG_GATE = 0.25  # cm; bag vertices further than this from ICT's mouth socket are filled in


@dataclass(frozen=True)
class Modes:
    """Linear modes of one level, cm."""

    identity: np.ndarray  # [100, V, 3] float32 in order of variance; coefficients N(0, 1)
    identity_parity: np.ndarray  # [100] +1 symmetric, -1 antisymmetric
    identity_rms: np.ndarray  # [100] area-weighted RMS on the skin, cm
    ict_identity: np.ndarray  # [100, 100] row k: the ICT coefficients of mode k
    expression: dict[str, np.ndarray]  # ICT name -> [V, 3]
    eye_centre_modes: np.ndarray  # [100, 2, 3] how the eyeballs (left, right) move with identity

    def mapped(self, change: Callable[[np.ndarray], np.ndarray]) -> Modes:
        """The same with a linear map applied to every displacement field."""
        identity = np.stack([change(mode) for mode in self.identity]).astype(np.float32)
        expression = {}
        for name, shape in self.expression.items():
            shape = change(shape)
            shape[np.linalg.norm(shape, axis=1) < _NOISE_FLOOR] = 0
            expression[name] = shape.astype(np.float32)
        return replace(self, identity=identity, expression=expression)


class Transfer:
    """A linear map from displacements of ICT's vertices to displacements of the cut's."""

    def __init__(self, cut: Cut, points: np.ndarray, ict: IctModel, matches: Matches, surfaces: IctSurfaces) -> None:
        count = len(points)
        self.cut = cut
        rows: list[np.ndarray] = []
        known = np.zeros(count, bool)

        def carry(ids: np.ndarray, sources: np.ndarray, weights: np.ndarray) -> None:
            rows.append(np.stack([np.repeat(ids, sources.shape[1]), sources.ravel(), weights.ravel()]))
            known[ids] = True

        edges = matches.edges()
        ends = np.array([edge[:2] for edge in edges.values()])
        t = np.array([edge[2] for edge in edges.values()])
        carry(np.array(list(edges)), ends, np.stack([1 - t, t], 1))
        normals = vertex_normals(points, triangles_of(cut.quads))
        skin = np.flatnonzero((cut.label == SKIN) & ~known)
        found = surfaces.skin.closest(points[skin], normals[skin], k=40)
        carry(skin, found.triangle, found.barycentric)
        bag = np.flatnonzero((cut.label == MOUTH_BAG) & ~known)
        found = surfaces.bag.closest(points[bag], normals[bag], k=40, cosine=0.5)
        near = found.facing & (found.distance < _BAG_GATE)
        carry(bag[near], found.triangle[near], found.barycentric[near])
        self.eyeballs = {side: ict.part_vertices[f"eyeball_{side[0]}"] for side in ("left", "right")}
        self.behind_lids = {side: _socket_back(cut, side) for side in ("left", "right")}
        for ids in self.behind_lids.values():
            known[ids] = True
        row, column, value = np.concatenate(rows, axis=1)
        self.matrix = sp.coo_matrix(
            (value, (row.astype(int), column.astype(int))), shape=(count, len(ict.vertices))
        ).tocsr()
        self.free, self.fixed = np.flatnonzero(~known), np.flatnonzero(known)
        laplacian = uniform_laplacian(cut.quads, count)
        bilaplacian = (laplacian.T @ laplacian).tocsr()
        self._coupling = bilaplacian[self.free][:, self.fixed]
        self._solver = splu((bilaplacian[self.free][:, self.free] + 1e-9 * sp.eye(len(self.free))).tocsc())

    def __call__(self, displacement: np.ndarray, with_eyeballs: bool) -> np.ndarray:
        """[V, 3] from [V_ict, 3]; the sockets' backs follow the eyeballs or stay."""
        result = np.asarray(self.matrix @ displacement, np.float64)
        for side, ids in self.behind_lids.items():
            result[ids] = displacement[self.eyeballs[side]].mean(0) if with_eyeballs else 0
        result[self.free] = -self._solver.solve(np.asarray(self._coupling @ result[self.fixed]))
        return result


def _socket_back(cut: Cut, side: str) -> np.ndarray:
    loops = [cut.curves[f"eye_{side}_{index:02d}"] for index in _EYE_LOOPS_MOVING_WITH_BALL]
    deep = Topology(cut.quads).flood(loops[-1].tolist(), loops[-2].tolist())
    return np.array(sorted(deep.union(*(loop.tolist() for loop in loops))))


def paired(name: str) -> str:
    """The ICT expression on the other side."""
    if name.endswith(("_L", "_R")):
        return name[:-1] + ("R" if name.endswith("L") else "L")
    return {"jawLeft": "jawRight", "jawRight": "jawLeft", "mouthLeft": "mouthRight", "mouthRight": "mouthLeft"}.get(
        name, name
    )


def transfer_modes(cut: Cut, points: np.ndarray, ict: IctModel, transfer: Transfer) -> Modes:
    """Identity and expression modes at one level."""
    mirror, flip = cut.mirror, _FLIP
    identity = np.zeros((len(ict.identity), len(points), 3), np.float32)
    eyes = np.zeros((len(ict.identity), 2, 3))
    for k, (mode, parity) in enumerate(zip(ict.identity, ict.identity_parity, strict=True)):
        source = 0.5 * (mode + parity * mode[ict.mirror] * flip)
        moved = transfer(source, with_eyeballs=True)
        identity[k] = 0.5 * (moved + parity * moved[mirror] * flip)
        left, right = (source[transfer.eyeballs[side]].mean(0) for side in ("left", "right"))
        eyes[k, 0] = 0.5 * (left + parity * right * flip)
        eyes[k, 1] = parity * eyes[k, 0] * flip
    raw = {}
    for name, shape in zip(ict.expression_names, ict.expression, strict=True):
        length = np.linalg.norm(shape, axis=1)
        fade = np.clip((length - _NOISE_LOW) / (_NOISE_HIGH - _NOISE_LOW), 0, 1)
        raw[name] = transfer(shape * (fade * fade * (3 - 2 * fade))[:, None], with_eyeballs=False)
    expression = {}
    for name, shape in raw.items():
        both = 0.5 * (shape + raw[paired(name)][mirror] * flip)
        both[np.linalg.norm(both, axis=1) < _NOISE_FLOOR] = 0
        expression[name] = both.astype(np.float32)
    return _orthogonalised(cut, points, identity, ict.identity_parity, expression, eyes)


def _orthogonalised(cut, points, identity, parity, expression, eyes) -> Modes:
    weight = np.sqrt(vertex_areas(points, cut.quads) * (cut.label == SKIN))
    weight /= np.linalg.norm(weight)
    weighted = (identity * weight[None, :, None].astype(np.float32)).reshape(len(identity), -1).astype(np.float64)
    rows, scales, parities = [], [], []
    for sign in (1, -1):
        own = np.flatnonzero(parity == sign)
        u, s, _ = np.linalg.svd(weighted[own], full_matrices=False)
        for column in range(len(own)):
            row = np.zeros(len(parity))
            row[own] = u[:, column]
            rows.append(row)
            scales.append(s[column])
            parities.append(sign)
    order = np.argsort(-np.array(scales))
    basis = np.array(rows)[order]
    modes = np.tensordot(basis.astype(np.float32), identity, 1)
    # A mode's sign is free: the largest coefficient on ICT's modes is made positive, so that builds agree.
    sign = np.sign(basis[np.arange(len(basis)), np.abs(basis).argmax(1)])
    return Modes(
        modes * sign[:, None, None].astype(np.float32), np.array(parities)[order], np.array(scales)[order],
        basis * sign[:, None], expression, np.tensordot(basis * sign[:, None], eyes, 1),
    )  # fmt: skip


def vertex_areas(points: np.ndarray, quads: np.ndarray) -> np.ndarray:
    """[V] a quarter of each adjacent quad's area."""
    corners = points[quads]
    area = 0.5 * np.linalg.norm(np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1]), axis=1)
    result = np.zeros(len(points))
    for corner in range(4):
        np.add.at(result, quads[:, corner], area / 4)
    return result
