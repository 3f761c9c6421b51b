"""Photometric Gauss-Newton: identity, expression and pose from shading, under each photo's own light.

A sample of the skin has radiance albedo x (transfer . light). Light is spherical harmonics per photo; transfer knows
which directions the head itself hides (nose, brows, chin), so cast shadows need not be explained by shape. Albedo is
the reflectance prior's mean, its modes and low-frequency freedom: without it, colour would be explained by shape.
docs/fitting.md has the equations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from .albedo import AlbedoBasis
from .bounded import bounded_step
from .map_initialisation import (
    Evidence,
    MapOptions,
    Observation,
    add_evidence,
    prior_equations,
    step_bounds,
)
from .outline import ROBUST_M
from .parameters import HeadState
from .photo_pixels import PhotoPixels
from .shading_terms import SampleView, robust_weight, shading_jacobian, view_samples
from .skin_transfer import SkinTransfer
from .surface_samples import SurfaceSamples


@dataclass(frozen=True)
class PhotometricOptions:
    blurs_m: tuple[float, ...] = (0.003, 0.002, 0.0015, 0.001, 0.001)  # one iteration each, coarse to fine
    noise: float = 0.07  # relative error of the shading model
    annealing: tuple[float, ...] = (3.0, 2.0, 1.4, 1.0, 1.0)  # times the noise: early colours are far off
    adapt: float = 1.0  # the noise is at least this many times the median difference of the last iteration
    correlation: float = 20.0  # so many values count as one: their errors go together
    robust: float = 1.0  # standard deviations, Cauchy
    bright_robust: float = 0.8  # the same where the photo is brighter than the model: highlights
    identity_limit: float = 0.7  # largest step per iteration, standard deviations
    slide: float = 0.0  # share of the image gradient in the derivatives: how far colour edges may move the head
    light_ridge: float = 4.0  # pulls the light's higher bands to zero, by the square of the band, over its mean squared
    traced: tuple[int, ...] = (0, 2)  # iterations that trace the shadows anew; empty: none


@dataclass
class Appearance:
    """Colour of the person, light of each photo (in units of the photo's median skin radiance)."""

    albedo: np.ndarray  # [A] coefficients of the basis
    light: list[np.ndarray] = field(default_factory=list)  # [B, 3] per photo
    gain: list[float] = field(default_factory=list)  # photo value of one unit
    level: list[float] = field(default_factory=list)  # constant coefficient of an even light of the same brightness
    residual: list[float] = field(default_factory=list)  # median relative difference, last iteration
    compared: list[int] = field(default_factory=list)  # samples seen


def fit_photometric(
    evidence: Evidence,
    head: HeadState,
    observations: Sequence[Observation],
    pixels: Sequence[PhotoPixels],
    samples: SurfaceSamples,
    albedo: AlbedoBasis,
    transfer: SkinTransfer,
    options: PhotometricOptions | None = None,
    map_options: MapOptions | None = None,
    on_iteration: Callable[[float], None] = lambda done: None,
) -> Appearance:
    """Improve `head` in place; returns the colours and lights found on the way."""
    options, map_options = options or PhotometricOptions(), map_options or MapOptions()
    photos, bands = len(head.photos), len(transfer.band)
    priors = [evidence.calibration.expression_prior(observation.blendshapes) for observation in observations]
    modes = np.concatenate([samples.points.identity, samples.points.expression])  # [K + 52, U, 3]
    look = Appearance(np.zeros(len(albedo)))
    look.light, look.gain = [None] * photos, [1.0] * photos
    look.level = [1.0] * photos
    look.residual, look.compared = [0.0] * photos, [0] * photos
    lost: list[np.ndarray | None] = [None] * photos  # [M, B] taken from the transfer by shadows
    size = head.size + len(albedo) + 3 * bands * photos
    first_colour, first_light = head.size, head.size + len(albedo)
    for iteration, blur_m in enumerate(options.blurs_m):
        on_iteration(iteration / len(options.blurs_m))
        hessian, gradient = np.zeros((size, size)), np.zeros(size)
        for index, (photo, observation) in enumerate(zip(head.photos, observations, strict=True)):
            add_evidence(evidence, head, index, observation, map_options, ROBUST_M[-1], hessian, gradient)
            blur_px = blur_m * photo.focal_px / photo.translation[2] * pixels[index].scale
            trace = transfer if iteration in options.traced else None
            view, fresh = view_samples(
                evidence.template, head.identity, photo, samples, pixels[index].blurred(blur_px), trace
            )
            if fresh is not None:
                lost[index] = fresh
            if len(view.seen) < 50:
                continue  # too little bare skin to learn from: the landmarks alone decide
            if look.light[index] is None:
                look.gain[index] = float(np.median(view.colour[view.seen]))
            noise = options.noise * options.annealing[min(iteration, len(options.annealing) - 1)]
            system = _linearise(view, modes, samples, albedo, transfer, lost[index], look, index, head, options, noise)
            light_at = first_light + 3 * bands * index + np.arange(3 * bands)
            at = np.concatenate([head.indices(index), first_colour + np.arange(len(albedo)), light_at])
            weighted = system.jacobian * system.weight[:, None]
            hessian[np.ix_(at, at)] += weighted.T @ system.jacobian
            gradient[at] += weighted.T @ system.residual
            # Only damping: the next iteration solves the light anew, its ridge included. A pull here would trade
            # light against skin tone without end.
            ridge = options.light_ridge * (transfer.band**2 + 0.1) / look.level[index] ** 2
            hessian[light_at, light_at] += np.repeat(ridge, 3)
        prior_equations(head, priors, map_options.identity_weight, hessian, gradient)
        colour_at = first_colour + np.arange(len(albedo))
        hessian[colour_at, colour_at] += 1.0
        gradient[colour_at] -= look.albedo
        for index in range(photos):
            if look.light[index] is None:  # nothing seen: its light has no equations
                light_at = first_light + 3 * bands * index + np.arange(3 * bands)
                hessian[light_at, light_at] += 1.0
        lower, upper = np.full(size, -np.inf), np.full(size, np.inf)
        lower[: head.size], upper[: head.size] = step_bounds(head)
        step = bounded_step(hessian, gradient, lower, upper)
        head.move(step[: head.size], options.identity_limit)
        look.albedo = look.albedo + np.clip(step[colour_at], -1.0, 1.0)
        for index in range(photos):
            if look.light[index] is not None:
                light_at = first_light + 3 * bands * index + np.arange(3 * bands)
                look.light[index] = look.light[index] + step[light_at].reshape(bands, 3)
    on_iteration(1.0)
    return look


@dataclass(frozen=True)
class _System:
    residual: np.ndarray  # [R]
    jacobian: np.ndarray  # [R, K + BLOCK + A + 3B]
    weight: np.ndarray  # [R]


def _linearise(
    view: SampleView,
    modes: np.ndarray,
    samples: SurfaceSamples,
    albedo: AlbedoBasis,
    transfer: SkinTransfer,
    lost: np.ndarray | None,
    look: Appearance,
    index: int,
    head: HeadState,
    options: PhotometricOptions,
    noise: float,
) -> _System:
    """Residuals photo - model of the seen samples, per colour channel, and their derivatives."""
    seen, gain = view.seen, look.gain[index]
    colour, slope = view.colour[seen] / gain, view.slope[seen] * (options.slide / gain)
    tint = albedo.at(look.albedo)[seen]  # [m, 3]
    normals, turns = samples.normal_derivatives(view.local, modes)  # [M, 3], [M, K + 52, 3]
    received = transfer.unshadowed(normals[seen])  # [m, B]
    unoccluded = np.ones(len(seen))
    if lost is not None:
        unoccluded = np.clip(1.0 - lost[seen, 0] / received[:, 0], 0.0, 1.0)
        received = received - lost[seen]
    mirrored, mirror_turn = transfer.mirrored(normals[seen], view.towards[seen], unoccluded)
    response = tint[:, :, None] * received[:, None] + mirrored[:, None]  # [m, 3, B]
    noise = max(noise, options.adapt * look.residual[index])
    sigma = noise * (0.3 + colour)
    limits = (options.robust, options.bright_robust)
    # An even light that gives the photo's brightness: what "strong" means for the other bands.
    look.level[index] = float(np.median(colour) / max(np.median(response[:, :, 0]), 1e-4))
    light = _solve_light(
        response, colour, sigma, view.trust[seen], transfer, options, look.light[index], look.level[index]
    )
    look.light[index] = light
    diffuse = tint * (received @ light)  # [m, 3]
    residual = colour - diffuse - mirrored @ light
    weight = robust_weight(residual / sigma, *limits) * view.trust[seen][:, None] / sigma**2 / options.correlation
    look.residual[index] = float(np.median(np.abs(residual) / np.maximum(colour, 0.05)))
    look.compared[index] = len(seen)

    bend = np.einsum("mbi,bc->mci", transfer.unshadowed_gradient(normals[seen]), light) * tint[:, :, None]
    bend = bend + np.einsum("mbi,bc->mci", mirror_turn, light)  # [m, 3 colours, 3]
    shape = np.matmul(bend, turns[seen].transpose(0, 2, 1))  # [m, 3, K + 52] shading by turning normals
    geometry = shading_jacobian(view, samples, slope, head.photos[index], len(head.identity), shape)
    tones = diffuse[None] * albedo.modes[:, seen]  # [A, m, 3]
    bands = received.shape[1]
    lights = np.zeros((len(seen), 3, bands, 3), np.float32)
    for channel in range(3):
        lights[:, channel, :, channel] = response[:, channel]
    jacobian = np.concatenate(
        [geometry, tones.transpose(1, 2, 0), lights.reshape(len(seen), 3, 3 * bands)], 2, dtype=np.float32
    )
    rows = 3 * len(seen)
    return _System(
        residual.reshape(rows).astype(np.float32), jacobian.reshape(rows, -1), weight.reshape(rows).astype(np.float32)
    )


def _solve_light(
    response: np.ndarray,  # [m, 3, B]
    colour: np.ndarray,  # [m, 3]
    sigma: np.ndarray,  # [m, 3]
    trust: np.ndarray,  # [m]
    transfer: SkinTransfer,
    options: PhotometricOptions,
    start: np.ndarray | None,  # [B, 3]
    level: float,  # constant coefficient of an even light as bright as the photo
) -> np.ndarray:
    """[B, 3] light by robust, ridged linear least squares, albedo and shape held."""
    light = np.zeros((response.shape[2], 3)) if start is None else start.copy()
    ridge = np.diag(options.light_ridge * transfer.band**2 / level**2 + 1e-6)
    limits = (options.robust, options.bright_robust)
    for channel in range(3):
        rows = response[:, channel]
        even = trust / sigma[:, channel] ** 2 / options.correlation
        weight = even
        for attempt in range(4):
            if attempt > 0 or start is not None:
                away = (colour[:, channel] - rows @ light[:, channel]) / sigma[:, channel]
                weight = even * robust_weight(away, *limits)
            normal = rows.T @ (rows * weight[:, None]) + ridge
            light[:, channel] = np.linalg.solve(normal, rows.T @ (weight * colour[:, channel]))
    return light
