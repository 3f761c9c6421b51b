"""What the surface point network's answer is worth to a fit: its places as measurements with a known error."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..head.template import HeadTemplate
from ..head.weights_file import read_weights
from ..perception.surface_points import SURFACE_POINTS_FILE
from .landmarks import PointNoise
from .linear_points import LinearPoints


@dataclass(frozen=True)
class SurfaceEvidence:
    """Learned on people that the network has not seen; ships with it."""

    points: LinearPoints
    noise: PointNoise

    @classmethod
    def load(cls, template: HeadTemplate, path: Path = SURFACE_POINTS_FILE) -> SurfaceEvidence:
        data, _ = read_weights(
            path, "surface point network", "'python -m neural_backend.training.surface_points' (docs/training.md)"
        )
        return cls(
            LinearPoints.at_vertices(template, data["vertex_ids"].astype(np.int64)),
            PointNoise(
                **{name: data[name].astype(np.float64) for name in ("yaw_nodes", "bias", "variance", "factors")},
                inflation=float(data["inflation"][0]),
            ),
        )
