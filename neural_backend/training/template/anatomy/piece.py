"""A piece of anatomy before it is bound to the head: one surface, its two levels of detail and its UV."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ....head.template import PART_NAMES


@dataclass(frozen=True)
class Piece:
    """One surface in metres. Both levels index the same vertices and the same UV points; level 0 uses fewer of them."""

    vertices: np.ndarray  # [n, 3] float64
    uv: np.ndarray  # [t, 2] float64
    quads: tuple[np.ndarray, np.ndarray]  # ([F0, 4], [F1, 4]) a triangle repeats its last vertex
    face_uv: tuple[np.ndarray, np.ndarray]  # ([F0, 4], [F1, 4]) into uv
    part: str  # of PART_NAMES
    curves: dict[str, np.ndarray] = field(default_factory=dict)  # vertex ids by name, level 1

    def __post_init__(self) -> None:
        if self.part not in PART_NAMES:
            raise ValueError(f"'{self.part}' is no part of a head; choose one of {', '.join(PART_NAMES)}.")
        for quads, face_uv in zip(self.quads, self.face_uv, strict=True):
            if quads.shape != face_uv.shape:
                raise ValueError(f"{self.part}: {quads.shape} quads but {face_uv.shape} UV corners.")

    def mirrored(self, part: str | None = None) -> Piece:
        """The same piece on the other side of the plane x = 0, with its winding turned; it shares the UV."""
        return Piece(
            vertices=self.vertices * [-1.0, 1.0, 1.0],
            uv=self.uv,
            quads=tuple(reversed_winding(quads) for quads in self.quads),
            face_uv=tuple(
                reversed_winding(face_uv, like=quads) for face_uv, quads in zip(self.face_uv, self.quads, strict=True)
            ),
            part=part or self.part,
            curves=dict(self.curves),
        )


def reversed_winding(faces: np.ndarray, like: np.ndarray | None = None) -> np.ndarray:
    """[F, 4] the same faces seen from behind; a triangle still repeats its last vertex.

    `like` are the vertex quads that say which faces are triangles when `faces` are UV corners.
    """
    like = faces if like is None else like
    triangle = like[:, 2] == like[:, 3]
    turned = faces[:, [3, 2, 1, 0]]
    turned[triangle] = faces[triangle][:, [2, 1, 0, 0]]
    return turned


def grid_quads(rows: np.ndarray, columns: np.ndarray, width: int, closed: bool = False) -> np.ndarray:
    """[F, 4] quads of a grid whose vertex (r, c) has the id r * width + c, using only the named rows and columns.

    Counter-clockwise when seen with columns running right and rows running up. `closed` joins the last column to the
    first.
    """
    following = np.roll(columns, -1) if closed else columns[1:]
    columns = columns if closed else columns[:-1]
    low, high = rows[:-1, None] * width, rows[1:, None] * width
    corners = (low + columns, low + following, high + following, high + columns)
    return np.stack(np.broadcast_arrays(*corners), -1).reshape(-1, 4)


def fan_triangles(pole: int, ring: np.ndarray) -> np.ndarray:
    """[n, 4] triangles (last vertex repeated) from a closed ring, in its own order, to a pole."""
    following = np.roll(ring, -1)
    pole_ids = np.full_like(ring, pole)
    return np.stack([ring, following, pole_ids, pole_ids], 1)


def joined(pieces: list[Piece], part: str) -> Piece:
    """Several surfaces of one part as one piece."""
    vertex_at = np.cumsum([0] + [len(piece.vertices) for piece in pieces])
    uv_at = np.cumsum([0] + [len(piece.uv) for piece in pieces])
    return Piece(
        vertices=np.concatenate([piece.vertices for piece in pieces]),
        uv=np.concatenate([piece.uv for piece in pieces]),
        quads=tuple(
            np.concatenate([piece.quads[level] + at for piece, at in zip(pieces, vertex_at[:-1], strict=True)])
            for level in (0, 1)
        ),
        face_uv=tuple(
            np.concatenate([piece.face_uv[level] + at for piece, at in zip(pieces, uv_at[:-1], strict=True)])
            for level in (0, 1)
        ),
        part=part,
        curves={
            name: ids + at
            for piece, at in zip(pieces, vertex_at[:-1], strict=True)
            for name, ids in piece.curves.items()
        },
    )
