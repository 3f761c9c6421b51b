"""How the lower jaw moves in the ARKit shapes: one rigid motion a shape, the same for teeth, gum and tongue.

Measured on ICT FaceKit's lower teeth (MIT), which move rigidly to within 0.2 mm in each of these shapes.
Millimetres and degrees in the head's frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class JawMotion:
    """Turn about `axis` through `pivot`, then move by `shift`."""

    degrees: float
    axis: tuple[float, float, float]
    pivot: tuple[float, float, float]
    shift: tuple[float, float, float]

    def displacement(self, points: np.ndarray) -> np.ndarray:
        """[n, 3] metres: how points [n, 3] in metres move."""
        moved = (points - np.array(self.pivot) / 1000) @ rotation(self.axis, self.degrees).T
        return moved + (np.array(self.pivot) + self.shift) / 1000 - points


def rotation(axis: tuple[float, float, float] | np.ndarray, degrees: float) -> np.ndarray:
    """[3, 3] rotation about an axis (Rodrigues)."""
    x, y, z = np.asarray(axis, float) / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.radians(degrees)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


#: The axis of jawOpen lies near the condyles, a little below and in front of the ear canals.
JAW_MOTIONS: dict[str, JawMotion] = {
    "jawOpen": JawMotion(25.33, (1, 0, 0), (0, -5.47, 18.19), (0, 0, 0)),
    "jawForward": JawMotion(0.0, (1, 0, 0), (0, 0, 0), (0, -1.70, 8.88)),
    "jawLeft": JawMotion(1.889, (0, 1, 0.029), (0, 0, 0), (3.80, -0.59, 0.63)),
    "jawRight": JawMotion(1.889, (0, -1, -0.029), (0, 0, 0), (-3.80, -0.59, 0.63)),
}
