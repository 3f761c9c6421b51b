"""What registration leaves open: lids on a smaller eyeball, blinks that seal. Metres."""

from __future__ import annotations

import numpy as np

from .cut import Cut
from .lids import LidFitter


def finish(
    cut: Cut,
    points: np.ndarray,  # [V, 3]
    shapes: np.ndarray,  # [52, V, 3]
    eye_centre: np.ndarray,  # [3] the left eye's
) -> tuple[np.ndarray, np.ndarray]:
    """Rest shape and ARKit shapes of level 1, finished."""
    return LidFitter(cut, eye_centre).fit(points, shapes)
