"""Which pixels of a photo may be painted on the skin."""

from __future__ import annotations

import cv2
import numpy as np

from ..perception.face import Face
from ..perception.image import Photo
from ..perception.landmarks import FACE_OVAL, LEFT_BROW, LEFT_EYE, LIPS_INNER, LIPS_OUTER, RIGHT_BROW, RIGHT_EYE
from ..perception.regions import fill
from ..perception.skin import skin_weight
from .result import PhotoFit

#: Landmarks on the nose above its tip and at both sides of the jaw: what is dark below that line may be a beard or a
#: deep fold beside the nose, which stay.
NOSE_TIP, JAW_RIGHT, JAW_LEFT = 5, 132, 361
#: Trust in hair that grows on the face.
BEARD_TRUST = 0.9


def photo_trust(photo: Photo, fit: PhotoFit, mm_per_pixel: float) -> np.ndarray:
    """[H, W] float32 0..1: bare skin by its colour, and lips, brows and beard; not eyes, mouth, hair, background."""
    points = fit.landmarks[:, :2].astype(np.float32)
    face = Face(
        box=np.concatenate([points.min(0), points.max(0)]),
        score=1.0,
        landmarks=fit.landmarks.astype(np.float32),
        blendshapes=np.zeros(52, np.float32),
        presence=1.0,
    )
    height, width = photo.linear.shape[:2]

    def draw(*contours: list[int]) -> np.ndarray:
        return fill([points[contour] for contour in contours], height, width, face.size)

    def grow(mask: np.ndarray, millimetres: float) -> np.ndarray:
        radius = max(1, int(round(abs(millimetres) / mm_per_pixel)))
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
        return cv2.dilate(mask, kernel) if millimetres > 0 else cv2.erode(mask, kernel, borderValue=1)

    matte = grow(np.clip(fit.matte.astype(np.float32), 0, 1), -1.5)
    oval = draw(FACE_OVAL)
    lips = draw(LIPS_OUTER)
    brows = grow(draw(RIGHT_BROW, LEFT_BROW), 2.5)
    lids = grow(draw(RIGHT_EYE, LEFT_EYE), 3.0)
    skin = skin_weight(photo, face)
    beard = BEARD_TRUST * _lower_face(points, height, width) * grow(oval, -4.0)
    trust = np.maximum.reduce([skin, grow(lips, 2.0), brows * oval, lids * oval * 0.9, beard])
    # A pixel beside an eye or the mouth mixes with it: photos are softer than masks.
    holes = np.maximum(grow(draw(RIGHT_EYE, LEFT_EYE), 0.6), grow(draw(LIPS_INNER), 0.4))
    trust = trust * (1 - holes) * matte
    return cv2.GaussianBlur(trust.astype(np.float32), (0, 0), max(0.4 / mm_per_pixel, 0.5))


def _lower_face(points: np.ndarray, height: int, width: int) -> np.ndarray:
    """[H, W] 1 below the line through the tip of the nose that runs like the line between the jaw's corners."""
    along = points[JAW_LEFT] - points[JAW_RIGHT]
    down = np.array([-along[1], along[0]]) / max(float(np.linalg.norm(along)), 1e-6)
    if down[1] < 0 and abs(along[0]) > abs(along[1]):
        down = -down
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    side = (x - points[NOSE_TIP, 0]) * down[0] + (y - points[NOSE_TIP, 1]) * down[1]
    scale = max(float(np.linalg.norm(along)) * 0.03, 1.0)
    return np.clip(side / scale, 0, 1)
