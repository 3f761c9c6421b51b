"""The teeth: 28 crowns, each kind with its own authored profile, placed on the arches of `arch`.

A crown is a stack of rings from inside the gum to the incisal edge, closed by a square patch that carries the edge or
the cusps. Ring profiles (labial and lingual outline, width) and edge shapes follow the textbook descriptions of the
permanent teeth: cingulum and hollow lingual face of incisors, one-pointed canines, two-cusped premolars, four-cusped
molars with fissures, necks that curve towards the root in front and towards the edge between teeth.
"""

from __future__ import annotations

import numpy as np
from scipy.interpolate import PchipInterpolator

from .arch import Crown, Placement, placements
from .piece import Piece, grid_quads, joined, reversed_winding

SEGMENTS = 16
PATCH = 4  # quads along a side of the closing patch; four sides make the ring's segments
# Fractions of the crown's height from the neck (0) to the edge (1); the first ring stands in the gum.
RING_HEIGHTS = np.array([-0.22, 0.0, 0.14, 0.34, 0.56, 0.76, 0.9, 0.97, 1.0])
LEVEL_0_RINGS = np.array([0, 2, 4, 6, 8])

# Outline away from the crown's axis, as a share of the depth, at heights 0, .2, .5, .8, 1: labial, then lingual.
_OUTLINE_AT = (-0.3, 0.0, 0.2, 0.5, 0.8, 0.93, 1.0)
_LABIAL = {
    "incisor": (0.40, 0.46, 0.51, 0.46, 0.32, 0.22, 0.13),
    "canine": (0.42, 0.47, 0.53, 0.49, 0.34, 0.23, 0.14),
    "premolar": (0.42, 0.45, 0.50, 0.49, 0.42, 0.37, 0.31),
    "molar": (0.43, 0.46, 0.50, 0.48, 0.43, 0.39, 0.34),
}
_LINGUAL = {
    "incisor": (0.38, 0.44, 0.45, 0.20, 0.03, 0.03, 0.04),
    "canine": (0.40, 0.46, 0.47, 0.25, 0.08, 0.06, 0.06),
    "premolar": (0.42, 0.45, 0.49, 0.50, 0.44, 0.39, 0.33),
    "molar": (0.43, 0.46, 0.50, 0.50, 0.45, 0.41, 0.36),
}
# Height at which the crown is widest, and how much it narrows from there to the edge.
_CONTACT = {"incisor": (0.74, 0.05), "canine": (0.62, 0.24), "premolar": (0.60, 0.14), "molar": (0.58, 0.10)}
# How far the neck rises towards the edge between the teeth, in millimetres.
_NECK_CURVE = {"incisor": 2.3, "canine": 2.0, "premolar": 1.0, "molar": 0.5}
_EXPONENT = {"incisor": 2.5, "canine": 2.3, "premolar": 2.5, "molar": 3.0}


def _edge_height(crown: Crown, u: np.ndarray, d: np.ndarray) -> np.ndarray:
    """How far the edge lies below its highest point, in millimetres (<= 0), at distal u and labial d, both -1..1."""
    if crown.kind == "incisor":
        mesial, distal = np.maximum(-u - 0.62, 0), np.maximum(u - 0.45, 0)
        return -(2.0 * mesial**2 + 2.0 * distal**2) - 0.06 * np.abs(u)
    if crown.kind == "canine":
        return -np.where(u < 0, 1.7 * np.sqrt(u**2 + 0.02), 2.5 * np.sqrt(u**2 + 0.02)) + 0.2
    bump = lambda cu, cd, su, sd: np.exp(-(((u - cu) / su) ** 2) - ((d - cd) / sd) ** 2)  # noqa: E731
    ridge = np.exp(-(((np.abs(u) - 0.95) / 0.25) ** 2))
    if crown.kind == "premolar":
        lingual = 1.3 if crown.edge < -34.2 else 1.6
        return -2.3 + np.maximum.reduce(
            [2.3 * bump(0, 0.72, 0.75, 0.55), lingual * bump(-0.1, -0.72, 0.75, 0.5), 1.1 * ridge]
        )
    cusps = [
        2.0 * bump(-0.5, 0.7, 0.42, 0.5),
        1.8 * bump(0.5, 0.7, 0.42, 0.5),
        1.9 * bump(-0.5, -0.7, 0.42, 0.5),
        1.4 * bump(0.5, -0.7, 0.42, 0.5),
        0.9 * ridge,
    ]
    return -2.0 + np.maximum.reduce(cusps)


def cross_section(crown: Crown, height: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Half width, labial and lingual distance from the axis, in millimetres, at fractions [n] of the crown's height."""
    height = np.asarray(height, float)
    contact, narrowing = _CONTACT[crown.kind]
    rise = np.sin(np.pi / 2 * np.clip(height / contact, 0, 1)) ** 0.72
    half = crown.neck / 2 + (crown.width - crown.neck) / 2 * rise
    half = half * (1 - narrowing * np.clip((height - contact) / (1 - contact), 0, 1) ** 2)
    half = half * (1 + 0.25 * np.minimum(height, 0))
    labial = PchipInterpolator(_OUTLINE_AT, _LABIAL[crown.kind])(height) * crown.depth
    lingual = PchipInterpolator(_OUTLINE_AT, _LINGUAL[crown.kind])(height) * crown.depth
    return half, labial, lingual


def _ring_angles() -> np.ndarray:
    """[SEGMENTS] angles counter-clockwise from the distal-lingual corner of the patch; corners sit on the diagonals."""
    return -np.pi / 4 + 2 * np.pi * np.arange(SEGMENTS) / SEGMENTS


def _outline(crown: Crown, height: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distal and labial coordinates [rings, SEGMENTS] of the rings, millimetres."""
    angle = _ring_angles()
    half, labial, lingual = (value[:, None] for value in cross_section(crown, height))
    exponent = 2.0 / (2.1 + (_EXPONENT[crown.kind] - 2.1) * np.clip(height, 0, 1))[:, None]
    cos, sin = np.cos(angle)[None], np.sin(angle)[None]
    u = half * np.sign(cos) * np.abs(cos) ** exponent
    d = np.where(sin > 0, labial, lingual) * np.sign(sin) * np.abs(sin) ** exponent
    # Teeth narrow towards the tongue.
    return u * (1 - 0.10 * np.clip(-sin, 0, 1)), d


def _patch_indices() -> tuple[np.ndarray, np.ndarray]:
    """Ring index of each border node of the (PATCH+1)^2 patch (-1 inside), and the nodes' (a, b) in -1..1."""
    n = PATCH
    ring = -np.ones((n + 1, n + 1), int)  # [b, a]: a runs distal, b runs labial
    for k in range(n):
        ring[k, n] = k  # distal side, from lingual to labial
        ring[n, n - k] = n + k  # labial side, from distal to mesial
        ring[n - k, 0] = 2 * n + k  # mesial side
        ring[0, k] = 3 * n + k  # lingual side
    a, b = np.meshgrid(np.linspace(-1, 1, n + 1), np.linspace(-1, 1, n + 1))
    return ring, np.stack([a, b], -1)


def build_crown(crown: Crown, cell: tuple[float, float, float, float], part: str) -> Piece:
    """One crown in its own frame (distal, labial, root), millimetres, edge at 0; `cell` is its (u0, v0, u1, v1)."""
    u, d = _outline(crown, RING_HEIGHTS)  # [R, S]
    edge = _edge_height(crown, u[-1] / np.abs(u[-1]).max(), d[-1] / np.abs(d[-1]).max())  # [S]
    height = RING_HEIGHTS[:, None]
    between = np.abs(np.cos(_ring_angles()))[None] ** 2
    neck = _NECK_CURVE[crown.kind] * (between - 0.5) * np.clip(1 - height, 0, 1.2) ** 2
    y = height * crown.height + edge[None] * np.clip(height, 0, 1) ** 4 + neck  # from the neck towards the edge
    rings = np.stack([u, d, crown.height - y], -1).reshape(-1, 3)

    ring_of, node = _patch_indices()
    top = (len(RING_HEIGHTS) - 1) * SEGMENTS
    inside = np.argwhere(ring_of < 0)
    ids = np.where(ring_of >= 0, top + ring_of, 0)
    extra = []
    centre_d = (d[-1].max() + d[-1].min()) / 2
    for row, column in inside:
        a, b = node[row, column]
        reach = max(abs(a), abs(b))
        if reach == 0:
            pu, pd = 0.0, centre_d
        else:  # the point of the rim in the same direction, drawn in
            on_rim = int(round((np.arctan2(b, a) + np.pi / 4) / (2 * np.pi / SEGMENTS))) % SEGMENTS
            pu, pd = reach * u[-1, on_rim], centre_d + reach * (d[-1, on_rim] - centre_d)
        drop = _edge_height(crown, np.array(pu / np.abs(u[-1]).max()), np.array((pd - centre_d) / (np.ptp(d[-1]) / 2)))
        dome = 0.22 * (1 - reach**2) if crown.kind in ("incisor", "canine") else 0.0
        ids[row, column] = len(rings) + len(extra)
        extra.append([pu, pd, -float(drop) - dome])
    vertices = np.concatenate([rings, np.array(extra)])

    # UV: walls unrolled with the seam on the tongue's side, neck below; the patch in the cell's upper left corner.
    u0, v0, u1, v1 = cell
    seam = 14  # ring index of the middle of the lingual side
    wall_u = u0 + (u1 - u0) * (0.02 + 0.96 * np.arange(SEGMENTS + 1) / SEGMENTS)
    wall_v = v0 + (v1 - v0) * (0.02 + 0.60 * (RING_HEIGHTS - RING_HEIGHTS[0]) / (1 - RING_HEIGHTS[0]))
    wall_uv = np.stack(np.broadcast_arrays(wall_u[None], wall_v[:, None]), -1).reshape(-1, 2)
    patch_size = 0.32 * (v1 - v0)
    patch_uv = np.array([u0 + 0.02 * (u1 - u0), v0 + 0.65 * (v1 - v0)]) + (node + 1) / 2 * patch_size
    uv = np.concatenate([wall_uv, patch_uv.reshape(-1, 2)])

    quads, face_uv = [], []
    width = SEGMENTS + 1
    for rows, step in ((LEVEL_0_RINGS, 2), (np.arange(len(RING_HEIGHTS)), 1)):
        along = np.arange(0, SEGMENTS + 1, step)
        corners = grid_quads(rows, along, width)  # unrolled columns from the seam
        wall = corners // width * SEGMENTS + (corners % width + seam) % SEGMENTS
        nodes = np.arange(0, PATCH + 1, step)
        patch = grid_quads(nodes, nodes, PATCH + 1)
        quads.append(np.concatenate([wall, ids.reshape(-1)[patch]]))
        face_uv.append(np.concatenate([corners, len(wall_uv) + patch]))
    # The frame (distal, labial, root) sees the edge from the -root side: turn the winding outwards.
    return Piece(vertices=vertices, uv=uv, quads=tuple(quads), face_uv=tuple(face_uv), part=part)


def _outward(piece: Piece) -> Piece:
    """The closed-but-for-its-root surface with its faces turned outwards."""
    quads = piece.quads[1]
    corner = piece.vertices[quads] - piece.vertices.mean(0)
    volume = np.einsum("fi,fi->f", corner[:, 0], np.cross(corner[:, 1], corner[:, 2])).sum()
    if volume > 0:
        return piece
    return Piece(
        vertices=piece.vertices,
        uv=piece.uv,
        quads=tuple(reversed_winding(value) for value in piece.quads),
        face_uv=tuple(reversed_winding(value) for value in piece.face_uv),
        part=piece.part,
        curves=piece.curves,
    )


def to_head(placement: Placement, local: np.ndarray) -> np.ndarray:
    """[n, 3] metres in the head's frame from (distal, labial, root) millimetres from the tooth's edge."""
    # The crown leans about its edge's middle thickness, so that edges line up along the arch.
    return (placement.origin + local @ placement.axes.T) / 1000.0


def teeth_cells(upper: bool) -> list[tuple[float, float, float, float]]:
    """The UV cell of each of the seven teeth of a side in the mouth's square: the two sides share them."""
    low = 0.80 if upper else 0.60
    return [(k / 7, low, (k + 1) / 7, low + 0.20) for k in range(7)]


def build_teeth(upper: bool) -> Piece:
    """All fourteen teeth of one arch in the head's frame."""
    part = "teeth_upper" if upper else "teeth_lower"
    left = []
    for placement, cell in zip(placements(upper), teeth_cells(upper), strict=True):
        local = build_crown(placement.crown, cell, part)
        left.append(
            _outward(
                Piece(
                    vertices=to_head(placement, local.vertices),
                    uv=local.uv,
                    quads=local.quads,
                    face_uv=local.face_uv,
                    part=part,
                )
            )
        )
    return joined(left + [piece.mirrored() for piece in left], part)
