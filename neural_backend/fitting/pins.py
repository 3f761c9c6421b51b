"""Pins: places in a photo where the artist says a landmark of the head lies. The fit goes through them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..head.template import HeadTemplate
from .landmarks import Residuals
from .linear_points import LinearPoints, image_jacobian, project
from .parameters import PhotoState

#: What a pin is good to at the head's depth: an artist's hand, not a network's guess. No pin is taken for an outlier.
PIN_SD_M = 0.00025


@dataclass(frozen=True)
class Pins:
    """The pins of one photo."""

    landmark: np.ndarray  # [n] int, of the template's 68 landmarks
    places: np.ndarray  # [n, 2] pixels of the photo

    def __post_init__(self) -> None:
        assert self.places.shape == (len(self.landmark), 2), "places [n, 2]"

    def __len__(self) -> int:
        return len(self.landmark)


def pin_points(template: HeadTemplate) -> LinearPoints:
    """The 68 landmarks that pins hold, as points of the skin."""
    return LinearPoints.on_triangles(template, template.landmarks68_triangle, template.landmarks68_barycentric)


def missed(points: LinearPoints, pins: Pins, photo: PhotoState, identity: np.ndarray) -> np.ndarray:
    """[n] pixels between each pin and where the head has its landmark."""
    pixels, _ = project(points.positions(identity, photo.expression)[pins.landmark], photo)
    return np.linalg.norm(pixels - pins.places, axis=1)


def pin_residuals(points: LinearPoints, pins: Pins, photo: PhotoState, identity: np.ndarray) -> Residuals:
    """Whitened residuals of one photo's pins."""
    held = LinearPoints(
        points.mean[pins.landmark], points.identity[:, pins.landmark], points.expression[:, pins.landmark]
    )
    positions = held.positions(identity, photo.expression)
    pixels, in_camera = project(positions, photo)
    scale = photo.translation[2] / photo.focal_px  # pixels -> metres at the head's depth
    distance = (pins.places - pixels) * scale
    jacobian = image_jacobian(held, positions, in_camera, photo).reshape(2 * len(pins), -1) * scale
    return Residuals(distance.reshape(-1) / PIN_SD_M, jacobian / PIN_SD_M, distance)
