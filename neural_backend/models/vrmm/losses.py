"""The terms of equations 9 to 13. Weights are the recipe's (training/vrmm/recipe.py)."""

from __future__ import annotations

import torch
from torch import Tensor


def image_l1(rendered: Tensor, observed: Tensor, weight: Tensor | None = None) -> Tensor:
    """L_1 of L_img (below equation 9): [B, C, H, W] both, in the space they are given in."""
    difference = (rendered - observed).abs()
    return difference.mean() if weight is None else (difference * weight).mean()


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """L_KLD of equation 10: of N(mean, variance) from N(0, 1), per number of the code. [B, E] both."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()


def volume_minimisation(scales: Tensor, reference_m: float) -> Tensor:
    """L_vol of equation 10: MVP's prior, the sum of the primitives' volumes, here in units of `reference_m` cubed.

    [B, P, 3] half sides, metres.
    """
    return (2 * scales / reference_m).prod(-1).sum(-1).mean()


def shortest_sides(scales: Tensor, count: int, reference_m: float) -> Tensor:
    """L_scale, equation 11: sum of log(1 / s) over the `count` shortest sides, per side. [B, P, 3] half sides."""
    inverse = -torch.log(scales.flatten(1) / reference_m)
    return inverse.topk(min(count, inverse.shape[1]), dim=1).values.mean()


def identity_norm(z_id: Tensor) -> Tensor:
    """|z_id|^2 of equation 10, per number of the code. [B, I]."""
    return z_id.square().mean()


def code_consistency(again: Tensor, z_e: Tensor) -> Tensor:
    """|z_e encoded again - z_e|^2 of equation 13, per number of the code. [B, E] both."""
    return (again - z_e).square().mean()


def vertex_distance(vertices: Tensor, known: Tensor) -> Tensor:
    """Mean absolute error per coordinate in centimetres: ours, where a capture has known geometry. [B, N0, 3]."""
    return (vertices - known).abs().mean() * 100
