"""The skin of the template: what registration hands to the anatomy builder and to the assembly.

The skin is the cut of the base mesh: face, scalp, ears, neck, the mouth bag, both eye sockets and the nostrils. Level 1
is the topological subdivision of level 0, and level 0's vertices are the first `level_0_count` of level 1's, in order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...head.template import PART_NAMES, HeadTemplate

#: Parts that belong to the skin mesh; they come first in PART_NAMES.
SKIN_PARTS: tuple[str, ...] = PART_NAMES[:5]


@dataclass(frozen=True)
class SkinTemplate:
    """The skin at level 1, in metres, +X the subject's left, +Y up, +Z out of the face.

    Curves are closed vertex loops by name (`eye_left_00` outermost .. `eye_left_11` rear lid edge .. `eye_left_20` back
    of the socket; `mouth_00` outermost .. `mouth_18` throat; `nostril_left_0` rim). They are in order along the loop.
    Because level 0 is a prefix of level 1, the ids of `curves[0]` are valid at both levels.
    """

    vertices: np.ndarray  # [V, 3] float64 mean neutral
    quads: tuple[np.ndarray, np.ndarray]  # ([F0, 4], [F1, 4]) int64
    face_part: tuple[np.ndarray, np.ndarray]  # ([F0], [F1]) uint8 into PART_NAMES
    curves: tuple[dict[str, np.ndarray], dict[str, np.ndarray]]  # per level
    mirror: np.ndarray  # [V] int64
    level_0_count: int
    identity: np.ndarray  # [K, V, 3] float32, coefficients N(0, 1)
    arkit: np.ndarray  # [52, V, 3] float32
    joint_positions: np.ndarray  # [5, 3] in the order of JOINT_NAMES
    joint_identity: np.ndarray  # [K, 5, 3]
    joint_weights: np.ndarray  # [V, 5]
    uv: tuple[np.ndarray, np.ndarray]  # ([T0, 2], [T1, 2])
    face_uv: tuple[np.ndarray, np.ndarray]  # ([F0, 4], [F1, 4])

    def __post_init__(self) -> None:
        count = len(self.vertices)
        for name, array in (("identity", self.identity), ("arkit", self.arkit)):
            if array.shape[1:] != (count, 3):
                raise ValueError(f"SkinTemplate.{name} is {array.shape}; expected (n, {count}, 3).")

    def part_vertices(self, *parts: str) -> np.ndarray:
        """[n] sorted level-1 vertex ids used by the faces of the named parts."""
        wanted = np.isin(self.face_part[1], [PART_NAMES.index(part) for part in parts])
        return np.unique(self.quads[1][wanted])


def skin_of(template: HeadTemplate) -> SkinTemplate:
    """The skin part of an assembled template: lets the anatomy be rebuilt without registering again."""
    skin_ids = [PART_NAMES.index(part) for part in SKIN_PARTS]
    keep = [np.isin(level.face_part, skin_ids) for level in template.levels]
    used = [np.unique(level.quads[mask]) for level, mask in zip(template.levels, keep, strict=True)]
    count_1 = int(used[1].max()) + 1
    count_0 = int(used[0].max()) + 1
    if len(used[1]) != count_1 or not np.array_equal(template.levels[0].vertex_ids[:count_0], np.arange(count_0)):
        raise ValueError("The template's skin does not come first in its vertex array; rebuild the template.")
    uv, face_uv = [], []
    for level, mask in zip(template.levels, keep, strict=True):
        ids, inverse = np.unique(level.face_uv[mask], return_inverse=True)
        uv.append(level.uv[ids])
        face_uv.append(inverse.reshape(-1, 4))
    return SkinTemplate(
        vertices=template.vertices[:count_1].astype(np.float64),
        quads=(template.levels[0].quads[keep[0]], template.levels[1].quads[keep[1]]),
        face_part=(template.levels[0].face_part[keep[0]], template.levels[1].face_part[keep[1]]),
        curves=(template.levels[0].curves, template.levels[1].curves),
        mirror=template.mirror[:count_1],
        level_0_count=count_0,
        identity=template.identity[:, :count_1],
        arkit=template.arkit[:, :count_1],
        joint_positions=template.joint_positions.astype(np.float64),
        joint_identity=template.joint_identity,
        joint_weights=template.joint_weights[:count_1],
        uv=(uv[0], uv[1]),
        face_uv=(face_uv[0], face_uv[1]),
    )
