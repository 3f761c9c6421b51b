"""Taking shine off skin: the dichromatic model of Shafer, "Using color to separate reflection components", 1985."""

from __future__ import annotations

import numpy as np

from .unwrap import smoothstep


def remove_highlights(
    colour: np.ndarray,  # [N, 3] linear, from the photo
    expected: np.ndarray,  # [N, 3] body colour that the model expects: its hue is the skin's
    light: np.ndarray,  # [3] colour of the light
    specular: np.ndarray,  # [N, 3] smooth specular radiance that the model expects
) -> np.ndarray:
    """[N, 3] colour without shine.

    A pixel is body * a + light * b: the smooth b comes from the light model. Where the pixel is also brighter and paler
    than the skin there, the further b comes from the pixel itself (two unknowns, three channels).
    """
    body = np.maximum(colour - specular, 0.35 * colour)
    white = np.maximum(light, 1e-4) / max(float(light.mean()), 1e-4)
    ee = (expected * expected).sum(1)
    ww = float((white * white).sum())
    ew = expected @ white
    ce, cw = (body * expected).sum(1), body @ white
    determinant = np.maximum(ee * ww - ew * ew, 1e-8 * ee * ww + 1e-12)
    shine = (cw * ee - ce * ew) / determinant  # b
    brightness = body.mean(1)
    brighter = smoothstep(0.10, 0.60, np.log(np.maximum(brightness, 1e-4) / np.maximum(expected.mean(1), 1e-4)))
    # Hue varies from person to place: a tenth of the pixel is not yet shine.
    shine = np.clip(shine - 0.10 * brightness, 0, 0.85 * body.min(1) / white.max()) * brighter
    return np.maximum(body - shine[:, None] * white, 0.1 * body)
