"""The hairline of the prior: a bald head has none."""

from __future__ import annotations

import cv2
import numpy as np

from ..models.reflectance_prior import ReflectancePrior
from .completion import masked_blur
from .unwrap import SkinAtlas, smoothstep

#: Half the width (standard deviation, millimetres) of the band about the hairline where the prior is bridged.
HAIRLINE_MM = 14.0


def bridge_hairline(atlas: SkinAtlas, prior: ReflectancePrior, log_albedo: np.ndarray) -> np.ndarray:
    """[V, 3] -> [N, 3] with what lies about the hairline replaced by a smooth bridge from forehead to scalp.

    The skins behind the prior have hair there; what their maps show of its border is an arc on a bald head.
    """
    coarse = atlas.coarse or atlas
    values = coarse.from_vertices(log_albedo)
    hair, kept_out = coarse.from_vertices(
        np.stack(
            [
                prior.regions["scalp"],
                np.clip(prior.regions["ears"] + prior.regions["brows"] + prior.regions["lids"], 0, 1),
            ],
            1,
        )
    ).T
    millimetres = 0.25 * 1000 / coarse.size  # the unit square is about 25 cm of head
    half, _ = masked_blur(
        coarse.padded(hair)[..., None], np.ones_like(coarse.mask, np.float32), HAIRLINE_MM / millimetres
    )
    half = half[coarse.mask][:, 0]
    band = smoothstep(0.02, 0.25, half) * smoothstep(0.98, 0.75, half) * (1 - kept_out)
    weight = coarse.image((1 - band) * (1 - kept_out) + 1e-3)
    bridge, _ = masked_blur(coarse.padded(values), weight, 1.5 * HAIRLINE_MM / millimetres)
    mixed = values + band[:, None] * (bridge[coarse.mask] - values)
    if coarse is atlas:
        return mixed
    return cv2.resize(coarse.padded(mixed), (atlas.size, atlas.size), interpolation=cv2.INTER_LINEAR)[atlas.mask]
