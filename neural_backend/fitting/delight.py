"""Light and skin tone apart: shading of each photo at the skin's vertices, jointly with one albedo for all photos.

Model, linear in the light: pixel = albedo * (diffuse transfer @ light) + specular transfer @ light. The diffuse part
carries the head's own shadows. Light (least squares) and albedo (closed-form conditional Gaussian of the reflectance
prior) are solved in turns with robust weights; what neither explains is left to `completion`, band by band.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..geometry.adjacency import vertex_neighbours
from ..head.template import HeadTemplate
from ..models.reflectance_prior import ReflectancePrior
from ..rendering.light import sh_basis, sh_count
from ..rendering.specular import lobe_factors
from ..rendering.visibility import analytic_transfer, compute_transfer
from .skin_transfer import SKIN_F0

DEGREE = 3
RAYS = 128
MEAN_BASIS = 0.28209479  # the constant spherical harmonic: light[0] times this is the mean radiance
SPECULAR_ROUGHNESS = 0.5
#: Standard deviation of what log colour does besides the model (pores, misplaced texels), per vertex.
NOISE_SD = 0.16
#: Neighbouring vertices err together: this many count as one observation.
CORRELATED = 40.0
#: Prior of the light: log of the mean irradiance that photographers choose, and how far single channels differ from it.
EXPOSURE_MEAN, EXPOSURE_SD, WHITE_BALANCE_SD = np.log(0.95), 0.38, 0.15
#: Spread of skin tones: along the curve from dark to light, and across it (log).
TONE_SD, HUE_SD = 0.55, 0.05
LUMINANCE = np.array([0.3, 0.5, 0.2])
#: Light of degree 1, 2, 3 relative to the mean light, prior standard deviation.
DIRECTIONAL_SD = (0.9, 0.5, 0.25)


@dataclass(frozen=True)
class VertexView:
    """One photo at the skin's vertices."""

    colour: np.ndarray  # [V, 3] linear, averaged over about the vertex spacing
    weight: np.ndarray  # [V] 0..1 trust
    diffuse: np.ndarray  # [V, B] shadowed transfer
    specular: np.ndarray  # [V, B] specular transfer


@dataclass(frozen=True)
class Shading:
    """One photo's light at the vertices."""

    light: np.ndarray  # [B, 3]
    diffuse: np.ndarray  # [V, 3] what multiplies albedo
    specular: np.ndarray  # [V, 3] what adds to it


@dataclass(frozen=True)
class Delit:
    albedo: np.ndarray  # [A] coefficients of the reflectance prior
    shadings: tuple[Shading, ...]


def transfers(
    template: HeadTemplate,
    vertices: np.ndarray,  # [V_all, 3] posed level-1 vertices, metres
    normals: np.ndarray,  # [V_all, 3]
    camera_centre: np.ndarray,  # [3]
    count: int,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """(diffuse [count, B], specular [count, B]) transfer of the skin's vertices.

    Shadows are traced at level 0 and filled in at level 1: they are smoother than normals.
    """
    coarse = template.levels[0]
    ids = coarse.vertex_ids
    skin = ids[ids < count]
    traced = compute_transfer(
        vertices[ids], coarse.triangles, normals[ids], vertices[skin], normals[skin], DEGREE, RAYS, seed
    )
    known = np.concatenate([traced.shadow.numpy(), traced.openness.numpy()[:, None]], 1)
    filled = _fill(known, skin, template.levels[1].triangles, count)
    shadow, openness = filled[:, :-1], np.clip(filled[:, -1:], 0, 1)
    normal = torch.as_tensor(np.asarray(normals[:count], np.float32))
    diffuse = analytic_transfer(normal, DEGREE).numpy() - shadow
    to_eye = camera_centre - vertices[:count]
    to_eye /= np.linalg.norm(to_eye, axis=1, keepdims=True)
    cosine = np.clip((to_eye * normals[:count]).sum(1, keepdims=True), 0.02, 1)
    mirror = 2 * cosine * normals[:count] - to_eye
    basis = sh_basis(torch.as_tensor(mirror.astype(np.float32)), DEGREE)
    lobe = lobe_factors(torch.full((1,), SPECULAR_ROUGHNESS), DEGREE)
    # Schlick with the usual rough-surface bound: at grazing angles a rough surface does not become a mirror.
    fresnel = SKIN_F0 + (1 - SPECULAR_ROUGHNESS - SKIN_F0) * (1 - cosine) ** 5
    return diffuse, ((basis * lobe).numpy() * fresnel * openness).astype(np.float32)


def _fill(known: np.ndarray, ids: np.ndarray, triangles: np.ndarray, count: int) -> np.ndarray:
    """[n, C] at some vertices -> [count, C]: the others take the mean of known neighbours, ring by ring."""
    values = np.zeros((count, known.shape[1]), np.float32)
    values[ids] = known
    done = np.zeros(count, bool)
    done[ids] = True
    skin = triangles[(triangles < count).all(1)]
    neighbours = vertex_neighbours(skin, count).astype(np.float32)
    neighbours.data[:] = 1
    for _ in range(8):
        if done.all():
            break
        total = neighbours @ (values * done[:, None])
        number = neighbours @ done.astype(np.float32)
        fresh = ~done & (number > 0)
        values[fresh] = total[fresh] / number[fresh, None]
        done |= fresh
    return values


def separate(
    prior: ReflectancePrior,
    views: Sequence[VertexView],
    albedo: np.ndarray | None = None,  # [<=A] start
    rounds: int = 6,
) -> Delit:
    """Solve light and albedo in turns."""
    coefficients = np.zeros(len(prior.vertex_log_albedo_modes), np.float32)
    if albedo is not None and len(albedo) == len(coefficients):
        coefficients[:] = albedo
    lights = [None] * len(views)
    robust = [view.weight.copy() for view in views]
    for _ in range(rounds):
        colour = prior.albedo(coefficients)
        for k, view in enumerate(views):
            lights[k] = _solve_light(view, colour, robust[k], lights[k])
        precision = np.zeros((prior.vertex_count, 1), np.float32)
        observed = np.zeros((prior.vertex_count, 3), np.float32)
        for k, view in enumerate(views):
            log_albedo = observed_log_albedo(view, shading_of(view, lights[k]))
            difference = log_albedo - np.log(colour)
            # Cauchy weights about the median: highlights, hair and shadows that the light cannot make stay out.
            centre = np.median(difference[view.weight > 0.5], axis=0) if (view.weight > 0.5).any() else 0
            distance = np.abs(difference - centre).max(1) / NOISE_SD
            robust[k] = view.weight / (1 + (distance / 2) ** 2)
            observed += robust[k][:, None] * log_albedo
            precision += robust[k][:, None]
        observed /= np.maximum(precision, 1e-6)
        precision /= NOISE_SD**2 * CORRELATED
        coefficients = prior.condition(observed, precision)
        coefficients, lights = _share_level(prior, coefficients, lights, precision)
    shadings = tuple(shading_of(view, light) for view, light in zip(views, lights, strict=True))
    return Delit(coefficients, shadings)


def shading_of(view: VertexView, light: np.ndarray) -> Shading:
    """Light [B, 3] at the vertices; kept from going to zero where the series rings."""
    diffuse = view.diffuse @ light
    floor = 0.06 * np.maximum(diffuse.mean(0), 1e-3)
    return Shading(light, np.maximum(diffuse, floor), np.maximum(view.specular @ light, 0))


def observed_log_albedo(view: VertexView, shading: Shading) -> np.ndarray:
    """[V, 3] log of (colour - specular) / diffuse shading."""
    body = np.maximum(view.colour - shading.specular, 0.25 * view.colour)
    return np.log(np.maximum(body, 1e-4)) - np.log(shading.diffuse)


def _solve_light(view: VertexView, albedo: np.ndarray, weight: np.ndarray, start: np.ndarray | None) -> np.ndarray:
    """[B, 3] MAP light given albedo [V, 3]; the prior's widths are relative to the mean light."""
    count = sh_count(DEGREE)
    degree = np.sqrt(np.arange(count)).astype(int)
    ids = np.flatnonzero(weight > 0.05)
    light = np.zeros((count, 3))
    if len(ids) < 50:
        light[0] = np.exp(EXPOSURE_MEAN) / MEAN_BASIS
        return light
    target = view.colour[ids]
    # Mean level of each channel first; `_share_level` decides how much of it is light and how much is skin.
    openness = np.maximum(view.diffuse[ids, 0] / MEAN_BASIS, 0.05)
    level = np.log(np.maximum(target, 1e-4) / (albedo[ids] * openness[:, None]))
    mean = np.exp(np.average(level, axis=0, weights=weight[ids]))  # [3]
    spread = np.array([0.5, *DIRECTIONAL_SD])[degree]
    scale = np.full(3, mean.mean())
    for channel in range(3):
        design = albedo[ids, channel, None] * view.diffuse[ids] + view.specular[ids]
        noise = NOISE_SD * (target[:, channel] + 0.25 * target[:, channel].mean())
        rows = design * (np.sqrt(weight[ids] / CORRELATED) / noise)[:, None]
        right = target[:, channel] * np.sqrt(weight[ids] / CORRELATED) / noise
        prior_mean = np.zeros(count)
        prior_mean[0] = mean[channel] / MEAN_BASIS
        precision = 1 / (spread * scale[channel] / MEAN_BASIS) ** 2
        system = rows.T @ rows + np.diag(precision)
        light[:, channel] = np.linalg.solve(system, rows.T @ right + precision * prior_mean)
    return light if start is None else 0.3 * start + 0.7 * light


def _share_level(
    prior: ReflectancePrior, coefficients: np.ndarray, lights: list[np.ndarray], precision: np.ndarray
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Move a common factor between albedo and light to where both priors together are most probable.

    A darker skin in a brighter light gives the same photo: pixels leave three numbers (one per channel) open, and turns
    of least squares would leave them wherever they started.
    """
    shift = np.stack(  # [A, 3] what the coefficients do when the log albedo of one channel rises by 1 everywhere
        [prior.condition(prior.vertex_log_albedo_mean + np.eye(3, dtype=np.float32)[c], precision) for c in range(3)], 1
    )
    # Covariance of a photo's log light level: exposure common to the channels, white balance per channel.
    covariance = EXPOSURE_SD**2 * np.ones((3, 3)) + WHITE_BALANCE_SD**2 * np.eye(3)
    inverse = np.linalg.inv(covariance)
    levels = [np.log(np.maximum(light[0] * MEAN_BASIS, 1e-4)) - EXPOSURE_MEAN for light in lights]
    # Skin tones lie about a curve (a Gaussian over colours is too wide across it): distance to its nearest point.
    tone = prior.tone(coefficients)
    towards = prior.tone_curve[np.abs((prior.tone_curve - tone) @ LUMINANCE).argmin()]
    hue = np.eye(3) - np.outer(np.ones(3), LUMINANCE)  # what changes colour but not brightness
    tone_precision = hue.T @ hue / HUE_SD**2 + np.outer(LUMINANCE, LUMINANCE) / TONE_SD**2
    middle = prior.tone_curve.mean(0)
    right = len(lights) * (inverse @ np.mean(levels, axis=0))
    right += hue.T @ hue @ (towards - tone) / HUE_SD**2 + LUMINANCE * (LUMINANCE @ (middle - tone)) / TONE_SD**2
    move = np.linalg.solve(tone_precision + len(lights) * inverse, right)  # [3] albedo up, light down
    return coefficients + (shift @ move).astype(np.float32), [light * np.exp(-move) for light in lights]
