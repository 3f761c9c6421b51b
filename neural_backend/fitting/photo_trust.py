"""Which pixels of a photo show this person's bare skin."""

from __future__ import annotations

import cv2
import numpy as np

from ..perception.image import Photo
from .result import PhotoFit


def photo_trust(photo: Photo, fit: PhotoFit, mm_per_pixel: float) -> np.ndarray:
    """[H, W] float32 0..1: inside the matte (a little shrunk), not clipped."""
    matte = fit.matte.astype(np.float32)
    margin = max(1, int(round(1.5 / mm_per_pixel)))
    matte = cv2.erode(matte, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * margin + 1,) * 2))
    return matte
