"""Which point of ICT's mean each curve vertex of the cut corresponds to.

Curves are matched loop to loop by normalised arc length between anchors (mouth corners and midline, canthi, nostril
ends). Inner faces of the lips and lids cannot be found by closest points: they lie against each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .cut import Cut
from .sources import IctModel
from .topology import Topology

#: ICT edges that start the loop corresponding to mouth loops 1..9; loop 10 is the boundary of ICT's face part.
_ICT_MOUTH = {
    1: (5624, 5625), 2: (5584, 5585), 3: (5573, 5574), 4: (5566, 5567), 5: (5569, 5570), 6: (5578, 5579),
    7: (5591, 5594), 8: (5592, 5593), 9: (5612, 5613),
}  # fmt: skip
#: Our lid loop -> ICT's ring, counted outwards from the boundary of its face part (0).
_ICT_LID_RING = {4: 6, 6: 5, 8: 4, 10: 2, 11: 1, 12: 0}
_ICT_NOSTRIL = {0: (5247, 5466), 1: (5113, 5114), 2: (5275, 5461)}
_ICT_NECK = (10687, 10688)
#: Base-mesh midline vertices -> where they belong on ICT's midline, (y, z) in cm.
_MIDLINE = {
    136: (4.3, 10.64), 227: (5.73, 10.77), 5320: (7.33, 10.42), 5054: (0.2, 13.09), 307: (-0.61, 12.63),
    317: (-1.05, 11.68), 5072: (-1.55, 11.52), 724: (-5.1, 10.94), 5162: (-6.4, 11.04), 732: (-7.95, 9.8),
    787: (-8.65, 6.15), 881: (14.3, 2.8),
}  # fmt: skip


@dataclass(frozen=True)
class Match:
    """One template vertex and its point (1 - t) * a + t * b on an edge of ICT."""

    vertex: int
    a: int
    b: int
    t: float
    curve: str  # lip3, lid8, nostril0, neck, midline


@dataclass(frozen=True)
class Matches:
    """Curve matches of one level, grouped by template vertex."""

    matches: tuple[Match, ...]

    def targets(self, ict_vertices: np.ndarray, mirror: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[str]]:
        """(vertex ids [n], mirror-symmetrised mean target [n, 3], curve name per vertex)."""
        points: dict[int, list[np.ndarray]] = {}
        curve: dict[int, str] = {}
        for match in self.matches:
            point = (1 - match.t) * ict_vertices[match.a] + match.t * ict_vertices[match.b]
            points.setdefault(match.vertex, []).append(point)
            curve.setdefault(match.vertex, match.curve)
        ids = np.array(sorted(points))
        mean = {vertex: np.mean(points[vertex], axis=0) for vertex in ids.tolist()}
        flip = np.array([-1.0, 1, 1])
        target = [0.5 * (mean[v] + mean.get(int(mirror[v]), mean[v] * flip) * flip) for v in ids.tolist()]
        return ids, np.array(target), [curve[v] for v in ids.tolist()]

    def edges(self) -> dict[int, tuple[int, int, float]]:
        """First edge point per vertex on lips, lids and nostrils: the carrier of modes there."""
        found: dict[int, tuple[int, int, float]] = {}
        for match in self.matches:
            if match.curve not in ("midline", "neck"):
                found.setdefault(match.vertex, (match.a, match.b, match.t))
        return found


def match_curves(cut: Cut, ict: IctModel) -> Matches:
    """All curve matches of one level of the cut."""
    skin = Topology(ict.faces_of("face", "head_neck"))
    face = Topology(ict.faces_of("face"))
    boundaries = face.boundaries()
    lid_boundary = next(b for b in boundaries if len(b) == 42 and ict.vertices[b][:, 0].mean() > 0)
    mouth_boundary = next(b for b in boundaries if len(b) == 74)
    found: list[Match] = []

    def add(ours: np.ndarray, theirs: list[int], our_key, their_key, axes: tuple[int, int], name: str) -> list[Match]:
        matches = _match_loops(cut.vertices, ours.tolist(), our_key, ict.vertices, theirs, their_key, axes, name)
        found.extend(matches)
        return matches

    for index in range(1, 11):
        theirs = mouth_boundary if index == 10 else skin.loop(*_ICT_MOUTH[index])
        middle = [int(chain[index]) for chain in cut.midline_lip]
        add(cut.curves[f"mouth_{index:02d}"], theirs, lambda ids, points, middle=middle: _corners(ids, points, middle),
            lambda ids, points: _corners(ids, points, None), (0, 1), f"lip{index}")  # fmt: skip

    rings = _rings(face, lid_boundary, max(_ICT_LID_RING.values()))
    centre = ict.vertices[rings[2]].mean(0)
    one_side: list[Match] = []
    for ours, ring in _ICT_LID_RING.items():
        theirs = lid_boundary if ring == 0 else _by_angle(rings[ring], ict.vertices, centre)
        one_side += add(cut.curves[f"eye_left_{ours:02d}"], theirs, _extremes, _extremes, (0, 1), f"lid{ours}")
    for ours, edge in _ICT_NOSTRIL.items():
        loop = cut.curves[f"nostril_left_{ours}"]
        one_side += add(loop, skin.loop(*edge), _extremes, _extremes, (0, 2), f"nostril{ours}")
    found += [
        Match(int(cut.mirror[m.vertex]), int(ict.mirror[m.a]), int(ict.mirror[m.b]), m.t, m.curve) for m in one_side
    ]
    add(cut.curves["neck_rim"], skin.loop(*_ICT_NECK), _front_back, _front_back, (0, 2), "neck")

    used = np.unique(ict.faces_of("face", "head_neck"))
    midline = used[(used >= 0) & (np.abs(ict.vertices[used, 0]) < 2e-3)]
    place = {int(source): index for index, source in enumerate(cut.source_ids)}
    for source, yz in _MIDLINE.items():
        nearest = int(midline[np.linalg.norm(ict.vertices[midline][:, 1:] - yz, axis=1).argmin()])
        found.append(Match(place[source], nearest, nearest, 0.0, "midline"))
    return Matches(tuple(found))


def _rings(mesh: Topology, boundary: list[int], count: int) -> list[list[int]]:
    rings, before, current = [list(boundary)], set(), set(boundary)
    for _ in range(count):
        following = {w for v in current for w in mesh.neighbours[v]} - current - before
        before |= current
        current = following
        rings.append(sorted(current))
    return rings


def _by_angle(ids: list[int], points: np.ndarray, centre: np.ndarray) -> list[int]:
    offset = points[ids] - centre
    return [ids[index] for index in np.argsort(np.arctan2(offset[:, 1], offset[:, 0]))]


def _extremes(ids: list[int], points: np.ndarray) -> list[int]:
    across = points[ids][:, 0]
    return [ids[int(across.argmax())], ids[int(across.argmin())]]


def _corners(ids: list[int], points: np.ndarray, middle: list[int] | None) -> list[int]:
    """(+x corner, upper midline, -x corner, lower midline)."""
    if middle is None:
        on_midline = [vertex for vertex in ids if abs(points[vertex, 0]) < 2e-3]
        middle = sorted(on_midline, key=lambda vertex: -points[vertex, 1])[:2]
    left, right = _extremes(ids, points)
    return [left, middle[0], right, middle[1]]


def _front_back(ids: list[int], points: np.ndarray) -> list[int]:
    on_midline = sorted((v for v in ids if abs(points[v, 0]) < 2e-3), key=lambda v: points[v, 2])
    return [on_midline[1], on_midline[0]]


def _oriented(ids: list[int], points: np.ndarray, key, axes: tuple[int, int]) -> tuple[list[int], list[int]]:
    """The loop counter-clockwise and where its anchors are.

    With more than two anchors their order decides: the signed area of the contact loop is about zero.
    """
    flat = points[ids][:, list(axes)]
    following = np.roll(flat, -1, axis=0)
    if (flat[:, 0] * following[:, 1] - flat[:, 1] * following[:, 0]).sum() < 0:
        ids = ids[::-1]
    anchors = key(ids, points)
    at = [ids.index(vertex) for vertex in anchors]
    steps = [(place - at[0]) % len(ids) for place in at]
    if steps != sorted(steps):
        ids = ids[::-1]
        at = [ids.index(vertex) for vertex in anchors]
    return ids, at


def _match_loops(our_points, ours, our_key, their_points, theirs, their_key, axes, name) -> list[Match]:
    ours, our_at = _oriented(list(ours), our_points, our_key, axes)
    theirs, their_at = _oriented(list(theirs), their_points, their_key, axes)
    matches: list[Match] = []
    for segment in range(len(our_at)):
        a = _stretch(ours, our_at, segment)
        b = _stretch(theirs, their_at, segment)
        along_a, along_b = _arc_length(our_points[a]), _arc_length(their_points[b])
        for vertex, distance in zip(a[:-1], along_a[:-1], strict=True):
            j = int(np.clip(np.searchsorted(along_b, distance, side="right") - 1, 0, len(b) - 2))
            t = (distance - along_b[j]) / max(along_b[j + 1] - along_b[j], 1e-12)
            matches.append(Match(vertex, b[j], b[j + 1], float(np.clip(t, 0, 1)), name))
    return matches


def _stretch(loop: list[int], anchors: list[int], segment: int) -> list[int]:
    start, end = anchors[segment], anchors[(segment + 1) % len(anchors)]
    count = (end - start) % len(loop) or len(loop)
    return [loop[(start + step) % len(loop)] for step in range(count + 1)]


def _arc_length(points: np.ndarray) -> np.ndarray:
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    return length / length[-1]
