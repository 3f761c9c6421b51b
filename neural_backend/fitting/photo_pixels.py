"""A photo made ready for comparing with samples of the skin: reduced, blurred, with gradients and a weight."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class PhotoPixels:
    """A linear photo at working resolution; coordinates passed in are those of the full photo."""

    linear: np.ndarray  # [h, w, 3] float32
    weight: np.ndarray  # [h, w] float32, 0..1: how surely this is the person's bare skin
    scale: float  # working pixels per full pixel

    @classmethod
    def reduce(cls, linear: np.ndarray, weight: np.ndarray, metres_per_px: float, wanted_m: float) -> PhotoPixels:
        """Shrink so that a pixel spans about `wanted_m` at the head's depth; never enlarge."""
        scale = min(1.0, metres_per_px / wanted_m)
        size = (max(8, round(linear.shape[1] * scale)), max(8, round(linear.shape[0] * scale)))
        return cls(
            cv2.resize(linear, size, interpolation=cv2.INTER_AREA),
            cv2.resize(weight.astype(np.float32), size, interpolation=cv2.INTER_AREA),
            size[0] / linear.shape[1],
        )

    def blurred(self, sigma_px: float) -> BlurredPhoto:
        """`sigma_px` in working pixels."""
        image = cv2.GaussianBlur(self.linear, (0, 0), sigma_px) if sigma_px > 0.3 else self.linear
        return BlurredPhoto(
            image, cv2.Sobel(image, cv2.CV_32F, 1, 0, ksize=3) / 8, cv2.Sobel(image, cv2.CV_32F, 0, 1, ksize=3) / 8,
            cv2.GaussianBlur(self.weight, (0, 0), max(sigma_px, 1.0)), self.scale,
        )  # fmt: skip


@dataclass(frozen=True)
class BlurredPhoto:
    image: np.ndarray  # [h, w, 3]
    across: np.ndarray  # [h, w, 3] d image / d working pixel, right
    down: np.ndarray  # [h, w, 3] d image / d working pixel, down
    weight: np.ndarray  # [h, w]
    scale: float

    def inside(self, pixels: np.ndarray, margin: float = 3.0) -> np.ndarray:
        """[M, 2] full-photo pixels -> [M] bool."""
        places = pixels * self.scale
        size = np.array([self.image.shape[1], self.image.shape[0]])
        return ((places > margin) & (places < size - margin)).all(1)

    def sample(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """[M, 2] full-photo pixels -> ([M, 3] colour, [M, 3, 2] derivative per full pixel, [M] weight)."""
        places = (pixels * self.scale - 0.5).astype(np.float32)  # centres at +0.5; remap counts from centres
        x, y = np.ascontiguousarray(places[None, :, 0]), np.ascontiguousarray(places[None, :, 1])

        def read(image: np.ndarray) -> np.ndarray:
            return cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[0]

        slope = np.stack([read(self.across), read(self.down)], -1) * self.scale
        return read(self.image), slope, read(self.weight)
