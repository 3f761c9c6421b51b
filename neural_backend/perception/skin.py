"""Which pixels are bare skin: glasses, hair, beard, hands of another colour and background get little weight.

The face's own light and skin are described by a smooth field, a quadratic of CIELAB colour over the face, fitted
robustly from the cheeks, nose and forehead outwards; a pixel counts as skin as far as it stays near that field,
measured by the spread of the seed pixels, and as it hangs together with a seed. Highlights are skin, so brightness
may exceed the field further than it may fall short.
"""

from __future__ import annotations

import cv2
import numpy as np

from .crop import Roi, sample
from .face import Face
from .image import Photo
from .landmarks import FACE_OVAL, LEFT_BROW, LEFT_EYE, LIPS_OUTER, RIGHT_BROW, RIGHT_EYE, SKIN_SEEDS
from .matte import paste
from .regions import fill

SIDE = 448  # px; the side of the square the estimate is made at: thin frames of glasses keep two pixels
MARGIN = 1.45  # that square's side in face sizes
ROUNDS = 6
NEAR, FAR = 2.6, 4.6  # robust standard deviations: full weight below, none above
BRIGHT_SLACK = 2.0  # how much further a highlight may leave the field than a shadow
MIN_SPREAD = np.array([4.0, 1.8, 2.2])  # L, a, b: smooth skin must not make freckles outliers
RIDGE = np.array([0, 0.03, 0.03, 0.12, 0.12, 0.12])  # on 1, x, y, xx, xy, yy
FIELD_LIMIT = 1.1  # the field is held constant beyond this many half face sizes from the middle


def skin_weight(photo: Photo, face: Face, matte: np.ndarray | None = None) -> np.ndarray:
    """[H, W] float32, 0..1: how far each pixel can be trusted to show the face's own skin.

    Args:
        matte: [H, W] person matte that limits the weight, if there is one.
    """
    middle = (face.box[:2] + face.box[2:]) / 2
    region = Roi(tuple(middle), (face.size * MARGIN,) * 2, face.roll)
    crop = sample(photo.srgb, region, SIDE, cv2.BORDER_REPLICATE)
    lab = cv2.cvtColor(crop.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    matrix = region.matrix(SIDE)
    points = face.landmarks[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    weight = _near_field(lab, points) * _allowed(points)
    weight = cv2.GaussianBlur(weight, (0, 0), 0.8)
    result = paste(weight, region, photo.height, photo.width)
    if matte is not None:
        result = result * matte
    return np.clip(result, 0, 1).astype(np.float32)


def _near_field(lab: np.ndarray, points: np.ndarray) -> np.ndarray:
    """[n, n] closeness of each pixel's colour to the fitted skin field, 0..1."""
    n = lab.shape[0]
    seeds = fill([points[contour] for contour in SKIN_SEEDS], n, n)
    inside = fill([points[FACE_OVAL]], n, n) * _allowed(points)
    basis = _basis(points, n)  # [n, n, 6]
    smooth = cv2.bilateralFilter(lab, 5, 12, 2)  # pores and noise are not outliers
    weight = seeds
    for step in range(ROUNDS):
        chosen = weight > 0.05
        rows, values, w = basis[chosen], smooth[chosen], np.sqrt(weight[chosen])[:, None]
        ridge = np.diag(RIDGE * np.sqrt(chosen.sum()))  # far from the seeds the field stays tame
        field = np.linalg.lstsq(np.vstack([rows * w, ridge]), np.vstack([values * w, np.zeros((6, 3))]), rcond=None)[0]
        residual = smooth - basis @ field
        residual[..., 0] = np.where(residual[..., 0] > 0, residual[..., 0] / BRIGHT_SLACK, residual[..., 0])
        spread = np.maximum(1.4826 * np.median(np.abs(residual[seeds > 0.5]), axis=0), MIN_SPREAD)
        away = np.sqrt(((residual / spread) ** 2).sum(-1))
        closeness = _fall(away)
        weight = np.maximum(seeds * 0.3, inside) * closeness if step < ROUNDS - 1 else closeness
    return (closeness * _connected(closeness * _allowed(points), seeds)).astype(np.float32)


def _connected(weight: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """1 near the pieces of skin that hold a seed: beside the cheek, hair may have a colour the field reaches again."""
    sure = cv2.erode((weight > 0.5).astype(np.uint8), np.ones((3, 3), np.uint8))
    _, labels = cv2.connectedComponents(sure, connectivity=4)
    seeded = np.bincount(labels[seeds > 0.5], minlength=labels.max() + 1) > 40
    seeded[0] = False
    return cv2.dilate(seeded[labels].astype(np.float32), np.ones((7, 7), np.uint8))


def _fall(away: np.ndarray) -> np.ndarray:
    """1 below NEAR, 0 above FAR, smooth between."""
    t = np.clip((FAR - away) / (FAR - NEAR), 0, 1)
    return t * t * (3 - 2 * t)


def _basis(points: np.ndarray, n: int) -> np.ndarray:
    """[n, n, 6] quadratic in face coordinates of about -1..1 over the oval."""
    oval = points[FACE_OVAL]
    middle, half = (oval.max(0) + oval.min(0)) / 2, (oval.max(0) - oval.min(0)).max() / 2
    y, x = np.meshgrid(np.arange(n) + 0.5, np.arange(n) + 0.5, indexing="ij")
    x, y = (np.clip((c - m) / half, -FIELD_LIMIT, FIELD_LIMIT) for c, m in ((x, middle[0]), (y, middle[1])))
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], -1)


def _allowed(points: np.ndarray) -> np.ndarray:
    """[n, n] where face skin can be at all: the oval grown to the ears and the hairline, without features."""
    n = SIDE
    oval = points[FACE_OVAL]
    middle = oval.mean(0)
    grown = fill([(oval - middle) * 1.22 + middle], n, n)
    contours = (LIPS_OUTER, RIGHT_EYE, LEFT_EYE, RIGHT_BROW, LEFT_BROW)
    features = fill([points[contour] for contour in contours], n, n)
    features = cv2.dilate(features, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5)))
    return grown * (1 - features)
