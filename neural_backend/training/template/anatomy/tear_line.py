"""The wet edge of the lower lid and the caruncle in the inner corner of the eye."""

from __future__ import annotations

import numpy as np

from ....head.eyes import BALL_RADIUS
from ....head.lids import MARGIN, REAR_EDGE, LidCurves
from .piece import Piece, grid_quads, reversed_winding

_ROWS = 5


def _even(points: np.ndarray, share: np.ndarray) -> np.ndarray:
    """[n, 3] points of a polyline at shares of its length."""
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    return np.stack([np.interp(share * length[-1], length, points[:, axis]) for axis in range(3)], 1)


def _grid_piece(points: np.ndarray, u: np.ndarray, v: np.ndarray, part: str, towards: np.ndarray) -> Piece:
    """A grid [R, C, 3] as a piece whose faces look along `towards` [3]; level 0 takes every second row and column."""
    rows, columns = points.shape[:2]
    uv = np.stack(np.broadcast_arrays(u[None], v[:, None]), -1).reshape(-1, 2)
    vertices = points.reshape(-1, 3)
    levels = []
    for step in (2, 1):
        keep_rows = np.unique(np.append(np.arange(0, rows, step), rows - 1))
        keep_columns = np.unique(np.append(np.arange(0, columns, step), columns - 1))
        levels.append(grid_quads(keep_rows, keep_columns, columns))
    corner = vertices[levels[1]]
    normal = np.cross(corner[:, 2] - corner[:, 0], corner[:, 3] - corner[:, 1]).sum(0)
    if normal @ towards < 0:
        levels = [reversed_winding(faces) for faces in levels]
    quads = (levels[0], levels[1])
    return Piece(vertices, uv, quads, quads, part)


def build_tear_line(vertices: np.ndarray, curves: LidCurves, centre: np.ndarray) -> Piece:
    """The meniscus between the lower lid's margin and the eye: a narrow hollow strip of clear water."""
    count = 25
    share = np.linspace(0.10, 0.97, count)
    lid = _even(vertices[curves.lower[MARGIN]], share)
    corner = _even(vertices[curves.lower[REAR_EDGE]], share)
    # Where the water meets the eye: a little above the rear edge of the lid, thinning out at the canthi.
    swell = np.sin(np.pi * np.clip((share - 0.04) / 0.96, 0, 1)) ** 0.5
    up = np.array([0.0, 1.0, 0.0])
    eye = corner + (0.45e-3 * swell + 0.05e-3)[:, None] * up
    direction = eye - centre
    eye = centre + direction / np.linalg.norm(direction, axis=1, keepdims=True) * (BALL_RADIUS + 0.04e-3)
    lid = corner + (lid - corner) * np.minimum(1.0, 0.55e-3 / np.linalg.norm(lid - corner, axis=1))[:, None]
    lid = lid + (lid - centre) / np.linalg.norm(lid - centre, axis=1, keepdims=True) * 0.02e-3
    t = np.linspace(0, 1, _ROWS)
    straight = lid[None] * (1 - t)[:, None, None] + eye[None] * t[:, None, None]
    # Water climbs both walls: the surface hangs towards the corner between them, without reaching it.
    hollow = (np.sin(np.pi * t) * 0.45)[:, None, None]
    points = straight + hollow * (corner[None] - straight) * 0.6
    return _grid_piece(points, 0.02 + 0.96 * share, 0.02 + 0.96 * t, "tear_line", np.array([0.0, 0.3, 1.0]))


def build_caruncle(vertices: np.ndarray, curves: LidCurves, centre: np.ndarray, part: str) -> Piece:
    """The pink lump in the inner corner: a sheet between both lids that bulges and dips under the eye's surface.

    It uses a corner of the eye's UV square that the round map of the ball leaves free.
    """
    columns, rows = 9, 9
    outwards = 1.0 if curves.side == "left" else -1.0
    reach = 5.2e-3
    lids = []
    for half in (curves.upper, curves.lower):
        line = vertices[half[REAR_EDGE]]
        length = np.linalg.norm(np.diff(line, axis=0), axis=1).sum()
        lids.append(_even(line, np.linspace(0.3e-3, reach, columns) / length))
    s = np.linspace(0, 1, columns)  # from the canthus towards the eye
    r = np.linspace(0, 1, rows)  # from the lower to the upper lid
    sheet = lids[1][None] * (1 - r)[:, None, None] + lids[0][None] * r[:, None, None]
    forward = sheet - centre
    forward /= np.linalg.norm(forward, axis=2, keepdims=True)
    across = np.sin(np.pi * r)[:, None]
    bulge = 0.75e-3 * np.sin(np.pi * np.clip(s * 1.25, 0, 1)) ** 1.2 * (1 - 0.35 * s)
    fold = 0.22e-3 * np.exp(-(((s - 0.86) / 0.07) ** 2))  # the plica
    sheet = sheet + forward * (across * (bulge + fold)[None])[..., None]
    # The outer end lies under the surface of the ball; the inner end and both sides are tucked behind the lids.
    distance = np.linalg.norm(sheet - centre, axis=2)
    ball = BALL_RADIUS + np.interp(s, [0, 0.55, 0.85, 1.0], [0.9e-3, 0.55e-3, 0.12e-3, -0.5e-3])[None] * (
        0.35 + 0.65 * across
    )
    wanted = np.where(s[None] > 0.5, ball, np.maximum(distance, ball))
    blend = np.clip((s - 0.25) / 0.45, 0, 1)[None]
    sheet = centre + (sheet - centre) / distance[..., None] * (distance * (1 - blend) + wanted * blend)[..., None]
    tuck = (1 - across) * 0.25e-3
    sheet[..., 0] -= outwards * ((1 - s) ** 4 * 0.3e-3)[None]
    sheet -= forward * tuck[..., None]
    return _grid_piece(sheet, 0.01 + 0.12 * s, 0.01 + 0.12 * r, part, np.array([0.0, 0.0, 1.0]))


def build_outer_corner(vertices: np.ndarray, curves: LidCurves, centre: np.ndarray, part: str) -> Piece:
    """The conjunctiva in the outer corner: without it one looks past the ball into the socket when the eye turns.

    A sheet between both lids that slips under the ball; painted with the pale end of the caruncle's corner of the map.
    """
    columns, rows = 5, 5
    reach = 4.0e-3
    lids = []
    for half in (curves.upper, curves.lower):
        line = vertices[half[REAR_EDGE]][::-1]
        length = np.linalg.norm(np.diff(line, axis=0), axis=1).sum()
        lids.append(_even(line, np.linspace(0.15e-3, reach, columns) / length))
    s = np.linspace(0, 1, columns)  # from the canthus towards the eye
    r = np.linspace(0, 1, rows)  # from the lower to the upper lid
    sheet = lids[1][None] * (1 - r)[:, None, None] + lids[0][None] * r[:, None, None]
    offset = sheet - centre
    distance = np.linalg.norm(offset, axis=2)
    # At the lids it starts just behind their rear edge; it meets the ball half way and ends well under it.
    start = distance - 0.12e-3
    end = BALL_RADIUS + np.interp(s, [0, 0.4, 1.0], [0.5e-3, 0.1e-3, -0.7e-3])[None]
    share = np.clip(s / 0.6, 0, 1)[None]
    sheet = centre + offset / distance[..., None] * np.minimum(start, start * (1 - share) + end * share)[..., None]
    return _grid_piece(sheet, 0.10 + 0.03 * s, 0.02 + 0.10 * r, part, np.array([0.0, 0.0, 1.0]))
