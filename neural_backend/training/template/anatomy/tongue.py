"""The tongue: a tube of quads swept along a spine, at rest behind the lower teeth and again out through the lips."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from .piece import Piece, fan_triangles, grid_quads, reversed_winding

AROUND = 16
RINGS = 17


@dataclass(frozen=True)
class Sweep:
    """A spine in the plane x = 0 and the sections along it; millimetres in the head's frame."""

    spine: np.ndarray  # [n, 2] (y, z) from the root to the tip
    half_width: np.ndarray  # [n]
    half_height: np.ndarray  # [n]
    groove: float  # depth of the midline groove

    def surface(self) -> tuple[np.ndarray, np.ndarray]:
        """Rings [RINGS, AROUND, 3] from the root forward and the tip [3], metres."""
        chord = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(self.spine, axis=0), axis=1))])
        chord /= chord[-1]
        # Rings crowd towards the tip, where the outline turns.
        at = 1 - (1 - np.linspace(0, 1, RINGS + 1)) ** 1.8
        spine = PchipInterpolator(chord, self.spine)(at)
        tangent = PchipInterpolator(chord, self.spine)(at, 1)
        tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
        normal = np.stack([tangent[:, 1], -tangent[:, 0]], 1)  # (y, z), upwards for a spine that runs forward
        width = PchipInterpolator(chord, self.half_width)(at)
        height = PchipInterpolator(chord, self.half_height)(at)
        # The tip is round: the last part closes like an ellipse.
        close = np.sqrt(np.maximum(1 - np.clip((at - 0.87) / 0.13, 0, 1) ** 2, 0))
        width, height = width * close, height * np.maximum(close, 0.35)
        angle = 2 * np.pi * np.arange(AROUND) / AROUND - np.pi / 2  # from the middle of the underside
        cos, sin = np.cos(angle), np.sin(angle)
        across = np.sign(cos) * np.abs(cos) ** 0.85  # a slightly square section
        x = width[:, None] * across
        rise = np.sign(sin) * np.abs(sin) ** 0.9 * np.where(sin > 0, 1.0, 0.8)
        hollow = self.groove * np.exp(-((x / 3.0) ** 2)) * np.clip(sin, 0, 1) * np.clip(4 * (1 - at), 0, 1)[:, None]
        up = height[:, None] * rise - hollow
        y = spine[:, :1] + up * normal[:, :1]
        z = spine[:, 1:] + up * normal[:, 1:]
        rings = np.stack([x, y, z], -1)[:-1]
        return rings / 1000, np.array([0.0, *spine[-1]]) / 1000


REST = Sweep(
    spine=np.array(
        [[-56.0, 30.0], [-49.0, 42.0], [-43.5, 56.0], [-41.0, 70.0], [-41.0, 82.0], [-41.3, 91.0], [-41.0, 97.6]]
    ),
    half_width=np.array([15.0, 16.5, 17.0, 15.8, 14.4, 12.6, 10.5]),
    half_height=np.array([11.0, 11.5, 11.0, 9.0, 6.5, 4.4, 2.6]),
    groove=1.3,
)


def protruding(passage_y: float, passage_z: float, passage_half_height: float, lower_edge_y: float) -> Sweep:
    """The tongue out of the mouth.

    It passes the lips with its middle at (`passage_y`, `passage_z`), no thicker than twice
    `passage_half_height`, above the lower incisors' edge (`lower_edge_y`), and hangs over the lower lip. Millimetres.
    """
    inside_y = max(lower_edge_y + 4.2, passage_y - 1.0)
    thick = float(np.clip(passage_half_height, 1.5, 4.5))
    return Sweep(
        spine=np.array(
            [
                [-52.0, 34.0],
                [-46.0, 50.0],
                [inside_y - 3.0, 74.0],
                [inside_y, passage_z - 9.0],
                [passage_y - 0.3, passage_z],
                [passage_y - 5.0, passage_z + 12.0],
                [passage_y - 17.0, passage_z + 22.0],
            ]
        ),
        half_width=np.array([14.0, 15.0, 15.0, 14.0, 14.2, 14.0, 12.0]),
        half_height=np.array([10.0, 9.5, 7.0, min(thick, 4.0), thick, 3.8, 2.8]),
        groove=1.0,
    )


def build_tongue(out: Sweep) -> tuple[Piece, np.ndarray]:
    """The tongue at rest and the displacement [n, 3] in metres that brings it `out`."""
    rings, tip = REST.surface()
    out_rings, out_tip = out.surface()
    vertices = np.concatenate([rings.reshape(-1, 3), tip[None]])
    moved = np.concatenate([out_rings.reshape(-1, 3), out_tip[None]])

    width = AROUND + 1  # UV columns: the seam is the middle of the underside
    v = 0.01 + 0.26 * np.arange(width) / AROUND
    u = np.linspace(0.02, 0.96, RINGS)
    uv = np.stack(np.broadcast_arrays(u[:, None], v[None]), -1).reshape(-1, 2)
    tip_uv = np.stack([np.full(AROUND, 0.985), v[:-1] + 0.13 / AROUND], 1)
    tip_start = len(uv)
    uv = np.concatenate([uv, tip_uv])
    quads, face_uv = [], []
    level_0 = np.unique(np.append(np.arange(0, RINGS, 2), RINGS - 1))
    for rows, step in ((level_0, 2), (np.arange(RINGS), 1)):
        # Rows run forward and columns turn counter-clockwise seen from behind: rows last to first faces outwards.
        corner = grid_quads(rows, np.arange(0, width, step), width)[:, ::-1]
        quad = corner // width * AROUND + corner % width % AROUND
        ring = (RINGS - 1) * AROUND + np.arange(0, AROUND, step)
        fan = fan_triangles(len(vertices) - 1, ring)
        start = (RINGS - 1) * width + np.arange(0, AROUND, step)
        fan_uv = np.stack([start, start + step, *[tip_start + np.arange(0, AROUND, step)] * 2], 1)
        quads.append(np.concatenate([quad, fan]))
        face_uv.append(np.concatenate([corner, fan_uv]))
    piece = _facing_out(Piece(vertices, uv, tuple(quads), tuple(face_uv), "tongue"))
    return piece, moved - vertices


def _facing_out(piece: Piece) -> Piece:
    """Turn the winding of each block of faces that looks inwards (the spine is inside)."""
    quads, face_uv = [], []
    middle = piece.vertices[:-1].reshape(RINGS, AROUND, 3).mean(1)
    for quad, corner in zip(piece.quads, piece.face_uv, strict=True):
        points = piece.vertices[quad]
        normal = np.cross(points[:, 2] - points[:, 0], points[:, 3] - points[:, 1])
        triangle = quad[:, 2] == quad[:, 3]
        normal[triangle] = np.cross(
            points[triangle, 1] - points[triangle, 0], points[triangle, 2] - points[triangle, 0]
        )
        centre = points.mean(1)
        nearest = middle[np.linalg.norm(centre[:, None] - middle[None], axis=2).argmin(1)]
        inwards = np.einsum("fi,fi->f", normal, centre - nearest) < 0
        for kind in (triangle, ~triangle):  # one vote for all: a surface has one winding
            if inwards[kind].mean() > 0.5:
                turned = quad.copy(), corner.copy()
                turned[0][kind] = reversed_winding(quad[kind])
                turned[1][kind] = reversed_winding(corner[kind], like=quad[kind])
                quad, corner = turned
        quads.append(quad)
        face_uv.append(corner)
    return Piece(piece.vertices, piece.uv, tuple(quads), tuple(face_uv), piece.part)
