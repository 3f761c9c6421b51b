"""The diffuse colours a face may have, at the sample vertices: mean, statistical modes and low-frequency freedom."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..head.template import HeadTemplate
from ..models.reflectance_prior import ReflectancePrior
from .surface_samples import landmark68_positions

PATCH_M = 0.02  # width of the low-frequency terms
PATCH_GREY_SD, PATCH_RED_SD = 0.12, 0.06  # of log albedo
#: Middle of each patch by pairs (or single points) of the 68 landmarks: forehead, cheeks, nose, lips, chin, jaw.
PATCHES: tuple[tuple[int, ...], ...] = (
    (19, 24), (1,), (15,), (2, 31), (14, 35), (3, 48), (13, 54), (5,), (11,), (8,), (30,), (27,), (33, 51), (57, 8),
    (17,), (26,), (0,), (16,), (36, 31), (45, 35),
)  # fmt: skip


@dataclass(frozen=True)
class AlbedoBasis:
    """Log albedo of M samples = mean + coefficients . modes; coefficients are N(0, 1)."""

    mean: np.ndarray  # [M, 3]
    modes: np.ndarray  # [A, M, 3]

    def __len__(self) -> int:
        return len(self.modes)

    def at(self, coefficients: np.ndarray) -> np.ndarray:
        """[A] -> [M, 3] albedo, linear."""
        return np.exp(self.mean + np.tensordot(coefficients, self.modes, 1))


def albedo_basis(template: HeadTemplate, prior: ReflectancePrior, vertex_ids: np.ndarray) -> AlbedoBasis:
    """The prior's modes first (its coefficients are what FitResult.albedo holds), then the smooth patches."""
    patches = low_frequency_modes(template, template.vertices[vertex_ids].astype(np.float64))
    return AlbedoBasis(
        prior.vertex_log_albedo_mean[vertex_ids].astype(np.float64),
        np.concatenate([prior.vertex_log_albedo_modes[:, vertex_ids], patches]).astype(np.float64),
    )


def low_frequency_modes(template: HeadTemplate, places: np.ndarray) -> np.ndarray:
    """[A, M, 3] smooth patches, in grey and in red against blue."""
    marks = landmark68_positions(template)
    centres = np.array([marks[list(patch)].mean(0) for patch in PATCHES])
    weight = np.exp(-((places[None] - centres[:, None]) ** 2).sum(-1) / (2 * PATCH_M**2))
    grey, red = np.ones(3), np.array([1.0, -0.3, -0.7])
    return np.concatenate(
        [
            PATCH_GREY_SD * weight[:, :, None] * grey,
            PATCH_RED_SD * weight[:, :, None] * red,
        ]
    )
