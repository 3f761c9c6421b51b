"""Smoothing: ripples that sampling ICT's flat facets leaves, and the few quads that come out folded or concave."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from .cut import SKIN, Cut
from .measures import folded_quads, quad_quality
from .registration import in_ears
from .topology import adjacency, averaging

_SHRINK, _GROW = 0.5, -0.52
_EAR_PASSES = 4  # the ears' own facets are coarse for their curvature: they get more passes than the rest
_PASSES = 2
_UNTANGLING, _BESIDE = 16, (0.8, 0.4)  # passes; share of the rings of vertices round the bad quads
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


class Untangle:
    """A linear map that relaxes the vertices of folded and concave skin quads and those beside them.

    They lie at the mouth's corners, where the loops of both lips turn on the spot, and at the inner canthi.
    """

    def __init__(self, cut: Cut, points: np.ndarray) -> None:
        quads = cut.quads[cut.face_part == SKIN]
        bad = folded_quads(points, quads) | quad_quality(points, quads).concave
        bad &= ~in_ears(points[quads].mean(1))
        around = adjacency(cut.quads, len(points))
        share = np.zeros(len(points))
        share[quads[bad]] = 1
        for beside in _BESIDE:
            share = np.maximum(share, beside * (around @ (share > 0) > 0))
        share = np.maximum(share, share[cut.mirror])
        step = sp.eye(len(points)) + sp.diags(0.5 * share) @ (averaging(cut.quads, len(points)) - sp.eye(len(points)))
        self._matrix = step.tocsr()

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """[V, 3] positions or displacements, relaxed."""
        for _ in range(_UNTANGLING):
            values = self._matrix @ values
        return values
