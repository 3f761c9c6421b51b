"""Gives the nostrils a real cavity: the cut's own end behind the rim as a shallow dish. Metres."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import spsolve

from .cut import NOSTRIL, Cut
from .topology import Topology, adjacency

_DEPTH = 11e-3
_AXIS = np.array([-0.12, 0.78, -0.61])  # of the left nostril: up and back, a little towards the septum
_NARROWING = 0.35  # how much narrower the end is
_INNER_LOOP = 2  # the last loop that was registered to the scans


def deepened(cut: Cut, points: np.ndarray) -> np.ndarray:
    """[V, 3] with both nostrils drawn out into cavities of about a centimetre."""
    points = points.copy()
    loop = cut.curves[f"nostril_left_{_INNER_LOOP}"]
    outside = Topology(cut.quads).flood([int(cut.curves["nostril_left_0"][0])], loop.tolist())
    left = np.flatnonzero((cut.label == NOSTRIL) & (points[:, 0] > 0))
    cap = np.array(sorted(set(left.tolist()) - outside - set(loop.tolist())))
    depth = _harmonic_depth(cut, cap)
    axis = _AXIS / np.linalg.norm(_AXIS)
    middle = points[loop].mean(0)
    offset = points[cap] - middle
    offset -= (offset @ axis)[:, None] * axis  # the dish flattened along the axis ...
    # ... and drawn out: walls near the loop, a rounded end.
    width = (1 - _NARROWING * depth**2) * _wall_width(depth)
    points[cap] = middle + offset * width[:, None] + (_DEPTH * depth)[:, None] * axis
    mirror = cut.mirror[cap]
    points[mirror] = points[cap] * [-1, 1, 1]
    return points


def _harmonic_depth(cut: Cut, cap: np.ndarray) -> np.ndarray:
    """[n] 0 at the loop, 1 at the middle of the cap: the square root of the solution of a Poisson equation."""
    around = adjacency(cut.quads, len(cut.vertices))
    laplacian = sp.diags(np.asarray(around.sum(1)).ravel()) - around
    height = spsolve(laplacian[cap][:, cap].tocsc(), np.ones(len(cap)))
    return np.sqrt(height / height.max())


def _wall_width(depth: np.ndarray) -> np.ndarray:
    """[n] widening that turns a cone into a tube with a rounded end."""
    reach = np.sqrt(np.maximum(1 - depth**2, 1e-6))  # the cap's own radius falls about like this
    tube = np.sqrt(np.maximum(1 - depth**3, 1e-6))
    return np.clip(tube / reach, 1.0, 2.0)
