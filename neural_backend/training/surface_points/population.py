"""What synthetic photos are drawn from: arrays small enough to travel to a GPU machine, where no ray is cast."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Population:
    """Arrays by the template's level-1 vertices."""

    points: np.ndarray  # [P] vertex ids of the surface points
    point_mirror: np.ndarray  # [P] index of the point on the other side
    face: np.ndarray  # [F] vertex ids that the identity's error is taken over
    face_mirror: np.ndarray  # [F]
    triangles: np.ndarray  # [T, 3] int32, parts that show
    lit: np.ndarray  # [D, V] uint8 0..255 how much of each direction's light the mean head lets through
    directions: np.ndarray  # [D, 3] unit, head frame
    expressions: np.ndarray  # [E, 52] float16 ARKit weights
    landmark_triangle: np.ndarray  # [468, 3] where the landmark network's points lie: they place the crop
    landmark_barycentric: np.ndarray  # [468, 3]


def save(population: Population, path: Path) -> None:
    np.savez_compressed(path, **vars(population))


def load(path: Path) -> Population:
    with np.load(path, allow_pickle=False) as data:
        return Population(**{key: data[key] for key in data.files})
