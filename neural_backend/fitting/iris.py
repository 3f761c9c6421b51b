"""The colour of the irises, from the landmarks' iris circles."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from ..perception.image import Photo
from .delight import MEAN_BASIS
from .result import PhotoFit

#: Centre and four rim points of each iris among the 478 landmarks (right eye of the subject first).
IRISES = ((468, 469, 470, 471, 472), (473, 474, 475, 476, 477))
#: Lid margins of each eye: pixels must lie between them.
EYE_OUTLINES = (
    (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246),
    (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466),
)
DEFAULT = np.array([0.062, 0.036, 0.020], np.float32)  # brown, the commonest
#: The cornea's reflection and the lids' shadow roughly cancel at the iris; below this radius in pixels it is not seen.
SMALLEST_RADIUS_PX = 3.0


def iris_colour(
    photos: Sequence[Photo],
    fits: Sequence[PhotoFit],
    lights: Sequence[np.ndarray],  # per photo [B, 3]
) -> np.ndarray:
    """[3] linear albedo: median over the ring between pupil and limbus, divided by the light on the face."""
    found = []
    for photo, fit, light in zip(photos, fits, lights, strict=True):
        for iris, outline in zip(IRISES, EYE_OUTLINES, strict=True):
            points = fit.landmarks[list(iris), :2]
            radius = float(np.linalg.norm(points[1:] - points[0], axis=1).mean())
            if radius < SMALLEST_RADIUS_PX:
                continue
            mask = np.zeros(photo.linear.shape[:2], np.uint8)
            centre = tuple(int(round(v)) for v in points[0] - 0.5)
            cv2.circle(mask, centre, int(round(0.85 * radius)), 1, -1)
            cv2.circle(mask, centre, int(round(0.42 * radius)), 0, -1)
            opening = np.zeros_like(mask)
            cv2.fillPoly(opening, [np.round(fit.landmarks[list(outline), :2] - 0.5).astype(np.int32)], 1)
            pixels = photo.linear[(mask & cv2.erode(opening, np.ones((3, 3), np.uint8))) > 0]
            if len(pixels) < 8:
                continue
            # Catch lights are far brighter than any iris, lashes darker: keep the middle.
            order = np.argsort(pixels.sum(1))
            middle = pixels[order[len(order) // 4 : max(len(order) * 7 // 10, len(order) // 4 + 1)]]
            level = np.maximum(light[0] * MEAN_BASIS, 1e-3)
            found.append((np.median(middle, axis=0) / (level * 0.75), radius))
    if not found:
        return DEFAULT.copy()
    colour = np.average([value for value, _ in found], axis=0, weights=[radius for _, radius in found])
    return np.clip(colour, 0.008, 0.35).astype(np.float32)
