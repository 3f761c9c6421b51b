"""The gums: one strip per arch, swept along the teeth, with the palate above and the floor of the mouth below.

Rows run from the fold behind the lip over the outer gum, down to the scalloped margin, into the tooth sockets, up the
inner margin and on to the midline of the palate or of the floor. Columns follow the arch with four to a tooth, so each
tooth has its own scallop with a papilla on either side.
"""

from __future__ import annotations

import numpy as np

from .arch import LOWER_CURVE, UPPER_CURVE, Placement, placements
from .piece import Piece, grid_quads
from .teeth import cross_section

COLUMNS_PER_TOOTH = 4
# Rows: name, level 0 keeps it.
_ROWS = (
    ("fold_deep", True),
    ("fold", False),
    ("attached", True),
    ("root", False),
    ("margin", True),
    ("lip_of_margin", False),
    ("socket", True),
    ("inner_lip_of_margin", False),
    ("inner_margin", True),
    ("inner_root", False),
    ("inner_1", True),
    ("inner_2", False),
    ("inner_3", True),
    ("midline", True),
)
ROW_NAMES = tuple(name for name, _ in _ROWS)


def _columns(teeth: list[Placement]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Arc length [C], tooth index [C] and position within the tooth -1..1 [C] of the columns of the left side."""
    length, tooth, inside = [], [], []
    for index, placement in enumerate(teeth):
        for k in range(COLUMNS_PER_TOOTH):
            share = k / COLUMNS_PER_TOOTH
            length.append(placement.start + share * (placement.end - placement.start))
            tooth.append(index)
            inside.append(2 * share - 1)
    last = teeth[-1]
    length[0] = 0.0  # the midline
    # Behind the last tooth the strip closes round the arch's end.
    length += [last.end + 0.3, last.end + 3.5]
    tooth += [len(teeth) - 1] * 2
    inside += [1.0, 1.6]
    return np.array(length), np.array(tooth), np.array(inside)


def build_gums(upper: bool) -> Piece:
    """Gum, palate or floor of one arch in the head's frame, metres."""
    teeth = placements(upper)
    curve = UPPER_CURVE if upper else LOWER_CURVE
    length, tooth, inside = _columns(teeth)
    up = 1.0 if upper else -1.0  # towards the roots
    point, _, normal = curve.at(length)  # [C, 2]
    point[0, 0] = 0.0
    normal[0] = (0.0, 1.0)

    # Neck of the tooth at each column, in the head's frame: how far the crown reaches outwards and inwards there.
    crown = [teeth[k].crown for k in tooth]
    neck_y = np.empty(len(length))
    reach_out, reach_in = np.empty(len(length)), np.empty(len(length))
    shift = np.empty(len(length))  # the crown's neck lies further in than its edge, because it leans
    for k, placement in enumerate(teeth):
        half, labial, lingual = (float(value) for value in cross_section(placement.crown, np.array(0.08)))
        mine = tooth == k
        x = np.clip(inside[mine] * placement.crown.width / 2 / half, -1, 1)
        swell = (1 - np.abs(x) ** 2.6) ** (1 / 2.6)
        lean = -np.tan(np.radians(placement.crown.lean)) * placement.crown.height
        reach_out[mine] = labial * swell
        reach_in[mine] = lingual * swell
        shift[mine] = lean
        neck_y[mine] = placement.crown.edge + up * placement.crown.height * 0.96
    joint = np.isin(np.abs(inside), (1.0,)) | (np.abs(inside) >= 1)
    # Between two teeth take the mean of both sides, so that the strip has no steps.
    smooth_shift, smooth_neck = shift.copy(), neck_y.copy()
    for c in np.flatnonzero(joint):
        if 0 < c < len(length) - 2:
            smooth_shift[c] = (shift[c - 1] + shift[c + 1]) / 2
            smooth_neck[c] = (neck_y[c - 1] + neck_y[c + 1]) / 2
    papilla = np.where(joint, 1.0, 0.0)
    papilla[[-1]] = 0.0
    scallop = {"incisor": 4.3, "canine": 3.9, "premolar": 3.0, "molar": 2.0}
    rise = np.array([scallop[c.kind] for c in crown])
    margin_y = smooth_neck - up * rise * papilla + up * 0.25 * (np.abs(inside) < 0.1)
    depth = np.array([c.depth for c in crown])
    smooth_depth = np.convolve(np.pad(depth, 3, mode="edge"), np.ones(7) / 7, "valid")
    envelope_out, envelope_in = smooth_depth * 0.46, smooth_depth * 0.46
    margin_out = np.maximum(reach_out + 0.35, envelope_out * 0.70)
    margin_in = np.maximum(reach_in + 0.35, envelope_in * 0.70)
    end = np.ones(len(length))
    end[-2:] = (0.9, 0.45)
    # Distances along the outward normal, measured from the neck's axis, and heights from the margin towards the root.
    root = neck_y if upper else neck_y
    root = np.convolve(np.pad(root, 4, mode="edge"), np.ones(9) / 9, "valid")
    front = np.clip(point[:, 1] - 60, 0, 45) / 45  # 1 at the incisors, 0 at the last molars
    bulge = np.where(np.abs(inside) < 0.6, 0.5, -0.2) * (0.5 + 0.5 * front)  # roots show through the gum

    def row(distance: np.ndarray, height: np.ndarray, lean_share: float = 1.0) -> np.ndarray:
        offset = (distance * end + smooth_shift * lean_share)[:, None] * normal
        flat = point + offset
        return np.stack([flat[:, 0], height, flat[:, 1]], 1)

    tail = 7.5 if upper else 8.5
    fold_out = envelope_out + (1.0 if upper else 0.6)
    rows = {
        "fold_deep": row(fold_out - 0.6, root + up * (tail + 1.5), 1.35),
        "fold": row(fold_out + 0.2, root + up * tail * 0.85, 1.25),
        "attached": row(envelope_out + 0.5 + 0.6 * bulge, root + up * tail * 0.5, 1.15),
        "root": row(np.maximum(margin_out + 0.35, envelope_out) + bulge * 0.6, (margin_y + root) / 2 + up * 1.7, 1.05),
        "margin": row(margin_out, margin_y),
        "lip_of_margin": row(margin_out - 0.7, margin_y + up * 0.15),
        "socket": row(np.zeros_like(length), margin_y + up * 1.2 * (1 - papilla)),
        "inner_lip_of_margin": row(-(margin_in - 0.7), margin_y + up * 0.15),
        "inner_margin": row(-margin_in, margin_y + up * 0.2),
        "inner_root": row(-np.maximum(margin_in + 0.7, envelope_in + 0.3), root + up * 1.6),
    }
    rows |= _inside_rows(upper, point, normal, length, envelope_in, smooth_shift, root, end)
    left = np.stack([rows[name] for name in ROW_NAMES])  # [R, C, 3]
    left[:, 0, 0] = 0.0
    left[ROW_NAMES.index("midline"), :, 0] = 0.0
    return _as_piece(left, length, upper)


def _inside_rows(
    upper: bool,
    point: np.ndarray,
    normal: np.ndarray,
    length: np.ndarray,
    envelope_in: np.ndarray,
    shift: np.ndarray,
    root: np.ndarray,
    end: np.ndarray,
) -> dict[str, np.ndarray]:
    """The palate's vault, or the slope to the floor of the mouth, as rows towards the midline."""
    up = 1.0 if upper else -1.0
    start = point + ((-(envelope_in + 1.0)) * end + shift)[:, None] * normal  # [C, 2] where the inner gum leaves
    share = length / length[-1]
    front_z, back_z = start[0, 1] - 3.0, point[-1, 1] - 4.0
    midline_z = front_z + (back_z - front_z) * share**0.9
    if upper:  # a vault that rises behind the incisors
        height = root + up * (4.0 + 9.0 * np.clip(share * 2.2, 0, 1) ** 0.8)
    else:  # the floor under the tongue
        height = root + up * (6.5 + 3.0 * np.clip(share * 2, 0, 1))
    base = root + up * 3.2
    result = {}
    for name, across, rise in (
        ("inner_1", 0.16, 0.34),
        ("inner_2", 0.40, 0.68),
        ("inner_3", 0.70, 0.92),
        ("midline", 1.0, 1.0),
    ):
        x = start[:, 0] * (1 - across)
        z = start[:, 1] * (1 - across) + midline_z * across
        result[name] = np.stack([x, base + (height - base) * rise, z], 1)
    return result


def _as_piece(left: np.ndarray, length: np.ndarray, upper: bool) -> Piece:
    """Weld the left rows [R, C, 3] and their mirror along the midline column and the midline row."""
    row_count, column_count = left.shape[:2]
    right = left[:, 1:][:, ::-1] * [-1.0, 1.0, 1.0]
    both = np.concatenate([right, left], 1)  # [R, 2C-1, 3] from the right end to the left end
    width = 2 * column_count - 1
    vertices = both.reshape(-1, 3)
    ids = np.arange(len(vertices)).reshape(row_count, width)
    last = ids[-1]
    last[: column_count - 1] = last[: column_count - 1 : -1]  # the right half's midline row is the left half's
    remap = ids.reshape(-1)
    kept = np.unique(remap)
    dense = np.full(len(vertices), -1)
    dense[kept] = np.arange(len(kept))

    v0, v1 = (0.44, 0.60) if upper else (0.28, 0.44)
    across = np.abs(np.concatenate([-length[1:][::-1], length])) / length[-1]
    along = np.linspace(0.02, 0.98, row_count)
    uv = np.stack(np.broadcast_arrays(0.01 + 0.98 * across[None], v0 + (v1 - v0) * along[:, None]), -1).reshape(-1, 2)
    row_0 = np.array([k for k, (_, keep) in enumerate(_ROWS) if keep])
    middle = column_count - 1
    # Level 0 keeps every second column on either side of the midline, and the last.
    half = np.unique(np.append(np.arange(0, column_count, 2), column_count - 1))
    column_0 = np.unique(np.concatenate([middle - half, middle + half]))
    quads, face_uv = [], []
    for rows, columns in ((row_0, column_0), (np.arange(row_count), np.arange(width))):
        corner = grid_quads(rows, columns, width)
        quad = dense[remap[corner]]
        if upper:  # seen from inside the mouth the palate's rows run the other way round
            quad, corner = quad[:, ::-1], corner[:, ::-1]
        quads.append(np.ascontiguousarray(quad))
        face_uv.append(np.ascontiguousarray(corner))
    part = "gums_upper" if upper else "gums_lower"
    return Piece(vertices[kept] / 1000.0, uv, tuple(quads), tuple(face_uv), part)
