"""Lips that touch without passing through each other, in the neutral head and in every shape. Metres.

ICT's own lips overlap by up to 2.5 mm (pucker, press, shrug) and stand a little open at rest. Here the two lips are
separate surfaces: vertices of one that lie inside the other are moved out along the other's normal, half each, and the
move is spread over the neighbourhood; the neutral mouth and jawOpen + mouthClose are closed along the contact loops.
"""

from __future__ import annotations

import logging

import numpy as np
import scipy.sparse as sp
from scipy.ndimage import gaussian_filter1d
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree

from ...protocol.arkit import ARKIT_INDEX, ARKIT_NAMES, mirrored
from .cut import Cut
from .surface import closest_on_triangles
from .topology import adjacency, averaging, triangles_of, uniform_laplacian, vertex_normals

log = logging.getLogger(__name__)

_FLIP = np.array([-1.0, 1.0, 1.0])
_NONE, _UPPER, _LOWER, _CORNER = range(4)
_BAND = range(1, 15)  # loops that belong to the lips and the start of the bag: what can be touched
_MOVED = range(2, 12)  # loops that contact moves
_CONTACT_LOOPS = (7, 8)  # what is brought together when the mouth is closed
_STILL_LOOPS = (1, 13)  # loops that closing does not move
GAP = 0.02e-3  # metres between lips that touch
_DEEPEST = 5e-3  # metres; further inside than this is another part of the mouth
_ROUNDS, _EXACT_ROUNDS = 60, 4
_SPREAD = 14  # smoothing passes of a contact move
_CORNER_FADE = 2.5e-3  # metres from the corner over which the wanted gap grows from zero
_NEAREST = 16
_CARRIED_LOOPS = range(2, 12)  # loops that keep their shape when the mouth closes over an open jaw
_CARRY_CENTRE = 0.55  # share of the mouth's half width inside which they move with the contact line alone
_CARRY_REACH = 10  # edges beyond the band over which that blends into the face
_OPEN_IN_ARKIT = ("mouth", "jaw", "cheekPuff", "tongueOut", "noseSneer", "cheekSquint")


class LipContact:
    """Finds and resolves contact between the lips of the cut (level 1)."""

    def __init__(self, cut: Cut, coarse: Cut) -> None:
        self.cut = cut
        side = _fine_sides(cut, _sides(coarse, _BAND))
        moved = _fine_sides(cut, _sides(coarse, _MOVED))
        self.upper, self.lower = np.flatnonzero(moved == _UPPER), np.flatnonzero(moved == _LOWER)
        self._corner = np.flatnonzero(side == _CORNER)
        self._faces = {
            which: triangles_of(cut.quads[(np.isin(side[cut.quads], (which, _CORNER))).all(1)])
            for which in (_UPPER, _LOWER)
        }
        self._side = side
        self._average = averaging(cut.quads, len(cut.vertices))
        self._lip = (side != _NONE)[:, None].astype(float)
        self._closing = self._closing_system()

    # -- measuring ----------------------------------------------------------------------------------------------------

    def separation(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(ids [n], signed distance to the other lip [n], the other lip's normal there [n, 3]).

        Negative where a vertex lies inside the other lip; infinite where the other lip is not opposite.
        """
        parts = [self._against(points, self.upper, _LOWER), self._against(points, self.lower, _UPPER)]
        return tuple(np.concatenate(columns) for columns in zip(*parts, strict=True))

    def deepest(self, points: np.ndarray) -> float:
        """How far (m, >= 0) one lip reaches into the other at most, away from the corners."""
        ids, distance, _ = self.separation(points)
        distance = np.where(self._from_corner(points, ids) > _CORNER_FADE, distance, np.inf)
        return float(max(0.0, -distance.min()))

    def _from_corner(self, points: np.ndarray, ids: np.ndarray) -> np.ndarray:
        corners = points[self._corner]
        return np.min([np.linalg.norm(points[ids] - place, axis=1) for place in corners], axis=0)

    def _against(self, points, ids, other):
        faces = self._faces[other]
        corners = points[faces]
        normals = vertex_normals(points, faces)
        _, near = cKDTree(corners.mean(1)).query(points[ids], k=_NEAREST)
        found, bary = closest_on_triangles(points[ids][:, None], corners[near])
        distance = np.linalg.norm(found - points[ids][:, None], axis=2)
        best, rows = distance.argmin(1), np.arange(len(ids))
        normal = (bary[rows, best][..., None] * normals[faces[near[rows, best]]]).sum(1)
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
        signed = ((points[ids] - found[rows, best]) * normal).sum(1)
        length = distance[rows, best]
        # Opposite means that the offset runs along the normal; elsewhere the closest point is a patch's rim.
        opposite = (np.abs(signed) > 0.5 * length) & (length < _DEEPEST)
        return ids, np.where(opposite, signed, np.inf), normal

    # -- resolving ----------------------------------------------------------------------------------------------------

    def resolved(self, points: np.ndarray) -> np.ndarray:
        """[V, 3] with no vertex of one lip inside the other.

        Most rounds move a smoothed field, so that the lips stay smooth; the last ones only touch what is still inside.
        """
        points = points.copy()
        for count in range(_ROUNDS + _EXACT_ROUNDS):
            ids, distance, normal = self.separation(points)
            fade = np.clip(self._from_corner(points, ids) / _CORNER_FADE, 0, 1) ** 2
            short = np.clip(GAP - distance, 0, None) * fade
            if short.max() < 0.2 * GAP:
                break
            move = np.zeros_like(points)
            # Not sideways: at a kink the normals diverge and would pinch the lip.
            move[ids] = normal * [0, 1, 1] * (0.5 * short)[:, None]
            if count < _ROUNDS:
                for _ in range(_SPREAD):
                    move = 0.5 * (move + self._average @ move) * self._lip
            points += move
        return points

    # -- closing ------------------------------------------------------------------------------------------------------

    def _closing_system(self):
        still = np.concatenate([self.cut.curves[f"mouth_{loop:02d}"] for loop in _STILL_LOOPS])
        contact = np.concatenate([self.cut.curves[f"mouth_{loop:02d}"] for loop in _CONTACT_LOOPS])
        held = self._side == _NONE
        held[still] = held[contact] = True
        free, fixed = np.flatnonzero(~held), np.flatnonzero(held)
        laplacian = uniform_laplacian(self.cut.quads, len(held))
        bilaplacian = (laplacian.T @ laplacian).tocsr()
        solver = splu((bilaplacian[free][:, free] + 1e-12 * sp.eye(len(free))).tocsc())
        return solver, free, fixed, bilaplacian[free][:, fixed]

    def closed(self, points: np.ndarray, upper_share: float) -> np.ndarray:
        """[V, 3] with the contact loops brought together; the upper lip moves `upper_share` of the way."""
        solver, free, fixed, coupling = self._closing
        points = points.copy()
        for _ in range(3):
            move = np.zeros_like(points)
            for loop in _CONTACT_LOOPS:
                ids = self.cut.curves[f"mouth_{loop:02d}"]
                upper, lower = (ids[self._side[ids] == which] for which in (_UPPER, _LOWER))
                corner = ids[self._side[ids] == _CORNER]
                lips = [np.concatenate([half, corner]) for half in (upper, lower)]
                lips = [half[np.argsort(points[half, 0])] for half in lips]

                def at(x: np.ndarray, half: np.ndarray, points: np.ndarray = points) -> np.ndarray:
                    return np.stack([np.interp(x, points[half, 0], points[half, axis]) for axis in (1, 2)], 1)

                for own, share, sign in ((upper, upper_share, 1.0), (lower, 1 - upper_share, -1.0)):
                    x = points[own, 0]
                    offset = at(x, lips[0]) - at(x, lips[1]) - [GAP, 0]  # from the lower to the upper lip
                    fade = np.clip(self._from_corner(points, own) / _CORNER_FADE, 0, 1)[:, None]
                    move[own, 1:] = -sign * share * offset * fade
            move[free] = -solver.solve(np.ascontiguousarray(coupling @ move[fixed]))
            points += move
        return points

    def _carried(self, rest: np.ndarray, displacement: np.ndarray) -> np.ndarray:
        """[V, 3] the displacement with the lips carried as they are at rest: each cross-section moves as a whole.

        It moves by the mean of what the contact loops of both lips do at that place across the mouth.
        """
        across, means = np.linspace(-1, 1, 41), []
        reach = np.abs(rest[self.cut.curves["mouth_07"], 0]).max()
        for which in (_UPPER, _LOWER):
            ids = np.concatenate([self.cut.curves[f"mouth_{loop:02d}"] for loop in _CONTACT_LOOPS])
            ids = ids[self._side[ids] == which]
            ids = ids[np.argsort(rest[ids, 0])]
            means.append([np.interp(across * reach, rest[ids, 0], displacement[ids, axis]) for axis in range(3)])
        mean = np.mean(means, axis=0)
        # Towards the corners the lips go along with the skin beside them.
        outside = self.cut.curves["mouth_01"]
        outside = outside[self._side[outside] == _CORNER]
        end = displacement[outside[rest[outside, 0].argmax()]]
        blend = np.clip((np.abs(across) - _CARRY_CENTRE) / (1 - _CARRY_CENTRE), 0, 1)
        ends = np.stack([np.sign(across) * end[0], np.full_like(across, end[1]), np.full_like(across, end[2])])
        mean = mean * (1 - blend) + ends * blend
        mean = gaussian_filter1d(mean, 3, axis=1, mode="nearest")
        mean = 0.5 * (mean + mean[:, ::-1] * np.array([[-1], [1], [1]]))
        band = np.zeros(len(rest), bool)
        band[np.concatenate([self.cut.curves[f"mouth_{loop:02d}"] for loop in range(0, 14)])] = True
        held = band.copy()
        around = adjacency(self.cut.quads, len(rest))
        for _ in range(_CARRY_REACH):
            band |= (around @ band.astype(float)) > 0
        carried = np.concatenate([self.cut.curves[f"mouth_{loop:02d}"] for loop in _CARRIED_LOOPS])
        held[:] = ~band
        held[carried] = True
        result = displacement.copy()
        result[carried] = np.stack([np.interp(rest[carried, 0] / reach, across, axis) for axis in mean], 1)
        free, fixed = np.flatnonzero(~held), np.flatnonzero(held)
        laplacian = uniform_laplacian(self.cut.quads, len(held))
        bilaplacian = (laplacian.T @ laplacian).tocsr()
        change = (result - displacement)[fixed]
        solver = splu((bilaplacian[free][:, free] + 1e-12 * sp.eye(len(free))).tocsc())
        result[free] = displacement[free] - solver.solve(np.ascontiguousarray(bilaplacian[free][:, fixed] @ change))
        return result

    def joined(self, rest: np.ndarray, modes: np.ndarray) -> np.ndarray:
        """[K, V, 3] identity modes whose contact loops move together, so that every neutral head has closed lips.

        At each place across the mouth both lips get the mean of what they did; the shape of the lips outside stays.
        """
        solver, free, fixed, coupling = self._closing
        result = modes.copy()
        pairs = []
        for loop in _CONTACT_LOOPS:
            ids = self.cut.curves[f"mouth_{loop:02d}"]
            halves = []
            for which in (_UPPER, _LOWER):
                half = ids[np.isin(self._side[ids], (which, _CORNER))]
                halves.append(half[np.argsort(rest[half, 0])])
            pairs.append(halves)
        for index, mode in enumerate(modes.astype(np.float64)):
            change = np.zeros_like(mode)
            for upper, lower in pairs:
                for own, other in ((upper, lower), (lower, upper)):
                    across = [np.interp(rest[own, 0], rest[other, 0], mode[other, axis]) for axis in range(3)]
                    change[own] = 0.5 * (np.stack(across, 1) - mode[own])
            change[free] = -solver.solve(np.ascontiguousarray(coupling @ change[fixed]))
            result[index] = mode + change
        return result

    def fit(self, points: np.ndarray, shapes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rest shape [V, 3] and ARKit shapes [52, V, 3] whose lips touch but do not cross."""
        rest = self.resolved(self.closed(points, 0.5))
        result = shapes.astype(np.float64).copy()
        jaw, close = ARKIT_INDEX["jawOpen"], ARKIT_INDEX["mouthClose"]
        for name in ARKIT_NAMES:
            index = ARKIT_INDEX[name]
            if not name.startswith(_OPEN_IN_ARKIT) or index == close:
                continue
            twin = ARKIT_INDEX[mirrored(name)]
            if twin < index:
                result[index] = result[twin][self.cut.mirror] * _FLIP
            else:
                result[index] = self.resolved(rest + result[index]) - rest
        # mouthClose has a meaning only on top of jawOpen: the lips meet with the jaw down.
        both = rest + self._carried(rest, result[jaw] + result[close])
        result[close] = self.resolved(both) - rest - result[jaw]
        return rest, result


def _sides(cut: Cut, loops: range) -> np.ndarray:
    """[V0] which lip each level-0 vertex of the band belongs to; the corner column belongs to both."""
    side = np.zeros(len(cut.vertices), np.uint8)
    for loop in loops:
        ids = cut.curves[f"mouth_{loop:02d}"]
        ids = np.roll(ids, -int(np.flatnonzero(ids == cut.midline_lip[0][loop])[0]))
        lower = int(np.flatnonzero(ids == cut.midline_lip[1][loop])[0])
        first = int(np.abs(cut.vertices[ids[:lower], 0]).argmax())
        second = lower + int(np.abs(cut.vertices[ids[lower:], 0]).argmax())
        side[ids] = _UPPER
        side[ids[first : second + 1]] = _LOWER
        side[ids[[first, second]]] = _CORNER
    return side


def _fine_sides(cut: Cut, coarse: np.ndarray) -> np.ndarray:
    """[V] sides at level 1 from the parents': mixed parents make a corner vertex."""
    step = cut.subdivision

    def of(parents: np.ndarray) -> np.ndarray:
        side = coarse[parents]
        upper, lower = (side == _UPPER).any(1), (side == _LOWER).any(1)
        mixed = np.where(upper & lower, _CORNER, np.where(upper, _UPPER, np.where(lower, _LOWER, _CORNER)))
        return np.where((side == _NONE).any(1), _NONE, mixed)

    return np.concatenate([coarse, of(step.edges), of(step.faces)]).astype(np.uint8)
