"""Filling the gutters between UV charts, so that filtered texture reads and mip levels find no background."""

from __future__ import annotations

import cv2
import numpy as np


def nearest_texel(
    mask: np.ndarray,  # [H, W] bool
) -> tuple[np.ndarray, np.ndarray]:
    """For every texel the flat index of the nearest texel inside the mask [H, W] int64, and its distance in texels.

    Raises ValueError when the mask is empty.
    """
    mask = np.asarray(mask, bool)
    if not mask.any():
        raise ValueError("No texel is covered: the mesh has no UV area in this texture set.")
    distance, label = cv2.distanceTransformWithLabels(
        (~mask).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    inside = np.flatnonzero(mask)
    texel_of_label = np.zeros(len(inside) + 1, np.int64)
    texel_of_label[label.reshape(-1)[inside]] = inside
    return texel_of_label[label], distance


def dilate(
    image: np.ndarray,  # [H, W] or [H, W, C]
    mask: np.ndarray,  # [H, W] bool: what is covered
    texels: float | None = None,
) -> np.ndarray:
    """A copy in which uncovered texels take the nearest covered one, up to `texels` away (everywhere if None)."""
    nearest, distance = nearest_texel(mask)
    filled = image.reshape(mask.size, -1)[nearest.reshape(-1)].reshape(image.shape)
    if texels is None:
        return filled
    beyond = distance > texels
    filled[beyond] = image[beyond]
    return filled
