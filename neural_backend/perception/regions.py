"""Parts of a face as soft masks in photo pixels, drawn from the landmarks' contours."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .face import Face
from .landmarks import FACE_OVAL, LEFT_BROW, LEFT_EYE, LIPS_INNER, LIPS_OUTER, RIGHT_BROW, RIGHT_EYE

SUBPIXEL = 4  # bits of fraction given to OpenCV's polygon filler
SUPERSAMPLE = ((200, 8), (800, 4))  # faces below so many px are drawn this much finer and reduced: soft, exact edges


@dataclass(frozen=True)
class FaceRegions:
    """Coverage masks [H, W] float32, 0..1; they do not overlap except that `oval` holds all of them."""

    oval: np.ndarray
    """From chin to hairline."""
    skin: np.ndarray
    """The oval without lips, mouth, eyes and brows."""
    lips: np.ndarray
    mouth: np.ndarray
    """What the open lips show: teeth, tongue, dark."""
    eyes: np.ndarray
    """Between the lid margins, both eyes."""
    brows: np.ndarray


def face_regions(face: Face, height: int, width: int) -> FaceRegions:
    """The regions of a face in a photo of this size.

    Args:
        face: landmarks in the photo's pixels.
        height, width: of the masks, px.
    """
    points = face.landmarks[:, :2]

    def draw(*contours: list[int]) -> np.ndarray:
        return fill([points[contour] for contour in contours], height, width, face.size)

    oval, outer, mouth = draw(FACE_OVAL), draw(LIPS_OUTER), draw(LIPS_INNER)
    lips = np.clip(outer - mouth, 0, 1)
    eyes, brows = draw(RIGHT_EYE, LEFT_EYE), draw(RIGHT_BROW, LEFT_BROW)
    skin = np.clip(oval - np.maximum.reduce([outer, mouth, eyes, brows]), 0, 1)
    return FaceRegions(oval, skin, lips, np.minimum(mouth, oval), eyes, brows)


def fill(polygons: list[np.ndarray], height: int, width: int, face_size: float = np.inf) -> np.ndarray:
    """Coverage [H, W] float32 of closed polygons [N, 2] in pixels with centres at +0.5."""
    factor = next((finer for below, finer in SUPERSAMPLE if face_size < below), 2)
    low = np.clip(np.floor(np.min([p.min(0) for p in polygons], 0)).astype(int) - 1, 0, [width, height])
    high = np.clip(np.ceil(np.max([p.max(0) for p in polygons], 0)).astype(int) + 1, 0, [width, height])
    mask = np.zeros((height, width), np.float32)
    columns, rows = high - low
    if columns <= 0 or rows <= 0:
        return mask
    fine = np.zeros((rows * factor, columns * factor), np.uint8)
    for polygon in polygons:
        inside = (polygon - low) * factor - 0.5  # OpenCV counts pixel centres at whole numbers
        cv2.fillPoly(fine, [np.round(inside * 2**SUBPIXEL).astype(np.int32)], 255, cv2.LINE_8, SUBPIXEL)
    part = cv2.resize(fine, (int(columns), int(rows)), interpolation=cv2.INTER_AREA)
    mask[low[1] : high[1], low[0] : high[0]] = part.astype(np.float32) / 255
    return mask
