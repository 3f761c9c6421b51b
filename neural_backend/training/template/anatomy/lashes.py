"""Eyelashes: thin tapering ribbons of quads that grow from the front edge of the lids.

Numbers follow real lashes: some 90-150 on the upper lid in two or three uneven rows, 8-10 mm long and curled up;
half as many on the lower lid, 4-6 mm; fanned away from the middle and gathered into small groups at their tips.
Ribbons are twisted alternately, so that some face the viewer from every side.
"""

from __future__ import annotations

import numpy as np

from ....head.lids import FRONT_EDGE, LidCurves, interpolated, lid_frames
from .piece import Piece

PAIRS = 4  # pairs of vertices up a lash; its tip is one vertex
VERTICES_PER_LASH = 2 * PAIRS + 1
TEXTURE_COLUMNS = 16
UPPER_COUNT, LOWER_COUNT = 104, 48


def build_lashes(vertices: np.ndarray, curves: LidCurves, seed: int = 5) -> Piece:
    """The lashes of one eye for the skin `vertices` [V, 3]; metres."""
    rng = np.random.default_rng(seed)
    strands, columns = [], []
    for upper, count in ((True, UPPER_COUNT), (False, LOWER_COUNT)):
        lash = _grow(vertices, curves, upper, count, rng)
        strands.append(lash)
        columns.append(rng.integers(0, TEXTURE_COLUMNS, count))
    strand = np.concatenate(strands)  # [n, VERTICES_PER_LASH, 3]
    return _as_piece(strand, np.concatenate(columns))


def _grow(vertices: np.ndarray, curves: LidCurves, upper: bool, count: int, rng: np.random.Generator) -> np.ndarray:
    """[count, VERTICES_PER_LASH, 3] the lashes of one lid, from the inner to the outer canthus."""
    frames = lid_frames(vertices, curves, upper, FRONT_EDGE)
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(frames.origin, axis=0), axis=1))])
    share = np.linspace(0.16 if upper else 0.2, 0.965 if upper else 0.95, count)
    share = np.clip(share + rng.uniform(-0.4, 0.4, count) / count, 0, 1)
    position = np.interp(share, length / length[-1], np.arange(len(length)))
    root, axes = interpolated(frames, position)
    along, out, away = axes[..., 0], axes[..., 1], axes[..., 2]
    root = root - 0.15e-3 * out + rng.uniform(-0.25, 0.25, (count, 1)) * 1e-3 * away - 0.1e-3 * away

    # Longest towards the outer third; short at the inner corner.
    envelope = np.interp(share, [0, 0.2, 0.45, 0.75, 0.92, 1.0], [0.45, 0.62, 0.9, 1.0, 0.86, 0.7])
    size = (8.6e-3 if upper else 4.6e-3) * envelope * rng.uniform(0.72, 1.08, count)
    fan = np.interp(share, [0, 0.4, 0.6, 1.0], [-0.55, -0.10, 0.15, 0.95]) + rng.normal(0, 0.07, count)
    # Groups of two to four lashes lean towards their middle.
    group = np.cumsum(rng.random(count) < 0.36)
    centre = np.array([share[group == g].mean() for g in range(group[-1] + 1) if (group == g).any()])
    label = np.unique(group, return_inverse=True)[1]
    lean = (centre[label] - share) * length[-1]  # metres along the lid at the tip
    begin, turn = (np.radians(-8.0), np.radians(78.0)) if upper else (np.radians(18.0), np.radians(34.0))
    begin = begin + rng.normal(0, np.radians(5), count)
    turn = turn * rng.uniform(0.75, 1.15, count)

    steps = 24
    t = (np.arange(steps) + 0.5) / steps
    angle = begin[:, None] + turn[:, None] * t**1.2  # [n, steps]
    direction = (
        np.cos(angle)[..., None] * out[:, None]
        + np.sin(angle)[..., None] * away[:, None]
        + (fan[:, None] * (0.6 + 0.4 * t))[..., None] * along[:, None]
    )
    direction /= np.linalg.norm(direction, axis=2, keepdims=True)
    spine = np.concatenate([np.zeros((count, 1, 3)), np.cumsum(direction * (size / steps)[:, None, None], 1)], 1)
    spine += (
        root[:, None] + (lean * 0.75)[:, None, None] * along[:, None] * (np.linspace(0, 1, steps + 1) ** 1.5)[:, None]
    )

    at = np.array([0.0, 0.26, 0.52, 0.77, 1.0])
    index = np.round(at * steps).astype(int)
    knots = spine[:, index]  # [n, PAIRS + 1, 3]
    heading = np.gradient(spine, axis=1)[:, index]
    heading /= np.linalg.norm(heading, axis=2, keepdims=True)
    side = np.cross(heading, np.broadcast_to(away[:, None], heading.shape))
    side /= np.linalg.norm(side, axis=2, keepdims=True)
    over = np.cross(side, heading)
    twist = np.where(np.arange(count) % 2 == 0, 1.0, -1.0) * np.radians(45) + rng.normal(0, 0.25, count)
    ribbon = np.cos(twist)[:, None, None] * side + np.sin(twist)[:, None, None] * over
    width = (0.115e-3 if upper else 0.09e-3) * np.array([1.0, 0.92, 0.74, 0.48])
    pairs = np.stack(
        [
            knots[:, :PAIRS] - ribbon[:, :PAIRS] * width[:, None] / 2,
            knots[:, :PAIRS] + ribbon[:, :PAIRS] * width[:, None] / 2,
        ],
        2,
    )
    return np.concatenate([pairs.reshape(count, 2 * PAIRS, 3), knots[:, -1:]], 1)


def _as_piece(strand: np.ndarray, column: np.ndarray) -> Piece:
    """Quads and UV of the ribbons; level 0 keeps every second lash with half its quads."""
    count = len(strand)
    first = np.arange(count) * VERTICES_PER_LASH
    v = np.array([0.02, 0.26, 0.51, 0.76])
    u = (column[:, None, None] + np.array([0.1, 0.9])[None, None]) / TEXTURE_COLUMNS  # [n, 1, 2]
    pair_uv = np.stack(np.broadcast_arrays(u, v[None, :, None]), -1).reshape(count, 2 * PAIRS, 2)
    tip_uv = np.stack([(column + 0.5) / TEXTURE_COLUMNS, np.full(count, 0.98)], 1)[:, None]
    uv = np.concatenate([pair_uv, tip_uv], 1).reshape(-1, 2)
    levels = []
    for starts, rows in ((first[::2], (0, 2)), (first, tuple(range(PAIRS)))):
        faces = []
        for low, high in zip(rows[:-1], rows[1:], strict=True):
            faces.append(
                np.stack([starts + 2 * low, starts + 2 * low + 1, starts + 2 * high + 1, starts + 2 * high], 1)
            )
        tip = starts + 2 * PAIRS
        faces.append(np.stack([starts + 2 * rows[-1], starts + 2 * rows[-1] + 1, tip, tip], 1))
        levels.append(np.stack(faces, 1).reshape(-1, 4))
    quads = (levels[0], levels[1])
    return Piece(strand.reshape(-1, 3), uv, quads, quads, "lashes")
