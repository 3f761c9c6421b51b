"""What fitting finds out about a person and each of their photos; textures and the head package are made from it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..rendering.camera import Camera


@dataclass(frozen=True)
class PhotoFit:
    """One photo's own unknowns."""

    camera: Camera
    expression: np.ndarray  # [52] ARKit weights in the photo, 0..1
    light: np.ndarray  # [B, 3] spherical-harmonic radiance, scene linear; see rendering.light for the basis
    landmarks: np.ndarray  # [478, 3] as detected, pixels (z in pixels too)
    matte: np.ndarray  # [H, W] float32 0..1, the person
    exposure: float = 1.0  # multiplies rendered radiance to give the photo's linear values


@dataclass(frozen=True)
class FitResult:
    """One person."""

    identity: np.ndarray  # [K] N(0, 1) coefficients of the template's identity modes
    vertices: np.ndarray  # [V, 3] the fitted neutral head, level 1, eyes refitted, metres
    arkit: np.ndarray  # [52, V, 3] this head's own ARKit displacements (template's, lid and lip contact kept)
    joint_positions: np.ndarray  # [5, 3] metres
    albedo: np.ndarray  # [A] coefficients of the reflectance prior's diffuse model
    photos: tuple[PhotoFit, ...]
    report: dict[str, object] = field(default_factory=dict)  # numbers for head.json: reprojection px, residuals ...
