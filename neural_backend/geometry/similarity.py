"""Similarity transforms and their least-squares fit to corresponding points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Similarity:
    """x -> scale * rotation @ x + translation."""

    scale: float
    rotation: np.ndarray  # [3, 3]
    translation: np.ndarray  # [3]

    def apply(self, points: np.ndarray) -> np.ndarray:
        """[N, 3] -> [N, 3]."""
        return self.scale * points @ self.rotation.T + self.translation

    def then(self, other: Similarity) -> Similarity:
        """First this, then the other."""
        return Similarity(
            self.scale * other.scale, other.rotation @ self.rotation, other.apply(self.translation[None])[0]
        )


def align_points(source: np.ndarray, target: np.ndarray, with_scale: bool = True) -> Similarity:
    """Least-squares similarity that takes [N, 3] points to [N, 3] points (Umeyama 1991)."""
    from_mean, to_mean = source.mean(0), target.mean(0)
    u, singular, vt = np.linalg.svd((target - to_mean).T @ (source - from_mean))
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = u @ np.diag(sign) @ vt
    scale = float((singular * sign).sum() / ((source - from_mean) ** 2).sum()) if with_scale else 1.0
    return Similarity(scale, rotation, to_mean - scale * rotation @ from_mean)
