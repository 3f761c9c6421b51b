"""Frames of glasses in an unwrapped face: they belong to no skin map."""

from __future__ import annotations

import cv2
import numpy as np
from scipy.spatial import cKDTree

from ..models.reflectance_prior import ReflectancePrior
from .completion import masked_blur
from .unwrap import SkinAtlas, smoothstep

#: Frames of glasses: within these distances of the eyes (millimetres, sure .. not at all) darker than the skin around
#: them (log) ...
FRAME_MM = (22.0, 28.0)
FRAME_DARK = (-0.10, -0.26)
#: ... over this length (millimetres) in one piece: wrinkles are shorter ...
FRAME_LENGTH_MM = 28.0
#: ... on a face whose nose is crossed by a line this dark between the eyes (log, from .. to): 4 of 4 faces with glasses
#: had -0.53 or less, 9 of 9 without -0.39 or more.
BRIDGE_DARK = (-0.40, -0.52)
#: Brow hair may be this much darker (log) than the hair of the person's inner brow; beyond that it is a frame.
BROW_SPREAD = (0.30, 0.60)


def frames(
    atlas: SkinAtlas,
    prior: ReflectancePrior,
    luminance: np.ndarray,  # [N] log residual
    weight: np.ndarray,  # [N]
    vertices: np.ndarray,  # [V_skin, 3] posed, metres
    texel_mm: float,
) -> np.ndarray:
    """[N] 1 on the frames of glasses. All zero on a face whose nose no bridge crosses.

    A line of a frame looks like a crease, so the bridge decides first whether there are glasses: no crease runs across
    the nose between the eyes and is as dark. Over the brows a frame is what is far darker than the person's own hair.
    """
    regions = prior.regions
    image = atlas.padded(luminance.astype(np.float32))
    fine = cv2.GaussianBlur(image, (0, 0), 0.8 / texel_mm)
    place = atlas.smooth(vertices) * 1000
    lids = vertices[regions["lids"] > 0.5] * 1000
    bridge = (np.abs(place[:, 0]) < 5) & (np.abs(place[:, 1] - lids[:, 1].mean()) < 8) & atlas.outer
    if bridge.sum() < 30:
        return np.zeros_like(luminance)
    line = (fine - cv2.GaussianBlur(image, (0, 0), 6.0 / texel_mm))[atlas.mask]
    glasses = float(smoothstep(*BRIDGE_DARK, np.percentile(line[bridge], 5)))
    if glasses == 0:
        return np.zeros_like(luminance)
    mask = atlas.image(weight) + 1e-4
    around, _ = masked_blur(image[..., None], mask, 6.0 / texel_mm)
    level = fine[atlas.mask]
    brows = atlas.smooth(regions["brows"])
    dark = smoothstep(*FRAME_DARK, level - around[atlas.mask][:, 0])
    beside_brows, _ = masked_blur(atlas.padded(brows)[..., None], np.ones_like(mask), 3.0 / texel_mm)
    dark = dark * smoothstep(0.35, 0.05, beside_brows[atlas.mask][:, 0])
    distance = (cKDTree(lids).query(vertices * 1000)[0]).astype(np.float32)
    dark = _long(atlas, dark * smoothstep(FRAME_MM[1], FRAME_MM[0], atlas.smooth(distance)), FRAME_LENGTH_MM / texel_mm)
    # The darkest hair of the inner brow; frames cross the outer one.
    outward = np.abs(place[:, 0])
    middle = float(np.median(outward[brows > 0.5]))
    inner = (brows > 0.5) & (weight > 0.5) & (outward < middle)
    usual = float(np.percentile(level[inner], 10)) if inner.sum() > 100 else -0.5
    outer = smoothstep(middle, middle + 8, outward) * smoothstep(0.0, 0.2, brows)
    dark = np.maximum(dark, smoothstep(*BROW_SPREAD, usual - level) * outer)
    # Photos are softer than frames are wide: their rim goes too.
    spread, _ = masked_blur(atlas.padded(dark)[..., None], np.ones_like(mask), 1.5 / texel_mm)
    return glasses * smoothstep(0.05, 0.30, spread[atlas.mask][:, 0])


def _long(atlas: SkinAtlas, line: np.ndarray, length: float) -> np.ndarray:
    """[N] the line's pieces (above 0.5) whose bounding box has a diagonal of at least `length` texels, nothing else."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats((atlas.image(line) > 0.5).astype(np.uint8))
    diagonal = np.hypot(stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT])
    kept = diagonal >= length
    kept[0] = False
    return (line * kept[labels[atlas.mask]]).astype(np.float32)
