"""All that is not skin, bound to a skin: eyes, lashes, tear lines, teeth, gums and tongue.

Every piece follows the skin linearly. Eyes move with the centre fitted behind the lids and do not deform; lashes, tear
lines and caruncles ride on the lids; teeth, gums and tongue follow one affine motion a mode, fitted to the lips and the
mouth bag, so that they change size with the mouth but never shape by themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from ....head.eyes import fit_centre, gaze_of, gaze_rotation
from ....head.lids import FRONT_EDGE, REAR_EDGE, LidCurves, bind, carry, lid_curves, lid_frames
from ....head.template import JOINT_NAMES, PART_NAMES, Level
from ....protocol.arkit import ARKIT_INDEX, ARKIT_NAMES
from ..skin import SkinTemplate
from .eyeball import build_cornea, build_eyeball
from .gums import build_gums
from .jaw import JAW_MOTIONS
from .lashes import VERTICES_PER_LASH, build_lashes
from .piece import Piece
from .tear_line import build_caruncle, build_outer_corner, build_tear_line
from .teeth import build_teeth
from .tongue import Sweep, build_tongue, protruding

#: Parts that the lower jaw carries.
JAW_PARTS = ("teeth_lower", "gums_lower", "tongue")
# Loops of the mouth whose motion teeth and gums follow, and their weight: mostly the inside of the lips.
_LOWER_EDGE = np.array([[0.0, -0.0342, 0.1031]])  # between the lower incisors
_MOUTH_LOOPS = {5: 0.5, 7: 1.0, 9: 1.0, 10: 1.0, 11: 1.0, 12: 1.0, 13: 0.5, 15: 0.3}


@dataclass(frozen=True)
class Anatomy:
    """Everything but the skin at level 1, in metres; vertex ids count from 0 within the anatomy."""

    vertices: np.ndarray  # [A, 3] float64
    identity: np.ndarray  # [K, A, 3] float32
    arkit: np.ndarray  # [52, A, 3] float32
    mirror: np.ndarray  # [A] int64
    joint_weights: np.ndarray  # [A, 5] float32
    levels: tuple[Level, Level]  # vertex_ids into the anatomy, in order; quads and curves within the level
    joint_positions: np.ndarray  # [5, 3] the skin's, with the eyes' fitted centres
    joint_identity: np.ndarray  # [K, 5, 3]


@dataclass(frozen=True)
class _Bound:
    """A piece and what moves it."""

    piece: Piece
    identity: np.ndarray  # [K, n, 3]
    arkit: np.ndarray  # [52, n, 3]
    joint: str


def build_anatomy(skin: SkinTemplate) -> Anatomy:
    """Build every accessory for this skin: mean, modes, ARKit shapes, levels and weights."""
    bound: list[_Bound] = []
    positions, position_modes = skin.joint_positions.copy(), skin.joint_identity.astype(np.float64).copy()
    for side in ("left", "right"):
        joint = JOINT_NAMES.index(f"eye_{side}")
        curves = lid_curves(skin.vertices, skin.curves[1], side)
        positions[joint], position_modes[:, joint] = _eye_centre(skin, curves, positions[joint])
    # Exactly mirrored, whatever the fit's last digit says.
    left, right = JOINT_NAMES.index("eye_left"), JOINT_NAMES.index("eye_right")
    positions[left] = (positions[left] + positions[right] * [-1, 1, 1]) / 2
    positions[right] = positions[left] * [-1, 1, 1]
    for side in ("left", "right"):
        bound += _eye(skin, side, positions, position_modes)
    bound += _mouth(skin)
    return _assembled(bound, positions, position_modes)


def _eye_centre(skin: SkinTemplate, curves: LidCurves, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centre [3] of the 24 mm ball behind the mean lids, and how each mode moves it [K, 3] (at one sigma)."""
    edge = np.unique(np.concatenate([curves.upper[REAR_EDGE], curves.lower[REAR_EDGE]]))
    rest = skin.vertices[edge]
    centre = start  # the skin's lids were seated on a ball here: fitting again would let both drift forward
    modes = np.empty((len(skin.identity), 3))
    for k, mode in enumerate(skin.identity[:, edge].astype(np.float64)):
        # The pull goes to where the lids as a whole went, the fit decides the rest.
        drift = mode.mean(0)
        modes[k] = (fit_centre(rest + mode, centre + drift) - fit_centre(rest - mode, centre - drift)) / 2
    return centre, modes


def _eye(skin: SkinTemplate, side: str, positions: np.ndarray, position_modes: np.ndarray) -> list[_Bound]:
    joint_name = f"eye_{side}"
    joint = JOINT_NAMES.index(joint_name)
    centre = positions[joint]
    curves = lid_curves(skin.vertices, skin.curves[1], side)
    result = []
    for piece in (build_eyeball(), build_cornea()):
        piece = piece if side == "left" else piece.mirrored(piece.part.replace("left", "right"))
        local = piece.vertices
        arkit = np.zeros((len(ARKIT_NAMES), len(local), 3), np.float32)
        for name in ARKIT_NAMES:
            gaze = gaze_of(name) if name.endswith(side.capitalize()) else None
            if gaze is not None:
                arkit[ARKIT_INDEX[name]] = local @ (gaze_rotation(*gaze) - np.eye(3)).T
        identity = np.broadcast_to(position_modes[:, joint, None], (len(position_modes), len(local), 3))
        placed = Piece(local + centre, piece.uv, piece.quads, piece.face_uv, piece.part)
        result.append(_Bound(placed, identity, arkit, joint_name))
    # Built on the left and mirrored: both sides are the same hair by hair.
    left = lid_curves(skin.vertices, skin.curves[1], "left")
    left_centre = positions[JOINT_NAMES.index("eye_left")]
    riders = [
        build_lashes(skin.vertices, left),
        build_tear_line(skin.vertices, left, left_centre),
        build_caruncle(skin.vertices, left, left_centre, "eye_left"),
        build_outer_corner(skin.vertices, left, left_centre, "eye_left"),
    ]
    if side == "right":
        riders = [piece.mirrored(piece.part.replace("left", "right")) for piece in riders]
    lashes, *others = riders
    roots = np.repeat(lashes.vertices.reshape(-1, VERTICES_PER_LASH, 3)[:, :2].mean(1), VERTICES_PER_LASH, 0)
    result.append(_on_lids(skin, curves, lashes, roots))
    for piece in others:
        result.append(_on_lids(skin, curves, piece, None))
    return result


def _on_lids(skin: SkinTemplate, curves: LidCurves, piece: Piece, roots: np.ndarray | None) -> _Bound:
    """A piece that rides on the lids of one eye."""
    loop = FRONT_EDGE if piece.part == "lashes" else REAR_EDGE
    frames = lambda vertices: tuple(lid_frames(vertices, curves, upper, loop) for upper in (True, False))  # noqa: E731
    rest = frames(skin.vertices)
    binding = bind(piece.vertices, rest, roots)
    arkit = np.stack([carry(piece.vertices, binding, rest, frames(skin.vertices + shape)) for shape in skin.arkit])
    arkit -= piece.vertices
    # The other side's shapes reach these lids only as noise.
    arkit[np.linalg.norm(arkit, axis=2).max(1) < 2e-5] = 0
    identity = np.stack(
        [
            carry(piece.vertices, binding, rest, frames(skin.vertices + mode))
            - carry(piece.vertices, binding, rest, frames(skin.vertices - mode))
            for mode in skin.identity
        ]
    )
    return _Bound(piece, identity / 2, arkit.astype(np.float32), "head")


def _mouth(skin: SkinTemplate) -> list[_Bound]:
    anchors = np.concatenate([skin.curves[1][f"mouth_{k:02d}"] for k in _MOUTH_LOOPS])
    weight = np.concatenate([np.full(len(skin.curves[1][f"mouth_{k:02d}"]), w) for k, w in _MOUTH_LOOPS.items()])
    rest = skin.vertices[anchors]
    middle = np.average(rest, axis=0, weights=weight)
    design = np.concatenate([np.ones((len(anchors), 1)), (rest - middle) / 0.03], 1)  # 3 cm: the mouth's own size
    # Ridge on the linear part only: a mode that says little about depth must not shear the teeth.
    normal = design.T @ (design * weight[:, None]) + weight.sum() * np.diag([0, 0.02, 0.02, 0.05])
    solve = np.linalg.solve(normal, (design * weight[:, None]).T)  # [4, anchors]
    affine = np.einsum("an,knc->kac", solve, skin.identity[:, anchors].astype(np.float64))  # [K, 4, 3]

    dropped = _jaw_share(skin, "tongueOut")  # how far tongueOut opens the jaw
    tongue, out = build_tongue(_tongue_path(skin, dropped))
    result = []
    for piece in (build_teeth(True), build_teeth(False), build_gums(True), build_gums(False), tongue):
        points = piece.vertices
        basis = np.concatenate([np.ones((len(points), 1)), (points - middle) / 0.03], 1)
        arkit = np.zeros((len(ARKIT_NAMES), len(points), 3), np.float32)
        if piece.part in JAW_PARTS:
            for name, motion in JAW_MOTIONS.items():
                arkit[ARKIT_INDEX[name]] = motion.displacement(points)
            arkit[ARKIT_INDEX["tongueOut"]] = dropped * arkit[ARKIT_INDEX["jawOpen"]]
        if piece.part == "tongue":
            arkit[ARKIT_INDEX["tongueOut"]] = out
        joint = "jaw" if piece.part in JAW_PARTS else "head"
        result.append(_Bound(piece, np.einsum("na,kac->knc", basis, affine), arkit, joint))
    return result


def _jaw_share(skin: SkinTemplate, name: str) -> float:
    """How much of jawOpen a shape of the skin holds, by the chin, which moves with the jaw."""
    lower_lip = skin.vertices[skin.curves[1]["mouth_02"], 1].min()
    chin = (skin.vertices[:, 1] < lower_lip - 0.012) & (skin.vertices[:, 2] > 0.06)
    jaw, shape = (skin.arkit[ARKIT_INDEX[key]][chin].astype(np.float64) for key in ("jawOpen", name))
    return float(np.clip((jaw * shape).sum() / max((jaw**2).sum(), 1e-12), 0.0, 1.0))


def _tongue_path(skin: SkinTemplate, dropped: float) -> Sweep:
    """The way out through the lips as the skin's own tongueOut opens them."""
    shaped = skin.vertices + skin.arkit[ARKIT_INDEX["tongueOut"]]
    loop = skin.curves[1]["mouth_08"]
    middle = loop[np.abs(skin.vertices[loop, 0]) < 1e-4]
    upper, lower = (1000 * shaped[vertex] for vertex in sorted(middle, key=lambda v: -shaped[v, 1])[:2])
    opening = max(upper[1] - lower[1], 0.0)
    return protruding(
        passage_y=lower[1] + min(opening / 2, 5.0),  # it lies on the lower lip
        passage_z=(upper[2] + lower[2]) / 2,
        passage_half_height=opening / 2 - 0.4,
        lower_edge_y=-34.2 + dropped * 1000 * JAW_MOTIONS["jawOpen"].displacement(_LOWER_EDGE)[0, 1],
    )


def _assembled(bound: list[_Bound], positions: np.ndarray, position_modes: np.ndarray) -> Anatomy:
    vertices = np.concatenate([item.piece.vertices for item in bound])
    starts = np.cumsum([0] + [len(item.piece.vertices) for item in bound])
    uv_starts = np.cumsum([0] + [len(item.piece.uv) for item in bound])
    weights = np.zeros((len(vertices), len(JOINT_NAMES)), np.float32)
    for item, start, end in zip(bound, starts[:-1], starts[1:], strict=True):
        weights[start:end, JOINT_NAMES.index(item.joint)] = 1.0
    uv = np.concatenate([item.piece.uv for item in bound]).astype(np.float32)
    levels = []
    for level in (0, 1):
        quads = np.concatenate([item.piece.quads[level] + at for item, at in zip(bound, starts[:-1], strict=True)])
        corners = np.concatenate(
            [item.piece.face_uv[level] + at for item, at in zip(bound, uv_starts[:-1], strict=True)]
        )
        part = np.concatenate(
            [np.full(len(item.piece.quads[level]), PART_NAMES.index(item.piece.part), np.uint8) for item in bound]
        )
        used, dense = np.unique(quads, return_inverse=True)
        used_uv, dense_uv = np.unique(corners, return_inverse=True)
        levels.append(
            Level(
                vertex_ids=used.astype(np.int64),
                quads=dense.reshape(-1, 4).astype(np.int64),
                uv=uv[used_uv],
                face_uv=dense_uv.reshape(-1, 4).astype(np.int64),
                face_part=part,
                curves={},
            )
        )
    identity = np.concatenate([item.identity for item in bound], 1).astype(np.float32)
    arkit = np.concatenate([item.arkit for item in bound], 1)
    mirror = _mirror([item.piece for item in bound], starts)
    return Anatomy(
        vertices=vertices,
        identity=identity,
        arkit=arkit,
        mirror=mirror,
        joint_weights=weights,
        levels=(levels[0], levels[1]),
        joint_positions=positions,
        joint_identity=position_modes.astype(np.float32),
    )


def _mirror(pieces: list[Piece], starts: np.ndarray) -> np.ndarray:
    """[A] the vertex on the other side: in the twin of a piece of one side, in a piece of both sides itself."""
    result = np.empty(starts[-1], np.int64)
    flip = np.array([-1.0, 1.0, 1.0])
    for piece, start in zip(pieces, starts[:-1], strict=True):
        reflected = piece.vertices * flip
        twins = [
            at
            for other, at in zip(pieces, starts[:-1], strict=True)
            if len(other.vertices) == len(reflected) and np.abs(other.vertices - reflected).max() < 1e-6
        ]
        if twins and twins[0] != start:
            result[start : start + len(reflected)] = twins[0] + np.arange(len(reflected))
            continue
        distance, twin = cKDTree(piece.vertices).query(reflected)
        if distance.max() > 1e-6 or not np.array_equal(twin[twin], np.arange(len(twin))):
            raise ValueError(
                f"The anatomy is not mirror symmetric: {piece.part} is {distance.max() * 1e3:.4f} mm from its own "
                "mirror image. Symmetrise the skin before building."
            )
        result[start : start + len(reflected)] = start + twin
    return result
