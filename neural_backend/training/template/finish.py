"""What registration leaves open: deep nostrils, lips in contact, lids on a smaller eyeball, sealing blinks. Metres."""

from __future__ import annotations

import numpy as np

from .cut import Cut
from .lids import LidFitter
from .lips import LipContact
from .nostrils import deepened


def finish(
    levels: tuple[Cut, Cut],
    points: np.ndarray,  # [V, 3]
    shapes: np.ndarray,  # [52, V, 3]
    identity: np.ndarray,  # [K, V, 3]
    eye_centre: np.ndarray,  # [3] the left eye's
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rest shape, ARKit shapes and identity modes of level 1, finished, and the left eye's centre behind the lids."""
    coarse, fine = levels
    points = deepened(fine, points)
    lips = LipContact(fine, coarse)
    points, shapes = lips.fit(points, shapes)
    identity = lips.joined(points, identity)
    lids = LidFitter(fine, eye_centre)
    points, shapes = lids.fit(points, shapes)
    return points, shapes, identity, lids.centre
