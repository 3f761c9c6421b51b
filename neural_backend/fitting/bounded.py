"""One Gauss-Newton step with bounds: a small box-constrained quadratic programme, by an active set."""

from __future__ import annotations

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from ..protocol.errors import MienError


def bounded_step(
    hessian: np.ndarray,  # [N, N] positive definite
    gradient: np.ndarray,  # [N] downhill direction: the unbounded step solves hessian @ step = gradient
    lower: np.ndarray,  # [N] smallest step allowed (<= 0)
    upper: np.ndarray,  # [N] largest step allowed (>= 0)
    rounds: int = 12,
) -> np.ndarray:
    """[N] step that minimises step.H.step / 2 - g.step inside the box.

    Variables that leave the box are held at its face; held ones whose gradient points inside are let go again.

    Raises:
        MienError: the normal equations are not positive definite (a residual is not a number).
    """
    step = np.zeros(len(gradient))
    held = np.zeros(len(gradient), bool)
    for _ in range(rounds):
        free = ~held
        right = gradient[free] - hessian[np.ix_(free, held)] @ step[held]
        try:
            step[free] = cho_solve(cho_factor(hessian[np.ix_(free, free)], lower=True), right)
        except (LinAlgError, ValueError) as error:
            sentence = "The fit has no solution, as the photo's measurements are not finite: choose another photo."
            raise MienError("fit_failed", sentence) from error
        outside = free & ((step < lower) | (step > upper))
        step = np.clip(step, lower, upper)
        slope = gradient - hessian @ step  # positive: would go up
        inside = held & (((step <= lower) & (slope > 1e-9)) | ((step >= upper) & (slope < -1e-9)))
        if not outside.any() and not inside.any():
            break
        held = (held | outside) & ~inside
    return np.clip(step, lower, upper)
