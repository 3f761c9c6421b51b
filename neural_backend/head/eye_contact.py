"""Lids that rest on the eye: fit the ball behind them, keep them off it in every shape and gaze, close the blink.

All of it works on the vertices round one eye. A lid that comes too close is moved radially out of the ball together
with the skin over it (a smooth kernel over directions from the ball's centre), so lids keep their thickness.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..protocol.arkit import ARKIT_INDEX, ARKIT_NAMES
from .eyes import BALL_RADIUS, fit_centre, gaze_of, gaze_rotation, surface_radius
from .lids import LidCurves

#: Clearance the lids are moved to, a little over the 0.1 mm that is promised.
CLEARANCE = 0.13e-3
_FACE_CLEARANCE = 0.06e-3
_SPREAD = np.radians(12.0)  # width of the kernel over directions
_DEPTH = 6e-3  # skin further out than this above the ball follows less
_SEAL_LOOPS = (8, 9, 10, 11)
_SEAL_OVERLAP = 0.05e-3


@dataclass(frozen=True)
class Ball:
    """One eyeball: centre [3] in metres and size relative to 24 mm."""

    centre: np.ndarray
    scale: float


def fit_ball(lid_edge: np.ndarray, start: np.ndarray) -> Ball:
    """The ball behind the rear lid edge [n, 3]; its size gives way by at most 5 % where the lids leave no room."""
    best = None
    for scale in np.linspace(0.95, 1.05, 11):
        centre = fit_centre(lid_edge, start, radius=BALL_RADIUS * scale)
        residual = np.linalg.norm(lid_edge - centre, axis=1) - BALL_RADIUS * scale
        moved = np.linalg.norm(centre - start)
        cost = (residual**2).mean() + 0.02 * moved**2 + (0.05 * BALL_RADIUS * (scale - 1) / 0.05) ** 2
        if best is None or cost < best[0]:
            best = (cost, Ball(centre, float(scale)))
    return best[1]


@dataclass(frozen=True)
class EyeRegion:
    """The skin round one eye and what moves it."""

    side: str
    ids: np.ndarray  # [n] vertex ids, sorted
    curves: LidCurves
    ball: Ball
    faces: np.ndarray  # [m, 4] the faces among these vertices, as positions in `ids`

    def own(self, name: str) -> str:
        """The shape's name for this side, e.g. own('eyeBlink')."""
        return name + self.side.capitalize()


def gaze_direction(name: str | None) -> np.ndarray:
    """[3] where the eye looks at weight 1 of an eyeLook shape; None is straight ahead."""
    turn = gaze_of(name) if name else None
    return gaze_rotation(*turn)[:, 2] if turn else np.array([0.0, 0.0, 1.0])


def clearance(points: np.ndarray, ball: Ball, gaze: np.ndarray) -> np.ndarray:
    """Radial distance [n] of points [n, 3] from the surface of the eye looking along `gaze`; negative inside."""
    offset = points - ball.centre
    distance = np.linalg.norm(offset, axis=1)
    return distance - surface_radius(offset / distance[:, None], gaze, ball.scale)


def push_out(points: np.ndarray, region: EyeRegion, gaze: np.ndarray) -> np.ndarray:
    """Displacement [n, 3] that brings the region's points [n, 3] off the eye, with the skin over them.

    The middles of faces count too: a large face may cut the ball although its corners do not.
    """
    ball = region.ball
    offset = points - ball.centre
    distance = np.linalg.norm(offset, axis=1)
    direction = offset / distance[:, None]
    above = distance - surface_radius(direction, gaze, ball.scale)
    deficit = CLEARANCE - above
    in_faces = _FACE_CLEARANCE - clearance(points[region.faces].mean(1), ball, gaze)
    np.maximum.at(deficit, region.faces.reshape(-1), np.repeat(in_faces, 4))  # a face rises with all its corners
    hit = np.flatnonzero(deficit > 0)
    result = np.zeros_like(points)
    if not len(hit):
        return result
    near = np.flatnonzero(above < 3 * _DEPTH)
    angle = np.arccos(np.clip(direction[near] @ direction[hit].T, -1, 1))  # [near, hit]
    amount = (np.exp(-((angle / _SPREAD) ** 2)) * deficit[hit]).max(1)
    amount = amount * np.exp(-((np.maximum(above[near], 0) / _DEPTH) ** 2))
    result[near] = direction[near] * np.maximum(amount, deficit[near].clip(0))[:, None]
    return result


def conform_lids(vertices: np.ndarray, arkit: np.ndarray, region: EyeRegion) -> None:
    """Move, in place, the lids in `vertices` [V, 3] and in `arkit` [52, V, 3] off the ball, and seal the blink.

    Neutral first; then each gaze by itself; then every other shape that moves these lids, straight ahead; then
    those together with each gaze.
    """
    ids = region.ids
    straight = gaze_direction(None)
    for _ in range(2):
        vertices[ids] += push_out(vertices[ids], region, straight)
    rest = vertices[ids]
    looks = [region.own(f"eyeLook{way}") for way in ("Up", "Down", "In", "Out")]
    touching = [
        name for name in ARKIT_NAMES if name not in looks and np.abs(arkit[ARKIT_INDEX[name]][ids]).max() > 5e-5
    ]
    for name in looks + touching:
        shape = arkit[ARKIT_INDEX[name]]
        gaze = gaze_direction(name if name in looks else None)
        for _ in range(2):
            shape[ids] += push_out(rest + shape[ids], region, gaze)
    blink = arkit[ARKIT_INDEX[region.own("eyeBlink")]]
    for _ in range(4):
        seal_blink(vertices, blink, region)
        blink[ids] += push_out(rest + blink[ids], region, straight)
    for name in touching:
        shape = arkit[ARKIT_INDEX[name]]
        for look in looks:
            both = rest + shape[ids] + arkit[ARKIT_INDEX[look]][ids]
            shape[ids] += push_out(both, region, gaze_direction(look))
    seal_blink(vertices, blink, region)
    for look in (None, *looks):
        turned = arkit[ARKIT_INDEX[look]][ids] if look else 0.0
        blink[ids] += push_out(rest + blink[ids] + turned, region, gaze_direction(look))


def _elevation(points: np.ndarray, ball: Ball) -> np.ndarray:
    """Angle [n] above the horizontal plane through the ball's centre, about the axis along X."""
    offset = points - ball.centre
    return np.arctan2(offset[:, 1], offset[:, 2])


def blink_gap(points: np.ndarray, region: EyeRegion, samples: int = 33) -> tuple[np.ndarray, np.ndarray]:
    """Opening [samples] in metres left between closed lids, over x [samples]; negative where they overlap.

    The least of the openings between corresponding loops of the margin, from its front to its rear edge: one that is
    closed hides what lies behind it.
    """
    inner, outer = points[region.curves.upper[9]][[0, -1], 0]
    x = np.linspace(inner + (outer - inner) * 0.06, outer - (outer - inner) * 0.06, samples)
    gaps = []
    for loop in _SEAL_LOOPS:
        heights = []
        for half in (region.curves.upper, region.curves.lower):
            line = points[half[loop]]
            order = np.argsort(line[:, 0])
            heights.append(np.interp(x, line[order, 0], _elevation(line, region.ball)[order]))
        gaps.append(heights[0] - heights[1])
    return np.min(gaps, 0) * BALL_RADIUS * region.ball.scale, x


def seal_blink(vertices: np.ndarray, blink: np.ndarray, region: EyeRegion) -> None:
    """Turn the upper lid, in place in `blink` [V, 3], about the eye until it meets the lower lid everywhere."""
    ids, ball = region.ids, region.ball
    gap, x = blink_gap(vertices + blink, region)
    angle = (gap + _SEAL_OVERLAP) / (BALL_RADIUS * ball.scale)
    if region.side == "right":
        x, angle = x[::-1], angle[::-1]
    kernel = np.array([1, 2, 1]) / 4
    angle = np.maximum(np.convolve(np.pad(angle, 1, mode="edge"), kernel, "valid"), angle)
    # Nothing to turn at the canthi, where both lids are one.
    span = abs(x[-1] - x[0])
    x = np.concatenate([[x[0] - 0.09 * span], x, [x[-1] + 0.09 * span]])
    angle = np.concatenate([[0.0], angle, [0.0]])
    points = vertices[ids] + blink[ids]
    # The share of the lid's own travel at this x: the margin turns fully, the skin up to the crease less and less.
    margin = region.curves.upper[10]
    order = np.argsort((vertices + blink)[margin, 0])
    travel = np.interp(points[:, 0], (vertices + blink)[margin, 0][order], (-blink[margin, 1])[order])
    share = np.clip(-blink[ids][:, 1] / np.maximum(travel, 0.3e-3), 0, 1)
    turn = -np.interp(points[:, 0], x, angle) * share
    offset = points - ball.centre
    cos, sin = np.cos(turn), np.sin(turn)
    y = offset[:, 1] * cos + offset[:, 2] * sin
    z = -offset[:, 1] * sin + offset[:, 2] * cos
    blink[ids] += np.stack([np.zeros_like(y), y - offset[:, 1], z - offset[:, 2]], 1)
