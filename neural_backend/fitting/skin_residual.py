"""One photo against the prior, texel by texel: how the person's bare skin differs, and where the photo shows it."""

from __future__ import annotations

import cv2
import numpy as np

from ..models.reflectance_prior import ReflectancePrior
from ..perception.image import Photo
from .completion import LUMINANCE, masked_blur
from .delight import MEAN_BASIS, Shading
from .glasses_frames import frames
from .highlights import remove_highlights
from .unwrap import SkinAtlas, View, sample_colour, sample_photo, smoothstep

#: How far the residual may leave the prior (log) by region: (darker, lighter). Elsewhere LIMIT holds.
LIMIT = (-0.95, 0.45)
REGION_LIMIT = {
    "brows": (-2.2, 0.45), "beard": (-1.8, 0.45), "lips": (-0.70, 0.50), "lids": (-0.70, 0.30),
    "nostril_rim": (-0.30, 0.20), "ears": (-0.35, 0.30), "scalp": (-0.25, 0.25), "neck": (-0.15, 0.15),
    "mouth_corners": (-0.40, 0.25),
}  # fmt: skip
#: Darker than the prior by this much over several millimetres is hair or a cast shadow, not skin (log, from .. to).
HAIR_RESIDUAL = (-0.45, -0.80)
FOLD_RESIDUAL = (-1.00, -1.60)
GLARE_RESIDUAL = (0.40, 0.75)
CLIPPED = 0.90  # linear: with two channels above this a pixel is (nearly) white
#: Share of a fold's dark line that is taken back where the photo's expression strains the skin most.
FOLD_FADE = 0.7
#: Share of a crease's darkness (below CREASE_MM) that the normal map takes over from the diffuse map.
CREASE_SHARE = 0.15
CREASE_MM = 2.5
#: Standard deviation of skin's log luminance below 2.5 mm, an upper bound (old skin in hard light), and what is kept
#: at least of a photo beyond it.
SKIN_CONTRAST = 0.11
CONTRAST_FLOOR = 0.6
CHROMA_LIMIT = 0.35
LIP_CHROMA_LIMIT = 0.6


def skin_residual(
    atlas: SkinAtlas,
    prior: ReflectancePrior,
    photo: Photo,
    view: View,
    trust: np.ndarray,  # [H, W]
    shading: Shading,
    base: np.ndarray,  # [N, 3]
    texel_mm: float,
) -> tuple[np.ndarray, np.ndarray]:
    """([N, 3] log residual of the de-lit photo to the prior, [N] weight 0..1) for one photo."""
    count = atlas.vertex_count
    geometry = atlas.from_vertices(
        np.concatenate([view.pixels[:count], view.depth[:count, None], view.cosine[:count, None]], 1)
    )
    pixels, depth, cosine = geometry[:, :2], geometry[:, 2], geometry[:, 3]
    weight = view.trust(pixels, depth, cosine) * sample_photo(trust, pixels) * atlas.outer
    # The rim of the lids is a line of moisture, the neck lies in the chin's shadow and under collars.
    left_out = np.clip(sum(prior.regions[name] for name in ("lid_rim", "interior", "neck")), 0, 1)
    weight = weight * (1 - atlas.smooth(left_out))
    colour = sample_colour(photo.linear, pixels, view.mm_per_pixel / texel_mm)
    diffuse = atlas.smooth(shading.diffuse)
    specular = atlas.smooth(shading.specular)
    expected = np.exp(base) * diffuse
    colour = remove_highlights(colour, expected, shading.light[0] * MEAN_BASIS, specular)
    residual = np.log(np.maximum(colour, 1e-4)) - np.log(diffuse) - base
    low, high = (_limits(atlas, prior, side)[:, None] for side in (0, 1))
    # Only luminance is limited: a limit per channel would change the hue.
    luminance = (residual @ LUMINANCE)[:, None]
    # A clipped pixel has lost its hue and its shading.
    clipped = sample_photo((np.median(photo.linear, axis=2) > CLIPPED).astype(np.float32), pixels)
    weight = weight * (1 - np.clip(2 * clipped, 0, 1))
    weight = weight * (1 - frames(atlas, prior, luminance[:, 0], weight, view.vertices[:count], texel_mm))
    weight = weight * bare_skin(atlas, prior, luminance[:, 0], weight, texel_mm)
    limited = np.where(luminance < 0, low * np.tanh(luminance / low), high * np.tanh(luminance / high))
    lips = atlas.smooth(prior.regions["lips"])[:, None]
    most = CHROMA_LIMIT + (LIP_CHROMA_LIMIT - CHROMA_LIMIT) * lips
    chroma = most * np.tanh((residual - luminance) / most)
    # Folds that the photo's expression makes would stay on the neutral face: their dark lines and the
    # light bulges beside them are taken back.
    folded = atlas.smooth(view.strain[:count])[:, None]
    # A crease is darker because it lies deep, not because its skin is: the normal map takes over part of it.
    beard = prior.regions["beard"] * _bearded(atlas, prior, luminance[:, 0], weight)
    hairy = atlas.smooth(np.clip(prior.regions["brows"] + beard + prior.regions["lids"], 0, 1))[:, None]
    image = atlas.padded(limited)
    below = np.minimum(limited - cv2.GaussianBlur(image, (0, 0), CREASE_MM / texel_mm)[atlas.mask][:, None], 0)
    below = np.maximum(below, np.minimum(limited, 0))
    limited = limited - CREASE_SHARE * (1 - hairy) * below
    limited = limited * (1 - FOLD_FADE * folded)
    # Hard light and hard development draw wrinkles and pores deeper than any skin is coloured.
    calm = _contrast(atlas, prior, limited[:, 0], weight, texel_mm)
    gain = calm + (1 - calm) * hairy
    limited, chroma = limited * gain, chroma * gain
    # Hair and its shadow end the forehead softly: a wide fade leaves no arc.
    upper, brows = atlas.smooth(
        np.stack([np.clip(prior.regions["forehead"] + prior.regions["scalp"], 0, 1), prior.regions["brows"]], 1)
    ).T
    # ... which may reach down to the brows; those stay.
    upper, _ = masked_blur(atlas.padded(upper)[..., None], np.ones_like(atlas.mask, np.float32), 8.0 / texel_mm)
    upper = smoothstep(0.03, 0.30, upper[atlas.mask][:, 0]) * (1 - brows)
    narrow, wide = (_feather(atlas, weight, texel_mm, width) for width in (2.0, 6.0))
    return limited + chroma, narrow + upper * (wide - narrow)


def bare_skin(
    atlas: SkinAtlas, prior: ReflectancePrior, luminance: np.ndarray, weight: np.ndarray, texel_mm: float
) -> np.ndarray:
    """[N] 1 on skin; 0 where several millimetres are far darker (hair, frames), lighter (glare, teeth) or stringier."""
    image, mask = atlas.padded(luminance)[..., None], atlas.image(weight) + 1e-4
    smooth, _ = masked_blur(image, mask, 2.5 / texel_mm)
    fine = image - masked_blur(image, mask, 1.5 / texel_mm)[0]
    energy, _ = masked_blur(fine**2, mask, 3.0 / texel_mm)
    smooth, strings = smooth[atlas.mask][:, 0], np.sqrt(np.maximum(energy[atlas.mask][:, 0], 0))
    regions = prior.regions
    upper, scalp, lips = atlas.smooth(np.stack([regions["forehead"], regions["scalp"], regions["lips"]], 1)).T
    cheeks = atlas.smooth(regions["cheeks"]) > 0.5
    usual = float(np.median(strings[cheeks & (weight > 0.5)])) if (cheeks & (weight > 0.5)).any() else 0.03
    hair_growth = atlas.smooth(np.clip(regions["brows"] + regions["beard"], 0, 1))  # hair that belongs on the skin
    # Beards, brows and folds lie on both sides; what is dark on one side alone is a cast shadow.
    other, other_weight = atlas.mirrored(np.stack([smooth, weight], 1)).T
    one_sided = other_weight * smoothstep(-0.35, -0.15, other) * smoothstep(-0.25, -0.45, smooth)
    # Below the eyes hair is rare and deep folds are not: only what is darker than they are goes.
    low = atlas.smooth(np.clip(regions["cheeks"] + regions["beard"] + regions["nose"], 0, 1))
    dark = smoothstep(HAIR_RESIDUAL[1], HAIR_RESIDUAL[0], smooth)
    dark = dark + low * (1 - one_sided) * (smoothstep(FOLD_RESIDUAL[1], FOLD_RESIDUAL[0], smooth) - dark)
    dark = dark * (1 - scalp) + smoothstep(-0.45, -0.2, smooth) * scalp
    stringy = smoothstep(3.5, 2.0, strings / max(usual, 0.02))
    above = np.clip(upper + scalp, 0, 1)
    keep = np.minimum(dark, 1 - above * (1 - stringy))
    # Hair casts a shadow and lies in strands: skin right beside it is not trusted either.
    beside, _ = masked_blur(atlas.padded(keep)[..., None], np.ones_like(mask), 3.0 / texel_mm)
    keep = np.minimum(keep, 1 - above * (1 - smoothstep(0.6, 0.95, beside[atlas.mask][:, 0])))
    hair_growth = np.maximum(hair_growth * (1 - one_sided), 0.9 * lips)  # lips are as dark as they are
    light = smoothstep(GLARE_RESIDUAL[1], GLARE_RESIDUAL[0], smooth)
    return np.maximum(keep, hair_growth) * light


def _bearded(atlas: SkinAtlas, prior: ReflectancePrior, luminance: np.ndarray, weight: np.ndarray) -> float:
    """0 clean shaven .. 1 bearded: how much darker than the prior the beard's region is, compared with the cheeks."""
    beard, cheeks = atlas.smooth(np.stack([prior.regions["beard"], prior.regions["cheeks"]], 1)).T
    inside, outside = (weight > 0.5) & (beard > 0.8), (weight > 0.5) & (cheeks > 0.8) & (beard < 0.2)
    if inside.sum() < 300 or outside.sum() < 300:
        return 0.0
    darker = float(np.median(luminance[inside]) - np.median(luminance[outside]))
    return float(smoothstep(-0.10, -0.35, np.float32(darker)))


def _contrast(
    atlas: SkinAtlas, prior: ReflectancePrior, luminance: np.ndarray, weight: np.ndarray, texel_mm: float
) -> float:
    """What the residual must be multiplied by so that its small bands are no stronger than skin's (at most 1)."""
    where = (weight > 0.7) & (atlas.smooth(np.clip(prior.regions["cheeks"] + prior.regions["forehead"], 0, 1)) > 0.5)
    if where.sum() < 500:
        return 1.0
    image = atlas.padded(luminance)
    fine = (image - cv2.GaussianBlur(image, (0, 0), 2.5 / texel_mm))[atlas.mask]
    return float(np.clip(SKIN_CONTRAST / max(float(fine[where].std()), 1e-4), CONTRAST_FLOOR, 1.0))


def _limits(atlas: SkinAtlas, prior: ReflectancePrior, side: int) -> np.ndarray:
    vertex = np.full(atlas.vertex_count, LIMIT[side], np.float32)
    for name, limits in REGION_LIMIT.items():
        vertex += (limits[side] - vertex) * prior.regions[name]
    return atlas.smooth(vertex)


def _feather(atlas: SkinAtlas, weight: np.ndarray, texel_mm: float, width_mm: float = 2.0) -> np.ndarray:
    """[N] weight shrunk by about `width_mm` and faded over it, so that nothing beyond the edge comes in."""
    image = atlas.padded(weight)
    soft = masked_blur(image[..., None], np.ones_like(image), width_mm / texel_mm)[0][atlas.mask][:, 0]
    return np.minimum(weight, smoothstep(0.45, 0.95, soft)).astype(np.float32)
