"""How near the shape prior itself can come to a known head: what no fit that stays in the prior can beat."""

from __future__ import annotations

import numpy as np

from ..geometry.similarity import align_points
from ..head.template import HeadTemplate

#: Weight of the prior against squared metres: lets codes grow to about two and a half standard deviations on faces that
#: are not the prior's, no more.
RIDGE = 1e-5
ROUNDS = 5


def fit_prior_to_shape(
    template: HeadTemplate,
    truth: np.ndarray,  # [n, 3] metres, the template's first n level-1 vertices
    face: np.ndarray,  # [m] vertices that count
) -> np.ndarray:
    """[n, 3] the prior's nearest head by corresponding vertices, alignment and codes solved in turn."""
    count = len(truth)
    mean = template.vertices[:count].astype(np.float64)
    modes = template.identity[:, :count].astype(np.float64)  # [K, n, 3]
    design = modes[:, face].reshape(len(modes), -1).T  # [3 m, K]
    normal = design.T @ design + RIDGE * np.eye(len(modes))
    found = mean
    for _ in range(ROUNDS):
        target = align_points(truth[face], found[face]).apply(truth[face])
        codes = np.linalg.solve(normal, design.T @ (target - mean[face]).ravel())
        found = mean + np.tensordot(codes, modes, 1)
    return found
