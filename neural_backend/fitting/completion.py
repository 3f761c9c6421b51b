"""From partial, shading-stained observations to one full diffuse map, without seams.

log diffuse = prior (posterior mean of the albedo model, known everywhere) + residual. The residual is split into bands
by size. Small bands are the skin's own detail and are kept; large bands are mostly light that the light model missed,
so they are shrunk towards the prior, the more so where left and right disagree. Where nothing was seen the residual is
mirrored, or fades to the prior with synthetic structure of the same strength. Residuals fade through soft masks, so
there is no edge to blend.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ..protocol.cancellation import checkpoint
from .unwrap import SkinAtlas, smoothstep

#: Blur widths (standard deviation, millimetres) between the residual's bands, fine to coarse.
BAND_MM = (1.2, 2.5, 5.0, 10.0, 20.0)
#: What is kept of each band (one more than BAND_MM): luminance where both sides agree, where they disagree, and chroma.
KEEP_EVEN = (1.0, 1.0, 0.95, 0.80, 0.50, 0.20)
KEEP_ODD = (1.0, 1.0, 0.90, 0.50, 0.15, 0.0)
KEEP_CHROMA = (0.7, 0.8, 0.8, 0.65, 0.4, 0.25)
#: What is kept, at least, of the three middle bands where the person's own colour counts: lips and brows.
KEEP_OWN = 0.85
#: Exponent of the photos' weights per band: detail comes from the best photo, colour from all.
BLEND_POWER = (8, 6, 4, 2, 1, 1)
LUMINANCE = np.array([0.3, 0.5, 0.2], np.float32)  # of log colour


@dataclass(frozen=True)
class Completed:
    residual: np.ndarray  # [N, 3] log residual everywhere
    seen: np.ndarray  # [N] 0..1
    mirrored: np.ndarray  # [N] 0..1, share taken from the other side


def masked_blur(values: np.ndarray, weight: np.ndarray, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """Normalised Gaussian blur of [S, S, C] by weight [S, S], done on a coarser grid where the blur allows it.

    Returns:
        [S, S, C] blurred values (extended smoothly into places without weight) and the blurred weight [S, S].
    """
    checkpoint()
    size = values.shape[0]
    factor = 1
    while sigma / factor > 4 and size // factor > 64:
        factor *= 2
    stacked = np.dstack([values * weight[..., None], weight])
    if factor > 1:
        stacked = cv2.resize(stacked, (size // factor, size // factor), interpolation=cv2.INTER_AREA)
    stacked = cv2.GaussianBlur(stacked, (0, 0), sigma / factor, borderType=cv2.BORDER_CONSTANT)
    blurred = stacked[..., :-1] / np.maximum(stacked[..., -1:], 1e-3)
    out = np.dstack([blurred, stacked[..., -1]])
    if factor > 1:
        out = cv2.resize(out, (size, size), interpolation=cv2.INTER_LINEAR)
    return out[..., :-1], out[..., -1]


@dataclass(frozen=True)
class Band:
    """One size of detail and where it is known."""

    values: np.ndarray  # [S, S, 3]
    known: np.ndarray  # [S, S] 0..1


def bands(residual: np.ndarray, weight: np.ndarray, texel_mm: float) -> list[Band]:
    """[S, S, 3] -> len(BAND_MM) + 1 bands, fine to coarse, that sum to the residual where the weight is 1.

    A coarse band is known a little beyond the finer ones: small holes (a clipped highlight) close smoothly.
    """
    result, current, known = [], residual, weight
    for width in BAND_MM:
        smooth, spread = masked_blur(residual, weight, width / texel_mm)
        result.append(Band(current - smooth, known))
        current, known = smooth, smoothstep(0.05, 0.45, spread)
    return [*result, Band(current, known)]


def complete(
    atlas: SkinAtlas,
    residuals: Sequence[np.ndarray],  # per photo [N, 3] log residual to the prior
    weights: Sequence[np.ndarray],  # per photo [N] 0..1
    texel_mm: float,
    own: np.ndarray | None = None,  # [N] 0..1: lips, brows
) -> Completed:
    """Blend photos, shrink what light may have left (less where `own`), mirror."""
    size = atlas.size
    split = [
        bands(atlas.padded(residual), atlas.image(weight), texel_mm)
        for residual, weight in zip(residuals, weights, strict=True)
    ]
    hidden = np.ones((size, size), np.float32)
    for weight in weights:
        hidden *= 1 - atlas.image(weight)
    seen = 1 - hidden
    residual = np.zeros((size, size, 3), np.float32)
    share = 0.0 if own is None else atlas.image(own)
    for k in range(len(BAND_MM) + 1):
        band = _blend([photo[k] for photo in split], BLEND_POWER[k])
        values, known = band.values, band.known
        if k == len(BAND_MM):
            # Of the coarsest band the mean belongs to the person, everywhere.
            mean = (values * known[..., None]).sum((0, 1)) / max(float(known.sum()), 1.0)
            residual += mean
            values = values - mean
        luminance = values @ LUMINANCE
        chroma = values - luminance[..., None]
        odd = (luminance - luminance[:, ::-1]) / 2 * np.minimum(known, known[:, ::-1])
        even, one_sided, colour = (
            keep[k] + share * max(KEEP_OWN - keep[k], 0) if k < len(BAND_MM) else keep[k]
            for keep in (KEEP_EVEN, KEEP_ODD, KEEP_CHROMA)
        )
        luminance = even * (luminance - odd) + one_sided * odd
        kept = (luminance[..., None] + np.asarray(colour)[..., None] * chroma) * known[..., None]
        residual += kept + kept[:, ::-1] * (1 - known[..., None])
    mirrored = seen[:, ::-1] * (1 - seen)
    return Completed(residual[atlas.mask], seen[atlas.mask], mirrored[atlas.mask])


def _blend(photos: list[Band], power: float) -> Band:
    """One band of several photos: a high power lets the best photo win, a low one averages."""
    if len(photos) == 1:
        return photos[0]
    shares = [np.maximum(photo.known, 1e-3) ** power for photo in photos]
    total = sum(shares)
    values = sum(photo.values * (share / total)[..., None] for photo, share in zip(photos, shares, strict=True))
    hidden = np.ones_like(total)
    for photo in photos:
        hidden *= 1 - photo.known
    return Band(values, 1 - hidden)


def structure_gain(
    detail: np.ndarray,  # [N] small-scale log luminance of the photo
    structure: np.ndarray,  # [N] stored small-scale log luminance of real skin
    where: np.ndarray,  # [N] bool plain, well-seen skin
) -> float:
    """How strong the stored structure must be to look like this person's skin."""
    if where.sum() < 2000:
        return 1.0
    spread = [float(np.percentile(np.abs(values[where]), 70)) for values in (detail, structure)]
    return float(np.clip(spread[0] / max(spread[1], 1e-4), 0.3, 1.8))
