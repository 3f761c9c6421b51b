"""The eyeball: sclera, limbus, recessed iris and pupil in one surface, and a clear cornea cap in front of it.

Built about the origin, looking along +Z, in metres. Sizes are the standard adult ones: a ball of 24 mm, a cornea of
7.8 mm radius, a visible iris of 11.8 mm, an anterior chamber of about 3 mm.
"""

from __future__ import annotations

import numpy as np

from ....head.eyes import BALL_RADIUS, LIMBUS_RADIUS, cornea_height, eye_map_radius
from .piece import Piece, fan_triangles, grid_quads

SEGMENTS = 32

# Meridian of the opaque eye from the pupil's floor outwards, (distance from the axis, height along it) in millimetres.
# The iris is a shallow bowl, as painters of digital eyes make it: light that enters from one side then gathers on the
# other side of the pupil, which is what the eye reads as depth.
_IRIS_MM = ((0.9, 8.35), (1.75, 9.05), (2.05, 9.22), (2.9, 9.28), (4.0, 9.42), (5.0, 9.62), (5.62, 9.82), (5.9, 10.18))
_IRIS_LEVEL_0 = (1, 2, 4, 6, 7)
# Sclera by angle from the axis in degrees; dense where lids let it be seen.
_SCLERA_DEGREES = (30.4, 33.0, 37.0, 42.0, 48.0, 55.0, 63.0, 72.0, 82.0, 95.0, 112.0, 132.0, 155.0)
_SCLERA_LEVEL_0 = (1, 4, 6, 8, 10, 12)
# Cornea rings by distance from the axis; the last lie on the sclera, just above it.
_CORNEA_MM = (1.4, 2.8, 4.0, 5.0, 5.6, 6.05, 6.5, 7.0)
_CORNEA_LEVEL_0 = (1, 3, 5, 7)


def _surface(rings: np.ndarray, pole: float, back_pole: float | None, level_0: np.ndarray, part: str) -> Piece:
    """Turn rings [R, 2] (distance from the axis, height, metres; from the front pole outwards) into a surface."""
    angle = 2 * np.pi * np.arange(SEGMENTS) / SEGMENTS
    circle = np.stack([np.cos(angle), np.sin(angle)], 1)  # [S, 2]
    vertices = np.concatenate(
        [rings[:, None, :1] * circle, np.broadcast_to(rings[:, None, 1:], (len(rings), SEGMENTS, 1))], 2
    )
    vertices = np.concatenate([vertices.reshape(-1, 3), [[0.0, 0.0, pole]]])
    radius = eye_map_radius(rings[:, 0], rings[:, 1])  # [R] distance from the middle of the map
    uv = 0.5 + radius[:, None, None] * circle
    uv = np.concatenate([uv.reshape(-1, 2), [[0.5, 0.5]]])
    front = len(rings) * SEGMENTS
    quads, face_uv = [], []
    for rows, step in ((level_0, 2), (np.arange(len(rings)), 1)):
        columns = np.arange(0, SEGMENTS, step)
        # Rings run outwards, so the grid order is clockwise from the front: take the rows from the outside in.
        quads.append(
            np.concatenate(
                [
                    grid_quads(rows[::-1], columns, SEGMENTS, closed=True),
                    fan_triangles(front, rows[0] * SEGMENTS + columns),
                ]
            )
        )
        face_uv.append(quads[-1])
    if back_pole is not None:
        vertices = np.concatenate([vertices, [[0.0, 0.0, back_pole]]])
        # Nothing sees the back pole: each of its triangles ends in its own point on the rim of the map.
        rim = 0.5 + 0.5 * np.stack([np.cos(angle + np.pi / SEGMENTS), np.sin(angle + np.pi / SEGMENTS)], 1)
        rim_start = len(uv)
        uv = np.concatenate([uv, rim])
        for level, step in ((0, 2), (1, 1)):
            ring = (len(rings) - 1) * SEGMENTS + np.arange(0, SEGMENTS, step)
            faces = fan_triangles(len(vertices) - 1, ring[::-1])
            corner = faces.copy()
            corner[:, 2:] = (rim_start + np.minimum(faces[:, 0], faces[:, 1]) % SEGMENTS)[:, None]
            quads[level] = np.concatenate([quads[level], faces])
            face_uv[level] = np.concatenate([face_uv[level], corner])
    return Piece(vertices=vertices, uv=uv, quads=tuple(quads), face_uv=tuple(face_uv), part=part)


def build_eyeball(part: str = "eye_left") -> Piece:
    """Sclera, limbus, iris and pupil, about the origin, looking along +Z."""
    angle = np.radians(_SCLERA_DEGREES)
    sclera = BALL_RADIUS * np.stack([np.sin(angle), np.cos(angle)], 1)
    rings = np.concatenate([np.array(_IRIS_MM) / 1000, sclera])
    level_0 = np.concatenate([_IRIS_LEVEL_0, len(_IRIS_MM) + np.array(_SCLERA_LEVEL_0)])
    return _surface(rings, 8.3e-3, -BALL_RADIUS, level_0, part)


def build_cornea(part: str = "cornea_left") -> Piece:
    """The clear cap, about the origin; its rim lies on the sclera outside the limbus."""
    radius = np.array(_CORNEA_MM) / 1000
    rings = np.stack([radius, cornea_height(radius)], 1)
    assert radius[-1] > LIMBUS_RADIUS
    return _surface(rings, float(cornea_height(np.zeros(1))[0]), None, np.array(_CORNEA_LEVEL_0), part)
