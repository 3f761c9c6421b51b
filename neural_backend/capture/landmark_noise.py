"""How one person's landmarks err from frame to frame, and what faces at rest score.

Of the landmarks' error most belongs to the person and stays: in a clip it is found on the calm frames and taken away.
What is left moves with the expression, many landmarks together; its covariance is learned on random faces of random
heads (`neural_backend.training.calibrate_capture`) and weighs every direction of the 936 by what it is worth.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ..fitting.gaze import GazePoints
from ..fitting.landmarks import FACE_POINTS, IRIS_LEFT, IRIS_RIGHT, LandmarkCalibration, Residuals, roll_axes
from ..fitting.linear_points import LinearPoints, image_jacobian, project
from ..fitting.parameters import PhotoState
from ..head.template import WEIGHTS_FOLDER
from ..head.weights_file import read_weights

NOISE_FILE = WEIGHTS_FOLDER / "capture_noise.safetensors"
NOBODY = np.zeros(0)  # the identity code of a head that is known
IRIS_SD_M = 0.0005  # from frame to frame
ROBUST = 3.0  # a frame whose landmarks fit this many times worse than expected counts half


@dataclass(frozen=True)
class CaptureNoise:
    """Covariance of the 468 landmarks in axes upright with the head = factors factors^T + diag(rest)."""

    factors: np.ndarray  # [936, Q] metres
    rest: np.ndarray  # [936] square metres
    score_mean: np.ndarray  # [52] perception's scores of faces at rest
    score_sd: np.ndarray  # [52] from person to person

    @classmethod
    def load(cls, path: Path = NOISE_FILE) -> CaptureNoise:
        """Read the shipped statistics.

        Raises:
            FileNotFoundError: no file at `path`; the sentence says how to build one.
        """
        data, _ = read_weights(
            path, "capture noise", "'python -m neural_backend.training.calibrate_capture' (docs/capture.md)"
        )
        return cls(**{name: data[name].astype(np.float64) for name in cls.__dataclass_fields__})

    @cached_property
    def _shrinkage(self) -> tuple[np.ndarray, np.ndarray]:
        """([936, Q], [Q]) directions of the scaled factors and what whitening takes off along each."""
        scaled = self.factors / np.sqrt(self.rest)[:, None]
        vectors, strengths, _ = np.linalg.svd(scaled, full_matrices=False)
        return vectors, 1.0 - 1.0 / np.sqrt(1.0 + strengths**2)

    def whitened(self, array: np.ndarray) -> np.ndarray:
        """[936, ...] such that its Gram matrix is that of the inverse covariance."""
        vectors, shrink = self._shrinkage
        array = array / np.sqrt(self.rest)[(...,) + (None,) * (array.ndim - 1)]
        along = vectors.T @ array
        return array - vectors @ (shrink[(...,) + (None,) * (array.ndim - 1)] * along)

    def unrest(self, scores: np.ndarray) -> np.ndarray:
        """[F, 52] scores -> [F] how far a face is from rest: mean deviation in standard deviations, upwards only."""
        above = np.maximum(scores - self.score_mean, 0) / np.maximum(self.score_sd, 0.02)
        return np.minimum(above, 10.0).mean(1)


def clip_residuals(
    noise: CaptureNoise,
    calibration: LandmarkCalibration,
    own_bias: np.ndarray,  # [468, 2] metres: this person's, on top of everybody's
    points: LinearPoints,
    landmarks: np.ndarray,  # [>=468, >=2] pixels
    photo: PhotoState,
) -> Residuals:
    """Whitened residuals of one frame of a clip."""
    positions = points.positions(NOBODY, photo.expression)
    pixels, in_camera = project(positions, photo)
    upright = roll_axes(photo) * (photo.translation[2] / photo.focal_px)  # pixels -> metres at the head's depth
    bias, variance, _ = calibration.at_view(photo.yaw, photo.pitch)
    distance = (landmarks[:FACE_POINTS, :2] - pixels) @ upright.T - bias - own_bias
    jacobian = np.einsum("ab,pbk->pak", upright, image_jacobian(points, positions, in_camera, photo))
    value = noise.whitened(distance.reshape(-1))
    # Learned from in front; a turned head is seen as much worse as the landmarks' own calibration says.
    turned = max(float(variance.mean() / calibration.at_view(0.0, 0.0)[1].mean()), 1.0)
    excess = max(float(value @ value) / len(value) / turned - 1.0, 0.0)
    weight = 1.0 / np.sqrt(turned * (1.0 + excess / ROBUST))
    return Residuals(weight * value, weight * noise.whitened(jacobian.reshape(len(value), -1)), distance)


def clip_iris_residuals(
    gaze: GazePoints,
    own_iris: np.ndarray,  # [2, 2] metres, right and left, upright with the head
    landmarks: np.ndarray,  # [478, >=2] pixels
    photo: PhotoState,
) -> Residuals:
    """Whitened residuals of both iris centres in one frame of a clip, `distance` in the picture's axes."""
    positions = gaze.points.positions(NOBODY, photo.expression)
    pixels, in_camera = project(positions, photo)
    scale = photo.translation[2] / photo.focal_px
    distance = (landmarks[[IRIS_RIGHT, IRIS_LEFT], :2] - pixels) * scale - own_iris @ roll_axes(photo)
    jacobian = image_jacobian(gaze.points, positions, in_camera, photo).reshape(4, -1) * scale
    weight = 1.0 / np.sqrt(1.0 + (distance**2).sum(1) / (ROBUST * IRIS_SD_M) ** 2) / IRIS_SD_M
    weight = np.repeat(weight, 2)
    return Residuals(weight * distance.reshape(-1), weight[:, None] * jacobian, distance)
