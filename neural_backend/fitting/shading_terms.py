"""One photo at the skin samples: which are visible, what colour the photo has there, how that moves with the head."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..geometry.rays import Surface
from ..head.template import HeadTemplate
from .linear_points import camera_jacobian, project
from .parameters import BLOCK, EXPRESSION, PhotoState, minus_skew
from .photo_pixels import BlurredPhoto
from .skin_transfer import SkinTransfer
from .surface_samples import SurfaceSamples

GRAZING = 0.25  # cosine below which a sample is not compared: its footprint is long and its place uncertain
LEAST_TRUST = 0.05


@dataclass(frozen=True)
class SampleView:
    local: np.ndarray  # [U, 3] the samples' small mesh, head frame, with the photo's expression
    in_camera: np.ndarray  # [M, 3]
    towards: np.ndarray  # [M, 3] unit, from the sample to the camera, head frame
    colour: np.ndarray  # [M, 3] the photo's
    slope: np.ndarray  # [M, 3, 2] d colour / d pixel
    trust: np.ndarray  # [M] 0..1: bare skin, not grazing
    seen: np.ndarray  # [m] ids of the samples to compare


def view_samples(
    template: HeadTemplate,
    identity: np.ndarray,
    photo: PhotoState,
    samples: SurfaceSamples,
    image: BlurredPhoto,
    trace: SkinTransfer | None,
) -> tuple[SampleView, np.ndarray | None]:
    """The view, and where `trace` is given the shadows' loss [M, B] for the head as posed."""
    local = samples.points.positions(identity, photo.expression)
    places = local[samples.own]
    normals = samples.normals(local)
    pixels, in_camera = project(places, photo)
    # Level 0 hides as level 1 does, at a quarter of the triangles.
    level = template.levels[0]
    posed = template.shape(identity, photo.expression)[level.vertex_ids]
    surface = Surface(posed, level.triangles)
    centre = -photo.rotation.T @ photo.translation
    towards = centre - places
    towards /= np.linalg.norm(towards, axis=1, keepdims=True)
    cosine = (normals * towards).sum(1)
    candidates = np.flatnonzero((cosine > GRAZING) & image.inside(pixels))
    starts = places[candidates] + normals[candidates] * 0.001 + towards[candidates] * 0.002
    free = ~surface.occluded(starts, towards[candidates], 0.3)
    colour, slope, trust = image.sample(pixels)
    trust = trust * np.clip((cosine - GRAZING) / 0.25, 0.0, 1.0)
    clipped = (colour > 0.97).any(1)
    seen = candidates[free]
    seen = seen[(trust[seen] > LEAST_TRUST) & ~clipped[seen]]
    view = SampleView(local, in_camera, towards, colour, slope, trust, seen)
    return view, (trace.loss(surface, places, normals) if trace is not None else None)


def shading_jacobian(
    view: SampleView,
    samples: SurfaceSamples,
    slope: np.ndarray,  # [m, 3, 2] d photo / d pixel of the seen samples
    photo: PhotoState,
    identity_count: int,
    shape: np.ndarray,  # [m, 3, K + 52] derivative of the model's colour by turning normals
) -> np.ndarray:
    """[m, 3, K + BLOCK] derivative of (model - photo), columns as HeadState.indices.

    Shading belongs to the head's frame: light is the photo's, fixed to the head, so pose moves only where the photo is
    read, not what the model says there.
    """
    in_camera = view.in_camera[view.seen]
    to_pixel = camera_jacobian(in_camera, photo.focal_px)  # [m, 2, 3]
    drift = np.matmul(slope, to_pixel).astype(np.float32)  # [m, 3, 3] d photo / d camera point
    drift_head = drift @ photo.rotation.astype(np.float32)
    own = samples.own[view.seen]
    count = identity_count
    out = np.empty((len(view.seen), 3, count + BLOCK), np.float32)
    moved_identity = np.matmul(drift_head, samples.points.identity[:, own].transpose(1, 2, 0))
    moved_expression = np.matmul(drift_head, samples.points.expression[:, own].transpose(1, 2, 0))
    out[:, :, :count] = shape[:, :, :count] - moved_identity
    out[:, :, count : count + 3] = -drift @ minus_skew(in_camera - photo.translation)
    out[:, :, count + 3 : count + 6] = -drift
    out[:, :, count + 6] = -np.matmul(slope, (in_camera[:, :2] / in_camera[:, 2:] * photo.focal_px)[:, :, None])[
        :, :, 0
    ]
    out[:, :, count + EXPRESSION :] = shape[:, :, count:] - moved_expression
    return out


def robust_weight(residual: np.ndarray, robust: float, bright_robust: float) -> np.ndarray:
    """Cauchy weight of whitened residuals photo - model, stricter where the photo is brighter (highlights)."""
    limit = np.where(residual > 0, bright_robust, robust)
    return 1.0 / (1.0 + (residual / limit) ** 2)
