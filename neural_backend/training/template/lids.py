"""Fits the lids to a 24 mm eyeball with its cornea: clearance in every shape and a blink that seals. Metres.

ICT's eyeballs are 30 mm and its blink leaves the lids one to two millimetres apart. The lids are pushed out along rays
from the eye's centre, each loop to its own thickness, with the eye turned as the shape turns it; the blink is closed by
turning both lids about the axis through the canthi until their margins meet along one line.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu

from ...head.eyes import GAZE_DOWN, GAZE_IN, GAZE_OUT, GAZE_UP, fit_centre, gaze_of, gaze_rotation, surface_radius
from ...protocol.arkit import ARKIT_INDEX, ARKIT_NAMES
from .cut import Cut
from .topology import adjacency, averaging, uniform_laplacian

log = logging.getLogger(__name__)

_FLIP = np.array([-1.0, 1.0, 1.0])
#: Least distance from the eye's surface for each loop round the eye, metres: skin is thick, the lining is not.
_CLEARANCE = {5: 6e-4, 6: 6e-4, 7: 6e-4, 8: 6e-4, 9: 5.2e-4, 10: 4.2e-4, 11: 1.9e-4, 12: 3e-4, 13: 3e-4,
              14: 3e-4, 15: 3e-4, 16: 3e-4, 17: 3e-4, 18: 3e-4, 19: 3e-4, 20: 3e-4}  # fmt: skip
_SPREAD = 12  # how far, in edges, a push spreads over its neighbourhood
_MARGIN_LOOPS = (8, 9, 10, 11)  # front edge to rear edge of the lid margin: these meet in a blink
_FIXED_OUTSIDE, _FIXED_INSIDE = 2, 15  # loops that the closing does not move
_HALF_GAP = 0.012e-3  # each margin stops this far from the closing line
_LOWER_SHARE = 0.15  # of what is still open, the lower lid closes this much
_CLOSING_ROUNDS = 6
_BLINK_EXTRA = 1.5e-4  # the closed lids' edges between vertices must clear the cornea too
_SEATED = 0.8e-3  # a rear edge less than this off the ball is drawn onto it; the inner canthus lies further out
#: Shapes that reach the lids without turning the eye.
_NEIGHBOURS = ("brow", "cheek", "noseSneer", "mouthSmile")


@dataclass(frozen=True)
class LidHalves:
    """The upper and lower half of one loop, both from the inner to the outer canthus, ends shared."""

    upper: np.ndarray
    lower: np.ndarray


def halves(points: np.ndarray, loop: np.ndarray, outwards: float) -> LidHalves:
    """Split a loop round an eye at its canthi; `outwards` is +1 for the left eye."""
    across = points[loop, 0] * outwards
    loop = np.roll(loop, -int(across.argmin()))
    outer = int((points[loop, 0] * outwards).argmax())
    first, second = loop[: outer + 1], np.append(loop[outer:], loop[0])[::-1]
    if points[first, 1].mean() < points[second, 1].mean():
        first, second = second, first
    return LidHalves(first, second)


class LidFitter:
    """Keeps the lids off the eyes of one head, whose left eye is centred at `centre` [3]."""

    def __init__(self, cut: Cut, centre: np.ndarray) -> None:
        self.cut, self.centre = cut, centre
        count = len(cut.vertices)
        self._average = averaging(cut.quads, count)
        self._clearance = self._clearance_of("left")
        self._rear = np.zeros(count, bool)
        self._rear[cut.curves["eye_left_11"]] = True
        self._laplacian = uniform_laplacian(cut.quads, count)

    def _clearance_of(self, side: str) -> np.ndarray:
        """[V] wanted distance from the eye, negative where the eye does not matter."""
        wanted = np.full(len(self.cut.vertices), -1.0)
        for loop, distance in _CLEARANCE.items():
            ids = self.cut.curves[f"eye_{side}_{loop:02d}"]
            wanted[ids] = np.maximum(wanted[ids], distance)
        around = adjacency(self.cut.quads, len(wanted))
        for _ in range(2):  # the rings that subdivision put between two loops
            known = (wanted >= 0).astype(float)
            count, total = around @ known, around @ np.where(wanted >= 0, wanted, 0)
            between = (wanted < 0) & (count >= 2)
            wanted[between] = (total / np.maximum(count, 1))[between]
        return wanted

    def push(self, points: np.ndarray, gazes: list[np.ndarray], seat: bool = False, extra: float = 0.0) -> np.ndarray:
        """[V, 3] with the left lids clear of the left eye at each of the gazes (unit vectors).

        With `seat` the rear edge is also drawn in where it stands a little off the ball.
        """
        offset = points - self.centre
        distance = np.linalg.norm(offset, axis=1)
        near = np.flatnonzero(self._clearance >= 0)
        ray = offset[near] / distance[near, None]
        radius = np.max([surface_radius(ray, gaze) for gaze in gazes], axis=0) + self._clearance[near] + extra
        short = np.maximum(radius - distance[near], 0)
        if seat:
            slack = distance[near] - radius
            short = np.where(self._rear[near] & (slack > 0) & (slack < _SEATED), -slack, short)
        hit = np.zeros(len(points), bool)
        hit[near] = short != 0
        moved = np.zeros_like(points)
        moved[near] = ray * short[:, None]
        spread = moved.copy()
        for _ in range(_SPREAD):
            spread = self._average @ spread
            spread[hit] = moved[hit]
        spread[self._clearance < 0] *= 0.9
        spread[np.linalg.norm(spread, axis=1) < 5e-6] = 0
        return points + np.where(hit[:, None], moved, spread)

    def push_both(self, points: np.ndarray, left: list[np.ndarray], right: list[np.ndarray]) -> np.ndarray:
        """The same for both eyes; gazes of the right eye are given in the head's frame."""
        mirror = self.cut.mirror
        points = self.push(points, left)
        flipped = self.push(points[mirror] * _FLIP, [gaze * _FLIP for gaze in right])
        return flipped[mirror] * _FLIP

    def fit(self, points: np.ndarray, shapes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rest shape [V, 3] and ARKit shapes [52, V, 3] with both lids clear, and blinks that seal.

        `centre` moves to where the ball sits behind the lids as they end up.
        """
        ahead = [np.array([0.0, 0.0, 1.0])]
        self.centre = fit_centre(points[np.unique(self.cut.curves["eye_left_11"])], self.centre)
        seated = self.push(self.push(points, ahead, seat=True), ahead)
        rest = np.where((points[:, 0] > 0)[:, None], seated, seated[self.cut.mirror] * _FLIP)
        result = shapes.astype(np.float64).copy()
        blink = ARKIT_INDEX["eyeBlinkLeft"]
        result[blink] = self.closed(rest, rest + result[blink]) - rest
        for name in ARKIT_NAMES:
            index = ARKIT_INDEX[name]
            if name.startswith("eye") and name.endswith("Left") and index != blink:
                gaze = [gaze_rotation(*(gaze_of(name) or (0.0, 0.0))) @ ahead[0]]
                for base in (rest, rest + result[blink], rest):  # alone and on top of a blink
                    result[index] = self.push(base + result[index], gaze) - base
            elif name.startswith(_NEIGHBOURS):
                result[index] = self.push_both(rest + result[index], ahead, ahead) - rest
        for name in ARKIT_NAMES:
            if name.startswith("eye") and name.endswith("Right"):
                left = result[ARKIT_INDEX[name.replace("Right", "Left")]]
                result[ARKIT_INDEX[name]] = left[self.cut.mirror] * _FLIP
        return rest, result

    def closed(self, rest: np.ndarray, blink: np.ndarray) -> np.ndarray:
        """[V, 3] the left blink with its margins meeting, clear of the eye wherever it looks."""
        gazes = swept_gazes()
        points = self.push(blink, gazes, extra=_BLINK_EXTRA)
        solver, free, fixed, coupling, margin = self._closing_system(rest)
        for _ in range(_CLOSING_ROUNDS):
            turn = np.zeros(len(points))
            line = self._closing_line(points, margin[0])
            for lids in margin:
                for ids, side in ((lids.upper, 1.0), (lids.lower, -1.0)):
                    angle, x = self._angle(points, ids)
                    half = side * _HALF_GAP / np.linalg.norm(points[ids] - self.centre, axis=1)
                    half[[0, -1]] = 0  # the canthi belong to both lids
                    turn[ids] = line(x) + half - angle
            turn[free] = -solver.solve(coupling @ turn[fixed])
            points = self.push(_turned(points, self.centre, turn), gazes, extra=_BLINK_EXTRA)
        return points

    def _angle(self, points: np.ndarray, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(elevation about the canthal axis [n], x [n])."""
        offset = points[ids] - self.centre
        return np.arctan2(offset[:, 1], offset[:, 2]), offset[:, 0]

    def _closing_line(self, points: np.ndarray, front: LidHalves) -> Callable[[np.ndarray], np.ndarray]:
        """Elevation of the line on which both margins meet, as a function of x: close to the lower lid's front edge.

        One line for all loops of the margin: then the two margins lie flat against each other.
        """
        curves = []
        for ids in (front.upper, front.lower):
            angle, x = self._angle(points, ids)
            order = np.argsort(x)
            curves.append((x[order], angle[order]))
        (upper_x, upper), (lower_x, lower) = curves

        def line(x: np.ndarray) -> np.ndarray:
            low = np.interp(x, lower_x, lower)
            return low + _LOWER_SHARE * np.maximum(np.interp(x, upper_x, upper) - low, 0)

        return line

    def _closing_system(self, rest: np.ndarray):
        """A bi-Laplacian fill of the turn between the margin and the loops that stay."""
        curves = {k: self.cut.curves[f"eye_left_{k:02d}"] for k in range(21)}
        margin = [halves(rest, curves[k], 1.0) for k in _MARGIN_LOOPS]
        band = np.zeros(len(rest), bool)
        band[np.concatenate([curves[k] for k in range(_FIXED_OUTSIDE, _FIXED_INSIDE + 1)])] = True
        around = adjacency(self.cut.quads, len(rest))
        band |= (around @ band.astype(float)) >= 2
        held = ~band
        for k in (*_MARGIN_LOOPS, _FIXED_OUTSIDE, _FIXED_INSIDE):
            held[curves[k]] = True
        free, fixed = np.flatnonzero(~held), np.flatnonzero(held)
        bilaplacian = (self._laplacian.T @ self._laplacian).tocsr()
        solver = splu((bilaplacian[free][:, free] + 1e-12 * sp.eye(len(free))).tocsc())
        return solver, free, fixed, bilaplacian[free][:, fixed], margin


def swept_gazes() -> list[np.ndarray]:
    """Where a left eye can look: ahead, the four ARKit directions and between them."""
    ahead = np.array([0.0, 0.0, 1.0])
    pitches, yaws = (-GAZE_DOWN, 0.0, GAZE_UP), (-GAZE_IN, 0.0, GAZE_OUT)
    return [gaze_rotation(pitch, yaw) @ ahead for pitch in pitches for yaw in yaws]


def _turned(points: np.ndarray, centre: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """[V, 3] each point turned up by its own angle about the horizontal axis through `centre`."""
    offset = points - centre
    cosine, sine = np.cos(angle), np.sin(angle)
    y = offset[:, 1] * cosine + offset[:, 2] * sine
    z = -offset[:, 1] * sine + offset[:, 2] * cosine
    return centre + np.stack([offset[:, 0], y, z], 1)
