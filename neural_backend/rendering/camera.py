"""Pinhole camera in OpenCV's convention: x right, y down, z forward, pixel centres at +0.5."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Camera:
    """Where a photo was taken from, relative to the head."""

    width: int
    height: int
    intrinsics: np.ndarray  # [3, 3] K in pixels
    camera_from_head: np.ndarray  # [4, 4] rigid, metres

    @property
    def focal_px(self) -> float:
        return float(self.intrinsics[0, 0])

    @property
    def rotation(self) -> np.ndarray:  # [3, 3]
        return self.camera_from_head[:3, :3]

    @property
    def translation(self) -> np.ndarray:  # [3] metres
        return self.camera_from_head[:3, 3]

    @property
    def centre_head(self) -> np.ndarray:
        """[3] the camera's position in the head's frame, metres."""
        return -self.rotation.T @ self.translation

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """[N, 3] head-frame metres -> ([N, 2] pixels, [N] depth in metres)."""
        in_camera = points @ self.rotation.T + self.translation
        pixels = in_camera @ self.intrinsics.T
        return pixels[:, :2] / pixels[:, 2:], in_camera[:, 2]

    def scaled(self, factor: float) -> Camera:
        """The same camera for the photo resized by `factor`."""
        intrinsics = self.intrinsics.copy()
        intrinsics[:2] *= factor
        return Camera(round(self.width * factor), round(self.height * factor), intrinsics, self.camera_from_head)
