"""What a detected landmark measures: a place on the template, seen with a known bias and a known uncertainty.

A landmark network has its own idea of where its points lie and pulls towards its own mean face, the more so the further
a head is turned. `neural_backend.training.calibrate_landmarks` learns all of this on renders of known heads; residuals
here are distances at the head's depth (metres) in axes that turn with the head's roll, because the network turns its
crop upright before it looks.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..head.template import WEIGHTS_FOLDER, HeadTemplate
from ..head.weights_file import read_weights
from .linear_points import LinearPoints, image_jacobian, project
from .parameters import PhotoState

CALIBRATION_FILE = WEIGHTS_FOLDER / "landmark_calibration.safetensors"
FACE_POINTS = 468  # points of the face; the network's other ten are the irises
WIDEST_STEP, WIDEST_PITCH = 0.1, 0.35  # radians: the bias is not continued further than it was learned
IRIS_RIGHT, IRIS_LEFT = 468, 473  # centres, in the network's order (subject's right and left)


@dataclass(frozen=True)
class Residuals:
    """Whitened residuals of one photo's landmarks, ready for the normal equations."""

    value: np.ndarray  # [R]
    jacobian: np.ndarray  # [R, K + BLOCK] derivative of the prediction, columns as HeadState.indices
    distance: np.ndarray  # [L, 2] metres at the head's depth before whitening, bias removed

    def scaled(self, share: float) -> Residuals:
        """The same with `share` of their information."""
        return Residuals(self.value * share**0.5, self.jacobian * share**0.5, self.distance)


@dataclass(frozen=True)
class PointNoise:
    """How L detected points err, by the view of the head."""

    yaw_nodes: np.ndarray  # [Y] radians, ascending
    bias: np.ndarray  # [Y, 3, L, 2] metres: at the node, per radian of yaw from it, per radian of pitch
    variance: np.ndarray  # [Y, L, 2] square metres, of everything
    factors: np.ndarray  # [Y, 2L, Q] metres: the correlated share, covariance = factors factors^T + the rest
    inflation: float  # the correlated noise counts as this many independent samples' worth in the diagonal mode

    def at_view(self, yaw: float, pitch: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """([L, 2] bias, [L, 2] variance, [2L, Q] factors) between the two nearest yaw nodes."""
        nodes = self.yaw_nodes
        yaw = float(np.clip(yaw, nodes[0] - WIDEST_STEP, nodes[-1] + WIDEST_STEP))
        pitch = float(np.clip(pitch, -WIDEST_PITCH, WIDEST_PITCH))
        low = int(np.clip(np.searchsorted(nodes, yaw) - 1, 0, len(nodes) - 2))
        share = float(np.clip((yaw - nodes[low]) / (nodes[low + 1] - nodes[low]), 0.0, 1.0))
        near = low if share < 0.5 else low + 1  # factors of two nodes do not blend: their signs are arbitrary
        ends = [
            self.bias[node, 0] + self.bias[node, 1] * (yaw - nodes[node]) + self.bias[node, 2] * pitch
            for node in (low, low + 1)
        ]
        return (
            ends[0] * (1 - share) + ends[1] * share,
            self.variance[low] * (1 - share) + self.variance[low + 1] * share,
            self.factors[near],
        )


@dataclass(frozen=True)
class LandmarkCalibration(PointNoise):
    """Learned once, shipped as weights/landmark_calibration.safetensors; docs/fitting.md tells how. L is 468."""

    triangle: np.ndarray  # [468, 3] level-1 vertex ids
    barycentric: np.ndarray  # [468, 3]
    offset: np.ndarray  # [468, 3] metres, head axes
    expression_gain: np.ndarray  # [52] weight per unit of the network's blendshape score
    expression_base: np.ndarray  # [52] weight at score zero
    expression_sd: np.ndarray  # [52] what remains
    metadata: dict[str, str]

    @classmethod
    def load(cls, path: Path = CALIBRATION_FILE) -> LandmarkCalibration:
        """Read the shipped calibration.

        Raises:
            FileNotFoundError: no file at `path`; the sentence says how to build one.
        """
        data, metadata = read_weights(
            path, "landmark calibration", "'python -m neural_backend.training.calibrate_landmarks' (docs/fitting.md)"
        )
        return cls(
            triangle=data["triangle"].astype(np.int64),
            **{
                name: data[name].astype(np.float64)
                for name in (
                    "barycentric", "offset", "yaw_nodes", "bias", "variance", "factors",
                    "expression_gain", "expression_base", "expression_sd",
                )
            },
            inflation=float(data["inflation"][0]),
            metadata=metadata,
        )  # fmt: skip

    def points(self, template: HeadTemplate) -> LinearPoints:
        return LinearPoints.on_triangles(template, self.triangle, self.barycentric, self.offset)

    def expression_prior(self, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """[52] blendshape scores -> ([52] expected ARKit weights in 0..1, [52] standard deviations)."""
        return np.clip(self.expression_gain * scores + self.expression_base, 0.0, 1.0), self.expression_sd


def roll_axes(photo: PhotoState) -> np.ndarray:
    """[2, 2] turns picture axes into axes upright with the head."""
    cosine, sine = np.cos(photo.roll), np.sin(photo.roll)
    return np.array([[cosine, sine], [-sine, cosine]])


def landmark_residuals(
    noise: PointNoise,
    points: LinearPoints,
    landmarks: np.ndarray,  # [>=L, >=2] pixels
    photo: PhotoState,
    identity: np.ndarray,
    correlated: float,
    robust: float = 4.0,
) -> Residuals:
    """Residuals of one kind of points of the face (L of them) in one photo.

    Args:
        correlated: 0 treats the points as independent with inflated variance; 1 uses the learned low-rank covariance;
            between, a blend of the two information matrices.
        robust: a point further out than this many standard deviations loses weight (Cauchy).
    """
    positions = points.positions(identity, photo.expression)
    pixels, in_camera = project(positions, photo)
    jacobian = image_jacobian(points, positions, in_camera, photo)
    upright = roll_axes(photo) * (photo.translation[2] / photo.focal_px)  # pixels -> metres at the head's depth
    bias, variance, factors = noise.at_view(photo.yaw, photo.pitch)
    distance = (landmarks[: len(points), :2] - pixels) @ upright.T - bias
    jacobian = np.einsum("ab,pbk->pak", upright, jacobian).reshape(2 * len(positions), -1)
    weight = 1.0 / (1.0 + (distance**2 / variance).sum(1) / (2 * robust**2))  # [L]
    value = distance.reshape(-1)
    independent = np.repeat(np.sqrt(weight), 2) / np.sqrt(variance.reshape(-1) * noise.inflation)
    rows = [np.sqrt(1 - correlated) * independent[:, None] * jacobian]
    values = [np.sqrt(1 - correlated) * independent * value]
    if correlated > 0:
        rest = np.maximum(variance.reshape(-1) - (factors**2).sum(1), 0.15 * variance.reshape(-1))
        rest = rest / np.repeat(weight, 2)
        scaled = factors / np.sqrt(rest)[:, None]  # [936, Q]
        vectors, strengths, _ = np.linalg.svd(scaled, full_matrices=False)
        shrink = 1.0 - 1.0 / np.sqrt(1.0 + strengths**2)  # inverse square root of I + scaled scaled^T

        def whiten(array: np.ndarray) -> np.ndarray:
            array = array / np.sqrt(rest)[(...,) + (None,) * (array.ndim - 1)]
            return array - vectors @ ((shrink[:, None] if array.ndim > 1 else shrink) * (vectors.T @ array))

        rows.append(np.sqrt(correlated) * whiten(jacobian))
        values.append(np.sqrt(correlated) * whiten(value))
    return Residuals(np.concatenate(values), np.concatenate(rows), distance)
