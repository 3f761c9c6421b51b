"""Inversion by rendering: the codes of a subject that the model has not seen, all weights kept (equation 14).

On the light stage camera, pose and light are known, so that only the identity, as a blend of the training subjects'
codes, and one expression per moment are looked for. Photos, where nothing is known, are part two's subject.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

STEPS = 120
BATCH = 4  # pictures a step
BLEND_RATE, EXPRESSION_RATE = 2e-2, 5e-2
EXPRESSION_WEIGHT = 1e-3  # lambda_exp of equation 14
ALPHA_WEIGHT = 0.3

#: (identity [B, I], expression [B, E], picture indices) -> (rgb [B, H, W, 3], alpha [B, H, W])
Render = Callable[[Tensor, Tensor, list[int]], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Observation:
    """One picture of the subject."""

    moment: int  # pictures of one moment share their expression
    rgb: Tensor  # [H, W, 3] linear, premultiplied, exposed
    alpha: Tensor  # [H, W]


@dataclass(frozen=True)
class Inverted:
    """What was found."""

    blend: Tensor  # [N] weights of the training subjects' codes
    identity: Tensor  # [I]
    expressions: Tensor  # [M, E]
    losses: tuple[float, ...]  # per step


def invert(
    render: Render,
    codes: Tensor,
    expressions: Tensor,
    observed: Sequence[Observation],
    steps: int = STEPS,
    seed: int = 0,
) -> Inverted:
    """Fit a blend of codes and the expressions to pictures.

    Args:
        render: draws pictures of the frozen model, differentiable in both codes.
        codes: [N, I] of the training subjects.
        expressions: [M, E] to begin with, such as the encoder's.
        observed: at least one picture; `moment` indexes `expressions`.

    Raises:
        ValueError: there is nothing to fit to.
    """
    if not observed:
        raise ValueError("No picture to invert.")
    assert codes.ndim == 2 and expressions.ndim == 2, "codes [N, I], expressions [M, E]"
    generator = np.random.default_rng(seed)
    codes = codes.detach()
    blend = torch.full((len(codes),), 1 / len(codes), device=codes.device, requires_grad=True)
    expressions = expressions.detach().clone().requires_grad_()
    optimiser = torch.optim.Adam(
        [{"params": [blend], "lr": BLEND_RATE}, {"params": [expressions], "lr": EXPRESSION_RATE}]
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps, 0.05 * BLEND_RATE)
    losses = []
    order: list[int] = []
    for _ in range(steps):
        while len(order) < min(BATCH, len(observed)):
            order += generator.permutation(len(observed)).tolist()
        chosen, order = order[:BATCH], order[BATCH:]
        moments = [observed[index].moment for index in chosen]
        z_e = expressions[moments]
        rgb, alpha = render((blend @ codes).expand(len(chosen), -1), z_e, chosen)
        true_rgb = torch.stack([observed[index].rgb for index in chosen])
        true_alpha = torch.stack([observed[index].alpha for index in chosen])
        image = (rgb - true_rgb).abs().mean() + ALPHA_WEIGHT * (alpha - true_alpha).abs().mean()
        loss = image + EXPRESSION_WEIGHT * z_e.square().sum(-1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        losses.append(float(loss.detach()))
    blend, expressions = blend.detach(), expressions.detach()
    return Inverted(blend, blend @ codes, expressions, tuple(losses))
