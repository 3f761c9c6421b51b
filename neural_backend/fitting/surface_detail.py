"""Specular, roughness and normals of skin: procedural by region, with the photo's own wrinkles where it shows them.

There is no free measured specular map of a face, so these follow published ranges: F0 about 0.028 (index 1.4),
roughness lower on nose, lips and forehead (Weyrich et al. 2006). Pores are band-limited noise at their real size in
millimetres, drawn out along the cheeks, absent on lips, which get grooves across them instead. Nothing tiles.
"""

from __future__ import annotations

import cv2
import numpy as np

from ..protocol.cancellation import checkpoint
from .unwrap import SkinAtlas, smoothstep

#: Principled roughness by region; the rest of the face has BASE_ROUGHNESS.
BASE_ROUGHNESS = 0.46
REGION_ROUGHNESS = {"forehead": 0.42, "nose": 0.38, "lips": 0.34, "lids": 0.40, "ears": 0.44, "neck": 0.51,
                    "scalp": 0.43, "beard": 0.49, "interior": 0.28, "lid_rim": 0.25}  # fmt: skip
BASE_F0 = 0.028
REGION_F0 = {"lips": 0.031, "brows": 0.023, "beard": 0.026, "lid_rim": 0.034, "interior": 0.035}
#: Depth of pores, millimetres, and how large they are (spacing, millimetres).
PORE_DEPTH_MM = {"cheeks": 0.050, "nose": 0.060, "forehead": 0.038, "beard": 0.042, "scalp": 0.025, "neck": 0.025,
                 "lids": 0.014, "ears": 0.018, "lips": 0.0, "interior": 0.0}  # fmt: skip
BASE_PORE_DEPTH_MM = 0.030
PORE_SPACING_MM = 0.75
LIP_GROOVE_MM = 0.05
#: Height in millimetres per unit of log luminance: what is darker than its surroundings lies deeper.
WRINKLE_MM = 0.55


def blend_regions(
    atlas: SkinAtlas, regions: dict[str, np.ndarray], values: dict[str, float], base: float
) -> np.ndarray:
    """[N] values that move from `base` to each region's own by its soft mask, in the order of `values`."""
    vertex = np.full(atlas.vertex_count, base, np.float32)
    for name, value in values.items():
        vertex += (value - vertex) * regions[name]
    return atlas.smooth(vertex)


def specular_and_roughness(
    atlas: SkinAtlas, regions: dict[str, np.ndarray], cavity: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """([N] F0, [N] Principled roughness). `cavity` [N] is 0 on the skin's surface, 1 at the bottom of its pores."""
    specular = blend_regions(atlas, regions, REGION_F0, BASE_F0) * (1 - 0.35 * cavity)
    roughness = blend_regions(atlas, regions, REGION_ROUGHNESS, BASE_ROUGHNESS) + 0.10 * cavity
    return specular.astype(np.float32), roughness.astype(np.float32)


def pore_noise(atlas: SkinAtlas, texel_mm: np.ndarray, spacing_mm: float, generator: np.random.Generator) -> np.ndarray:
    """[N] unit-variance noise whose grains are `spacing_mm` apart on the head, whatever the texel density.

    White noise is cut to bands at several texel widths; each texel mixes the two nearest its own density.
    """
    white = generator.standard_normal((atlas.size, atlas.size), np.float32)
    wanted = np.log2(np.clip(spacing_mm / 4.4 / texel_mm, 0.5, 6.0))  # a band of width s has grains 4.4 s apart
    levels = np.arange(np.floor(wanted.min()), np.ceil(wanted.max()) + 1)
    out = np.zeros(len(texel_mm), np.float32)
    for level in levels:
        checkpoint()
        share = np.maximum(0, 1 - np.abs(wanted - level)).astype(np.float32)
        if not share.any():
            continue
        sigma = float(2.0**level)
        band = cv2.GaussianBlur(white, (0, 0), sigma) - cv2.GaussianBlur(white, (0, 0), sigma * 1.7)
        out += share * (band / band.std())[atlas.mask]
    return out


def height_map(
    atlas: SkinAtlas,
    regions: dict[str, np.ndarray],
    texel_mm: np.ndarray,  # [N]
    lip_angle: np.ndarray,  # [V] position along the lips, millimetres
    detail: np.ndarray,  # [N] log luminance of the photo's own small bands, 0 where not seen
    generator: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """([N] height in millimetres, [N] cavity 0..1)."""
    fine = pore_noise(atlas, texel_mm, PORE_SPACING_MM, generator)
    coarse = pore_noise(atlas, texel_mm, 2.2 * PORE_SPACING_MM, generator)
    # Pits where the noise is high, flat cells between them, and fine lines where it crosses zero.
    pits = np.maximum(fine - 0.6, 0)
    lines = np.exp(-0.5 * (fine / 0.35) ** 2) * smoothstep(-0.5, 1.0, coarse)
    depth = blend_regions(atlas, regions, PORE_DEPTH_MM, BASE_PORE_DEPTH_MM)
    height = -depth * (1.0 * pits + 0.35 * lines - 0.25 * coarse)
    cavity = np.clip(pits * 0.6, 0, 1) * np.clip(depth / 0.05, 0, 1)

    lips = atlas.smooth(regions["lips"])
    if lips.any():
        along = atlas.smooth(lip_angle)
        knots = generator.standard_normal(1024).astype(np.float32)
        place = along / 0.55 + 0.8 * coarse * 0.4
        low = np.floor(place).astype(int)
        groove = np.interp(place - low, [0, 1], [0, 1]).astype(np.float32)
        wave = knots[low % 1024] * (1 - groove) + knots[(low + 1) % 1024] * groove
        height = height - lips * LIP_GROOVE_MM * np.clip(wave, -0.5, 2) * 0.5
    return height + WRINKLE_MM * detail, cavity


def normals_from_height(atlas: SkinAtlas, height: np.ndarray, texel_mm: np.ndarray) -> np.ndarray:
    """[N] millimetres -> [N, 3] tangent-space normals, OpenGL (+Y up in UV), stored 0..1."""
    image = atlas.padded(height)
    across = cv2.Sobel(image, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8)[atlas.mask] / texel_mm
    down = cv2.Sobel(image, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 8)[atlas.mask] / texel_mm
    slope = np.stack([-across, down, np.ones_like(across)], 1)  # rows go down, V goes up
    slope[:, :2] = np.clip(slope[:, :2], -0.9, 0.9)
    slope /= np.linalg.norm(slope, axis=1, keepdims=True)
    return (slope * 0.5 + 0.5).astype(np.float32)
