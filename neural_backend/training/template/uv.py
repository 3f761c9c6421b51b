"""The skin's UV: one mirror-symmetric island with its seam down the back, and discs for the mouth bag and sockets.

Half the head is flattened: a Tutte embedding onto a half ellipse, then the symmetric Dirichlet energy (Smith,
Schaefer, "Bijective Parameterization with Free Boundaries", SIGGRAPH 2015) on a metric scaled by the wanted
texel density, so that
the face gets most of the square. A fan of scaffold triangles over the mouth opening keeps the lips apart.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import spsolve

from .cut import MOUTH_BAG, NOSTRIL, SKIN, SOCKET_LEFT, SOCKET_RIGHT, Cut
from .flattening import Problem, minimise, signed_areas
from .topology import Subdivision, Topology, edges_of

log = logging.getLogger(__name__)

_STRIP = 0.056  # height of the bottom strip below the island
#: Centre and radii of the discs: the bag in the strip, the sockets in the bottom corners that the island leaves free.
_DISCS = {
    MOUTH_BAG: ((0.5, 0.027), (0.2, 0.024)),
    SOCKET_LEFT: ((0.935, 0.065), (0.058, 0.058)),
    SOCKET_RIGHT: ((0.065, 0.065), (0.058, 0.058)),
}
_DISC_POWER = 0.45  # a Tutte disc of a deep cup crowds at its centre; radii are raised to this power
_MARGIN = 0.004
_FACE_DENSITY = 5.4  # texel density of the face relative to scalp (neck and ears below)
_EAR_DENSITY, _NECK_DENSITY, _NOSTRIL_DENSITY = 3.4, 0.7, 0.45
_FILL = 1.12  # asked share of the half square; the box and the energy settle at about 0.84
_SCAFFOLD_WEIGHT = 0.5
_JAW_SHARE = 0.45  # how far the jaw opens in the scaffold's rest shape


@dataclass(frozen=True)
class SkinUv:
    """UV of one level; faces on both sides of the seam have their own UV vertices."""

    uv: np.ndarray  # [T, 2]
    face_uv: np.ndarray  # [F, 4]


def in_face(points: np.ndarray) -> np.ndarray:
    """[n] bool: the region whose texel density is asked for (cm): forehead to chin, temple to temple."""
    return (points[:, 2] > 2.2) & (points[:, 1] > -8.4) & (points[:, 1] < 9.0)


def unwrap(cut: Cut, points: np.ndarray, jaw_open: np.ndarray) -> SkinUv:
    """UV of level 0.

    Args:
        cut: level 0.
        points: [V, 3] its registered positions, cm.
        jaw_open: [V, 3] displacement of jawOpen, cm.
    """
    half = _Half.of(cut, points)
    problem = _problem(half, points, jaw_open)
    flat = minimise(problem)
    return _assemble(cut, points, half, flat)


@dataclass(frozen=True)
class _Half:
    """The subject's left half of the main island, with its boundary split up."""

    ids: np.ndarray  # [n] level-0 vertex of each half vertex
    quads: np.ndarray  # [f, 4]
    points: np.ndarray  # [n, 3]
    label: np.ndarray  # [n]
    outline: list[int]  # rim front -> rim back -> seam up -> crown
    front: list[int]  # crown -> front midline down -> (lips) -> rim front
    on_axis: np.ndarray  # [n] bool: front midline, u = 0
    seam: np.ndarray  # [n] bool: back midline, cut open
    holes: list[list[int]]  # eye openings

    @classmethod
    def of(cls, cut: Cut, points: np.ndarray) -> _Half:
        main = np.isin(cut.face_part, (SKIN, NOSTRIL))
        left = cut.quads[main & (points[cut.quads].mean(1)[:, 0] > 0)]
        ids = np.unique(left)
        new = np.full(len(points), -1)
        new[ids] = np.arange(len(ids))
        quads, own = new[left], points[ids]
        boundaries = sorted(Topology(quads).boundaries(), key=len, reverse=True)
        midline = cut.mirror[ids] == ids
        seam = midline & (own[:, 2] < 0.5)
        on_axis = midline & ~seam
        outer = boundaries[0]
        rim = {int(new[v]) for v in cut.curves["neck_rim"] if new[v] >= 0}
        start = next(i for i, v in enumerate(outer) if v in rim and on_axis[v])
        outer = outer[start:] + outer[:start]
        if outer[1] not in rim:
            outer = outer[:1] + outer[1:][::-1]
        crown = next(i for i in range(1, len(outer)) if on_axis[outer[i]])
        return cls(ids, quads, own, cut.label[ids], outer[: crown + 1], outer[crown:] + outer[:1],
                   on_axis, seam, boundaries[1:])  # fmt: skip

    @property
    def lips(self) -> list[int]:
        """Positions in `front` that lie on the mouth opening (off the axis)."""
        return [place for place, vertex in enumerate(self.front) if not self.on_axis[vertex]]


def _along(points: np.ndarray) -> np.ndarray:
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    return length / length[-1]


def _tutte(half: _Half) -> np.ndarray:
    """[n + 1, 2] convex embedding on a half ellipse (a square's sides would give flat triangles)."""
    count = len(half.ids)
    total = count + len(half.holes) + 1
    flat, fixed = np.zeros((total, 2)), np.zeros(total, bool)
    for vertex, s in zip(half.outline, _along(half.points[half.outline]), strict=True):
        flat[vertex] = 0.5 * np.cos(np.pi * (s - 0.5)), 0.5 + 0.5 * np.sin(np.pi * (s - 0.5))
        fixed[vertex] = True
    for vertex, s in zip(half.front, _along(half.points[half.front]), strict=True):
        if half.on_axis[vertex]:
            flat[vertex], fixed[vertex] = (0, 1 - s), True
    lips = half.lips
    above, below = half.front[lips[0] - 1], half.front[lips[-1] + 1]
    flat[-1], fixed[-1] = (0, 0.5 * (flat[above, 1] + flat[below, 1])), True
    edges = edges_of(half.quads).tolist()
    for index, hole in enumerate(half.holes):
        edges += [[vertex, count + index] for vertex in hole]
    edges = np.array(edges + [[half.front[place], total - 1] for place in lips])
    rows, columns = edges.T
    around = sp.coo_matrix(
        (np.ones(2 * len(edges)), (np.r_[rows, columns], np.r_[columns, rows])), shape=(total, total)
    ).tocsr()
    laplacian = sp.diags(np.asarray(around.sum(1)).ravel()) - around
    free = ~fixed
    flat[free] = spsolve(laplacian[free][:, free].tocsc(), -laplacian[free][:, fixed] @ flat[fixed])
    return np.concatenate([flat[:count], flat[-1:]])


def _density(half: _Half) -> np.ndarray:
    """[n] wanted texel density (relative, linear)."""
    points = half.points
    face = in_face(points)
    density = np.where(face, _FACE_DENSITY, 1.0)
    ear = (points[:, 0] > 6.7) & (np.abs(points[:, 1] - 0.8) < 3.1) & (np.abs(points[:, 2] + 0.15) < 2.35)
    density[ear] = _EAR_DENSITY
    density[points[:, 1] < -11] = _NECK_DENSITY
    edges = edges_of(half.quads)
    rows, columns = np.r_[edges[:, 0], edges[:, 1]], np.r_[edges[:, 1], edges[:, 0]]
    around = sp.coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(points),) * 2).tocsr()
    around = sp.diags(1 / np.asarray(around.sum(1)).ravel()) @ around
    blend = density
    for _ in range(12):
        blend = 0.5 * blend + 0.5 * (around @ blend)
    density = np.where(face, np.maximum(blend, 0.97 * _FACE_DENSITY), blend)  # fade outside the face only
    density[half.label == NOSTRIL] = _FACE_DENSITY * _NOSTRIL_DENSITY
    return density


def _frames(points: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Edge matrices [T, 2, 2] of triangles in their own planes, and areas [T]."""
    corners = points[triangles]
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    length = np.linalg.norm(first, axis=1)
    across = first / length[:, None]
    normal = np.cross(first, second)
    double = np.linalg.norm(normal, axis=1)
    up = np.cross(normal / (double[:, None] + 1e-15), across)
    zero = np.zeros_like(length)
    matrix = np.stack([np.stack([length, (second * across).sum(1)], 1), np.stack([zero, (second * up).sum(1)], 1)], 1)
    return matrix, 0.5 * double


def _problem(half: _Half, points: np.ndarray, jaw_open: np.ndarray) -> Problem:
    flat = _tutte(half)
    density = _density(half)
    q = half.quads
    # Both diagonals of each quad, so that neither is favoured.
    triangles = np.concatenate([q[:, [0, 1, 2]], q[:, [0, 2, 3]], q[:, [0, 1, 3]], q[:, [1, 2, 3]]])
    rest, area = _frames(half.points, triangles)
    scale = density[triangles].mean(1)
    good = area > 1e-6
    triangles, rest = triangles[good], (rest * scale[:, None, None])[good]
    weight = (area * scale**2)[good]

    opened = (points + _JAW_SHARE * jaw_open)[half.ids]
    lips = half.lips
    chain = [half.front[place] for place in range(lips[0] - 1, lips[-1] + 2)]
    opened = np.concatenate([opened, 0.5 * (opened[chain[0]] + opened[chain[-1]])[None]])
    centre = len(half.ids)
    fan = np.array([[centre, a, b] for a, b in zip(chain[:-1], chain[1:], strict=True)])
    sign = signed_areas(flat, triangles)
    if np.sign(np.median(signed_areas(flat, fan))) != np.sign(np.median(sign)):
        fan = fan[:, [0, 2, 1]]
    fan_rest, fan_area = _frames(opened, fan)
    triangles = np.concatenate([triangles, fan])
    rest = np.concatenate([rest, fan_rest * _FACE_DENSITY])
    weight = np.concatenate([weight, fan_area * _FACE_DENSITY**2 * _SCAFFOLD_WEIGHT])
    # Half the weight: each quad was counted twice.
    rest = rest * np.sqrt(0.5 * (1 - _STRIP) * _FILL / (weight.sum() / 2))
    flat[:, 1] = _STRIP + (1 - _STRIP) * flat[:, 1]
    if np.median(sign) < 0:
        # Orientation of the embedding: swap the triangles' winding so that determinants are positive.
        triangles = triangles[:, [0, 2, 1]]
        rest = rest[:, :, ::-1]
        rest = np.stack([-rest[:, 0], rest[:, 1]], 1)
    bounds = (0.5 - _MARGIN, _STRIP + _MARGIN, 1 - _MARGIN)
    return Problem(triangles, rest, weight / weight.sum(), flat, np.append(half.on_axis, True), bounds)


def _assemble(cut: Cut, points: np.ndarray, half: _Half, flat: np.ndarray) -> SkinUv:
    new = np.full(len(points), -1)
    new[half.ids] = np.arange(len(half.ids))
    seam = np.zeros(len(points), bool)
    seam[half.ids[half.seam]] = True
    midline = cut.mirror == np.arange(len(points))
    uv: list[tuple[float, float]] = []
    index: dict[tuple[int, object], int] = {}

    def corner(vertex: int, key: object, place) -> int:
        if (vertex, key) not in index:
            index[vertex, key] = len(uv)
            uv.append(place(vertex))
        return index[vertex, key]

    face_uv = np.full(cut.quads.shape, -1)
    part = cut.face_part
    for face in np.flatnonzero(np.isin(part, (SKIN, NOSTRIL))):
        side = 1 if points[cut.quads[face]].mean(0)[0] > 0 else -1

        def place(vertex: int, side: int = side) -> tuple[float, float]:
            u, v = flat[new[vertex if side > 0 else cut.mirror[vertex]]]
            return 0.5 + side * u, v

        face_uv[face] = [corner(v, 0 if midline[v] and not seam[v] else side, place) for v in cut.quads[face].tolist()]
    for disc, (centre, radii) in _DISCS.items():
        own = np.flatnonzero(part == disc)
        flat_disc = _disc(cut, points, own)

        def place_disc(vertex: int, flat_disc=flat_disc, centre=centre, radii=radii) -> tuple[float, float]:
            return tuple(np.array(centre) + np.array(radii) * flat_disc[vertex])

        for face in own:
            face_uv[face] = [corner(v, ("disc", disc), place_disc) for v in cut.quads[face].tolist()]
    return SkinUv(np.array(uv), face_uv)


def _disc(cut: Cut, points: np.ndarray, faces: np.ndarray) -> dict[int, np.ndarray]:
    """Tutte embedding of a cup on the unit disc, the same on both sides of the head."""
    quads = cut.quads[faces]
    ids = np.unique(quads)
    place = {int(vertex): index for index, vertex in enumerate(ids)}
    rim = max(Topology(quads).boundaries(), key=len)
    ring = points[rim]
    centre = ring.mean(0)
    # The loop starts at its highest inner point, and runs mirrored on the right, so that left and right mirror.
    if points[rim].mean(0)[0] < -1e-6:
        mirrored = _disc(cut, points, _mirror_faces(cut, faces))
        return {int(v): mirrored[int(cut.mirror[v])] * [-1, 1] for v in ids}
    start = int(np.argmax(ring[:, 1] - 1e-3 * np.abs(ring[:, 0] - centre[0])))
    rim = rim[start:] + rim[:start]
    closed = _along(points[rim + rim[:1]])[:-1]
    angle = np.pi / 2 - 2 * np.pi * closed
    flat, fixed = np.zeros((len(ids), 2)), np.zeros(len(ids), bool)
    for vertex, a in zip(rim, angle, strict=True):
        flat[place[vertex]], fixed[place[vertex]] = (np.cos(a), np.sin(a)), True
    edges = np.array([[place[a], place[b]] for a, b in edges_of(quads).tolist()])
    rows, columns = np.r_[edges[:, 0], edges[:, 1]], np.r_[edges[:, 1], edges[:, 0]]
    around = sp.coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(ids),) * 2).tocsr()
    laplacian = sp.diags(np.asarray(around.sum(1)).ravel()) - around
    flat[~fixed] = spsolve(laplacian[~fixed][:, ~fixed].tocsc(), -laplacian[~fixed][:, fixed] @ flat[fixed])
    radius = np.linalg.norm(flat, axis=1, keepdims=True)
    flat = flat * np.maximum(radius, 1e-9) ** (_DISC_POWER - 1)
    mirror = cut.mirror[ids]
    if np.isin(mirror, ids).all():  # the bag is its own mirror image
        twin = np.array([place[int(v)] for v in mirror])
        flat = 0.5 * (flat + flat[twin] * [-1, 1])
    if np.median(signed_areas(flat, np.array([[place[int(v)] for v in quad[:3]] for quad in quads]))) < 0:
        flat = flat * [-1, 1]
    return {int(vertex): flat[index] for index, vertex in enumerate(ids)}


def _mirror_faces(cut: Cut, faces: np.ndarray) -> np.ndarray:
    index = {tuple(sorted(quad)): face for face, quad in enumerate(cut.quads.tolist())}
    return np.array([index[tuple(sorted(cut.mirror[cut.quads[face]].tolist()))] for face in faces])


def subdivide_uv(level_0: SkinUv, subdivision: Subdivision) -> SkinUv:
    """UV of level 1 by midpoints, in the face order of `Subdivision`; seams stay seams."""
    step = Subdivision.of(level_0.face_uv, len(level_0.uv))
    if len(step.quads) != len(subdivision.quads):
        raise ValueError("UV and mesh do not subdivide alike.")
    return SkinUv(step.linear(level_0.uv), step.quads)
