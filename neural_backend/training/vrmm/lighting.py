"""Random lights as combinations of a capture's light groups: pictures under them are exact sums of the groups."""

from __future__ import annotations

import numpy as np

#: How often each kind is drawn.
KINDS = {"few": 0.35, "all": 0.25, "environment": 0.25, "even": 0.15}
#: Mean brightness of the head under a drawn light, linear; log-uniform between.
BRIGHTNESS = (0.05, 0.3)
#: The sum of all weights is at most this times the number of groups: a lamp behind the head is not made a sun.
FLUX = 1.5


def draw_colour(rng: np.random.Generator) -> np.ndarray:
    """[3] a light's colour of mean 1: mostly lamps between warm and cool, at times saturated."""
    if rng.random() < 0.3:
        colour = rng.random(3) ** 1.5 + 0.05
    else:
        warm = rng.normal(0, 0.35)
        colour = np.exp([warm, rng.normal(0, 0.06), -warm])
    return colour / colour.mean()


def draw_light_weights(
    directions: np.ndarray,  # [G, 3] unit
    brightness: np.ndarray,  # [G] mean of the head under each group at weight 1
    rng: np.random.Generator,
) -> np.ndarray:
    """[G, 3] float32 non-negative weights per colour channel."""
    count = len(directions)
    kind = rng.choice(list(KINDS), p=list(KINDS.values()))
    weights = np.zeros((count, 3))
    if kind == "few":
        for group in rng.choice(count, min(count, rng.integers(1, 5)), replace=False):
            weights[group] = draw_colour(rng) * rng.uniform(0.3, 1.0)
    elif kind == "all":
        weights = np.stack([draw_colour(rng) for _ in range(count)]) * rng.exponential(1.0, (count, 1))
    elif kind == "environment":  # a few wide lobes of colour over an ambient part, one brighter than the others
        weights += draw_colour(rng) * rng.uniform(0.02, 0.3)
        for lobe in range(rng.integers(2, 5)):
            centre = rng.normal(size=3)
            facing = np.clip(directions @ (centre / np.linalg.norm(centre)), 0, 1) ** rng.uniform(1, 8)
            weights += facing[:, None] * draw_colour(rng) * (rng.uniform(1, 3) if lobe == 0 else rng.uniform(0.1, 1))
    else:
        weights += draw_colour(rng) if rng.random() < 0.5 else 1.0
    wanted = np.exp(rng.uniform(*np.log(BRIGHTNESS)))
    shares = weights.mean(1)
    gain = min(wanted / max((shares * brightness).sum(), 1e-6), FLUX * count / shares.sum())
    return (weights * gain).astype(np.float32)
