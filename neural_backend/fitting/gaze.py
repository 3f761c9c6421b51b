"""Iris centres as a measurement: they say where the eyes are and where they look."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..head.template import HeadTemplate
from .landmarks import IRIS_LEFT, IRIS_RIGHT, Residuals
from .linear_points import LinearPoints, image_jacobian, project
from .parameters import PhotoState

#: The net's iris centre is good to about this; most of it is the eye's own place, which identity hardly knows.
IRIS_SD_M = 0.0012
ROBUST = 3.0  # standard deviations


@dataclass(frozen=True)
class GazePoints:
    """Iris centres of the template: the right eye's, the left eye's."""

    points: LinearPoints  # two points

    @classmethod
    def of(cls, template: HeadTemplate, share: float = 0.06) -> GazePoints:
        """The iris centre is the middle of the eyeball's foremost vertices about its axis."""
        models = []
        for part, joint in (("eye_right", 4), ("eye_left", 3)):
            ids = template.part_vertices(part)
            from_centre = template.vertices[ids] - template.joint_positions[joint]
            direction = from_centre / np.linalg.norm(from_centre, axis=1, keepdims=True)
            front = ids[np.argsort(-direction[:, 2])[: max(6, int(share * len(ids)))]]
            models.append(
                LinearPoints(
                    template.vertices[front].astype(np.float64).mean(0, keepdims=True),
                    template.identity[:, front].mean(1, keepdims=True),
                    template.arkit[:, front].mean(1, keepdims=True),
                )
            )
        return cls(models[0].joined(models[1]))


def gaze_residuals(gaze: GazePoints, landmarks: np.ndarray, photo: PhotoState, identity: np.ndarray) -> Residuals:
    """Whitened residuals of both iris centres."""
    positions = gaze.points.positions(identity, photo.expression)
    pixels, in_camera = project(positions, photo)
    scale = photo.translation[2] / photo.focal_px
    distance = (landmarks[[IRIS_RIGHT, IRIS_LEFT], :2] - pixels) * scale
    jacobian = image_jacobian(gaze.points, positions, in_camera, photo).reshape(4, -1) * scale
    weight = 1.0 / np.sqrt(1.0 + (distance**2).sum(1) / (ROBUST * IRIS_SD_M) ** 2) / IRIS_SD_M
    weight = np.repeat(weight, 2)
    return Residuals(weight * distance.reshape(-1), weight[:, None] * jacobian, distance)
