"""Rotated rectangles of a photo, sampled for a network, and the way back from its coordinates to the photo's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class Roi:
    """A rotated rectangle in photo pixels (centres at +0.5)."""

    centre: tuple[float, float]
    size: tuple[float, float]
    """(width, height) along the rectangle's own axes."""
    angle: float
    """Radians, from the photo's +x towards its +y."""

    def matrix(self, resolution: int) -> np.ndarray:
        """[2, 3] taking photo pixels to crop pixels 0..resolution."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        turn = np.array([[cos, sin], [-sin, cos]]) * resolution / np.array(self.size)[:, None]
        return np.hstack([turn, (resolution / 2 - turn @ np.array(self.centre))[:, None]])

    def to_photo(self, points: np.ndarray, resolution: int) -> np.ndarray:
        """Points [N, 2] in crop pixels back to photo pixels."""
        matrix = self.matrix(resolution)
        return (points - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T


Sampler = Callable[[np.ndarray, "Roi", int, int], np.ndarray]
"""`sample` or `sample_as_mediapipe`."""


def sample(pixels: np.ndarray, roi: Roi, resolution: int, border: int = cv2.BORDER_REPLICATE) -> np.ndarray:
    """The region [resolution, resolution, C], bilinear; reduced by area first where it would alias.

    OpenCV counts pixel centres at whole numbers, so the matrix is shifted by half a pixel on both sides.
    """
    matrix = roi.matrix(resolution)
    shrink = int(max(roi.size) / resolution)
    if shrink >= 2:  # bilinear sampling looks at four pixels only
        pixels, matrix = _reduce(pixels, matrix, shrink, roi)
    shifted = matrix.copy()
    shifted[:, 2] += matrix[:, :2].sum(1) * 0.5 - 0.5
    return cv2.warpAffine(pixels, shifted, (resolution, resolution), flags=cv2.INTER_LINEAR, borderMode=border)


def sample_as_mediapipe(pixels: np.ndarray, roi: Roi, resolution: int, border: int) -> np.ndarray:
    """The region exactly as MediaPipe samples it: bilinear whatever the reduction, corners at whole-number pixel
    centres. It is here to be held against the original; `sample` serves better."""
    return cv2.warpAffine(
        pixels, roi.matrix(resolution), (resolution, resolution), flags=cv2.INTER_LINEAR, borderMode=border
    )


def _reduce(pixels: np.ndarray, matrix: np.ndarray, shrink: int, roi: Roi) -> tuple[np.ndarray, np.ndarray]:
    """The part of the photo under the roi, reduced `shrink` times by area, with the matrix that fits it."""
    height, width = pixels.shape[:2]
    reach = 0.5 * np.hypot(*roi.size) + 2 * shrink
    x0, y0 = (int(np.clip(c - reach, 0, n - 1)) for c, n in zip(roi.centre, (width, height), strict=True))
    x1, y1 = (
        int(np.clip(np.ceil(c + reach), low + 1, n))
        for c, low, n in zip(roi.centre, (x0, y0), (width, height), strict=True)
    )
    part = pixels[y0:y1, x0:x1]
    columns, rows = max(1, round((x1 - x0) / shrink)), max(1, round((y1 - y0) / shrink))
    small = cv2.resize(part, (columns, rows), interpolation=cv2.INTER_AREA)
    per_small = np.array([(x1 - x0) / columns, (y1 - y0) / rows])
    changed = matrix.copy()
    changed[:, :2] = matrix[:, :2] * per_small
    changed[:, 2] = matrix[:, 2] + matrix[:, :2] @ np.array([x0, y0])
    return small, changed
