"""Smoothing without lag: a Whittaker smoother over the whole clip, weighted by confidence, on the frames' own times.

z minimises  sum w (x - z)^2 dt + lambda sum (z'')^2 dt.  Forwards and backwards in time are alike, so nothing comes
late; lambda = (2 pi f)^-4 halves a motion of frequency f. Lids and eyes jump: what leaves the smooth curve by more
than the noise is kept as it was seen, or a blink of three frames would be gone. (Eilers 2003, A perfect smoother.)
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import solveh_banded

from ..protocol.arkit import ARKIT_NAMES

#: Motions of this frequency in Hz are halved at smoothing 1. Lips close for speech within a tenth of a second.
CUTOFF_HZ = {"mouth": 8.0, "jaw": 8.0, "tongue": 8.0, "cheek": 5.0, "nose": 5.0, "brow": 5.0, "eye": 4.0}
POSE_HZ = 5.0
JUMPING = "eye"  # shapes whose quick motions are kept
KEPT_FROM = 4.0  # times the noise
LEAST_NOISE = 0.008  # of a weight
GAP_WEIGHT = 1e-3  # what was not seen hardly counts, but keeps the curve from swinging out


def smoothed(seconds: np.ndarray, values: np.ndarray, weights: np.ndarray, cutoff_hz: float) -> np.ndarray:
    """[F, C] values at [F] rising times, each with its weight [F] >= 0, smoothed."""
    count = len(seconds)
    if count < 3:
        return values.copy()
    step = np.diff(seconds)
    before, after = step[:-1], step[1:]
    span = (before + after) / 2
    # second divided difference at every inner frame: a z[i-1] + b z[i] + c z[i+1]
    a, c = 1 / (before * span), 1 / (after * span)
    b = -a - c
    strength = (2 * np.pi * cutoff_hz) ** -4 * span
    share = np.concatenate([[step[0] / 2], span, [step[-1] / 2]]) * np.maximum(weights, GAP_WEIGHT)
    bands = np.zeros((3, count))  # upper form of solveh_banded: bands[2] is the diagonal
    bands[2] = share
    bands[2, :-2] += strength * a * a
    bands[2, 1:-1] += strength * b * b
    bands[2, 2:] += strength * c * c
    bands[1, 1:-1] += strength * a * b
    bands[1, 2:] += strength * b * c
    bands[0, 2:] += strength * a * c
    return solveh_banded(bands, share[:, None] * values)


def smoothed_keeping_jumps(
    seconds: np.ndarray, values: np.ndarray, weights: np.ndarray, cutoff_hz: float
) -> np.ndarray:
    """As `smoothed`, but what differs from the smooth curve by clearly more than the noise stays."""
    curve = smoothed(seconds, values, weights, cutoff_hz)
    apart = values - curve
    seen = weights > 10 * GAP_WEIGHT
    if seen.sum() < 5:
        return curve
    noise = np.maximum(1.4826 * np.median(np.abs(apart[seen]), axis=0), LEAST_NOISE)
    far = np.abs(apart) / (KEPT_FROM * noise)
    keep = np.clip(far - 0.5, 0.0, 1.0)
    # The frames beside a jump belong to it: the smooth curve bends towards it there.
    padded = np.pad(keep, ((2, 2), (0, 0)))
    keep = np.max([padded[k : k + len(keep)] for k in range(5)], axis=0)
    return curve + keep * apart


def smooth_weights(
    seconds: np.ndarray,  # [F]
    weights: np.ndarray,  # [F, 52] ARKit weights
    confidence: np.ndarray,  # [F] 0 where nothing was seen
    strength: float,  # 0 leaves all as it is, 1 is usual
) -> np.ndarray:
    """[F, 52] smoothed ARKit weights in 0..1."""
    out = weights.copy()
    if strength > 0:
        for region, hertz in CUTOFF_HZ.items():
            columns = [index for index, name in enumerate(ARKIT_NAMES) if name.startswith(region)]
            smooth = smoothed_keeping_jumps if region == JUMPING else smoothed
            out[:, columns] = smooth(seconds, weights[:, columns], confidence**2, hertz / strength)
    return np.clip(out, 0.0, 1.0)


def bridged(seconds: np.ndarray, values: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """[F, C] with the frames that were not seen taken linearly from those around, at the ends from the nearest.

    Raises:
        ValueError: nothing was seen.
    """
    if not seen.any():
        raise ValueError("no frame to bridge from")
    return np.stack([np.interp(seconds, seconds[seen], column[seen]) for column in values.T], 1)
