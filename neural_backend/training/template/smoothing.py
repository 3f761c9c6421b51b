"""Removes the ripples that sampling ICT's flat facets leaves: volume-keeping (Taubin) smoothing where no feature is."""

from __future__ import annotations

import numpy as np

from .cut import SKIN, Cut
from .registration import in_ears
from .topology import adjacency, averaging

_SHRINK, _GROW = 0.5, -0.52
_EAR_PASSES = 4  # the ears' own facets are coarse for their curvature: they get more passes than the rest
_PASSES = 2
_FIRST_LID_LOOP_KEPT = 4


class Taubin:
    """Passes of Taubin's lambda-mu smoothing with a weight per vertex; lips, lids, nostrils and rim are kept."""

    def __init__(self, cut: Cut, points: np.ndarray) -> None:
        count = len(points)
        weight = (cut.label == SKIN).astype(float)
        for name, loop in cut.curves.items():
            lips = name.startswith("mouth") and name != "mouth_00"
            lids = name.startswith("eye") and int(name[-2:]) >= _FIRST_LID_LOOP_KEPT
            if lips or lids or name.startswith("nostril") or name == "neck_rim":
                weight[loop] = 0
        kept = (weight == 0).astype(float)
        weight[adjacency(cut.quads, count) @ kept >= 2] = 0
        self._average = averaging(cut.quads, count)
        self._weight = (self._average @ weight * (weight > 0))[:, None]
        self._ear_weight = self._weight * (self._average @ in_ears(points).astype(float))[:, None]

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """[V, 3] positions or displacements, smoothed."""
        values = values.astype(np.float64)
        for weight in [self._weight] * _PASSES + [self._ear_weight] * (_EAR_PASSES - _PASSES):
            for step in (_SHRINK, _GROW):
                values = values + step * weight * (self._average @ values - values)
        return values
