"""What separates a rendered volume from the truth: PSNR, SSIM, MAE, and a distance of network features.

All are taken as people see pictures: both are exposed alike, composited over the same grey and coded in sRGB. Exposure
comes from the truth alone, so that a picture that is too dark as a whole counts as wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields

import numpy as np

from ...perception.image import linear_to_srgb
from ..photos import structural_similarity

GREY = 0.21  # linear, behind every picture
BRIGHT = 0.85  # the 99th percentile of the head is exposed to this
SEEN = 0.5  # opacity from which a pixel belongs to the head
#: [H, W, 3] 0..1 sRGB pictures, twice -> a distance.
FeatureDistance = Callable[[np.ndarray, np.ndarray], float]


@dataclass(frozen=True)
class Measures:
    """How far one picture is from its truth."""

    psnr_db: float  # over the head
    ssim: float  # over the head
    mae: float  # over the head, of 255
    features: float  # EfficientNet-lite0 feature distance of the whole picture; not LPIPS, and the training's own loss
    alpha_mae: float  # of the opacity, over the whole picture


def exposure_of(rgb: np.ndarray, alpha: np.ndarray) -> float:
    """The factor that brings a [H, W, 3] linear premultiplied picture of a head to a good brightness."""
    assert rgb.shape[:2] == alpha.shape and rgb.shape[2] == 3, "rgb [H, W, 3], alpha [H, W]"
    head = rgb[alpha > SEEN]
    return BRIGHT / max(float(np.percentile(head, 99)), 1e-6) if len(head) else 1.0


def displayed(rgb: np.ndarray, alpha: np.ndarray, exposure: float) -> np.ndarray:
    """[H, W, 3] linear premultiplied, [H, W] -> [H, W, 3] sRGB 0..1 over grey."""
    linear = rgb * exposure + GREY * (1 - alpha[..., None])
    return linear_to_srgb(np.clip(linear, 0.0, 1.0)).astype(np.float32)


def measure(
    rgb: np.ndarray, alpha: np.ndarray, true_rgb: np.ndarray, true_alpha: np.ndarray, features: FeatureDistance
) -> Measures:
    """Compare a render with the truth; all [H, W, (3)] float32, linear, premultiplied.

    The head is where either picture has it: hair that is missing counts as much as hair that is too much.
    """
    exposure = exposure_of(true_rgb, true_alpha)
    shown, truth = displayed(rgb, alpha, exposure), displayed(true_rgb, true_alpha, exposure)
    head = np.maximum(alpha, true_alpha) > SEEN
    error = (shown - truth)[head]
    return Measures(
        psnr_db=psnr_db(error),
        ssim=structural_similarity(shown * 255, truth * 255, head),
        mae=float(255 * np.abs(error).mean()),
        features=features(shown, truth),
        alpha_mae=float(np.abs(alpha - true_alpha).mean()),
    )


def psnr_db(error: np.ndarray) -> float:
    """Of differences between pictures 0..1, any shape."""
    return float(-10 * np.log10(max(float(np.mean(np.square(error))), 1e-10)))


def mean_of(measured: Iterable[Measures]) -> Measures:
    """The mean of each measure; PSNR is averaged in decibels, as papers do."""
    rows = list(measured)
    if not rows:
        raise ValueError("Nothing was measured.")
    return Measures(*(float(np.mean([getattr(row, field.name) for row in rows])) for field in fields(Measures)))
