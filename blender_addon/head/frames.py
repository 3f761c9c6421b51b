"""The one place where the package's axes become Blender's.

Package: +X the subject's left, +Y up, +Z out of the face. Blender: +X the subject's left, +Z up, facing -Y. Both right
handed and in metres, so this is a rotation: faces keep their winding and normal maps their handedness.
"""

from __future__ import annotations

import numpy as np

BLENDER_FROM_PACKAGE = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], np.float32)
#: OpenCV's camera looks along +Z with y down; Blender's looks along -Z with y up.
_OPENCV_FROM_BLENDER_CAMERA = np.diag([1.0, -1.0, -1.0, 1.0])


def to_blender(points: np.ndarray) -> np.ndarray:  # [..., 3] positions or displacements, either frame's metres
    return np.stack([points[..., 0], -points[..., 2], points[..., 1]], axis=-1)


def from_blender(points: np.ndarray) -> np.ndarray:  # [..., 3] the way back
    return np.stack([points[..., 0], points[..., 2], -points[..., 1]], axis=-1)


def camera_world(camera_from_head: np.ndarray) -> np.ndarray:
    """[4, 4] Blender's matrix_world of a camera, from the package's [4, 4] OpenCV camera_from_head."""
    blender_from_head = np.eye(4)
    blender_from_head[:3, :3] = BLENDER_FROM_PACKAGE
    return blender_from_head @ np.linalg.inv(camera_from_head) @ _OPENCV_FROM_BLENDER_CAMERA
