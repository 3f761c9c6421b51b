"""What a camera, a file and the world may do to a picture of a face without moving it."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor


def photographed(picture: Tensor, generator: torch.Generator) -> Tensor:
    """[B, 3, S, S] 0..1 -> the same faces through other cameras: exposure, colour, blur, noise, things in the way."""
    batch, side, device = len(picture), picture.shape[-1], picture.device

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand((batch, *shape), generator=generator, device=device) * (high - low) + low

    def some(chance: float) -> Tensor:
        return (uniform(0, 1, 1, 1, 1) < chance).float()

    out = picture.clamp_min(1e-3) ** torch.exp(uniform(-0.4, 0.4, 1, 1, 1))
    out = out * torch.exp(uniform(-0.35, 0.35, 1, 1, 1)) * torch.exp(uniform(-0.12, 0.12, 3, 1, 1))
    grey = out.mean(1, keepdim=True)
    out = grey + (out - grey) * torch.where(some(0.12) > 0, 0.0, uniform(0.5, 1.4, 1, 1, 1))
    out = _covered(out, some(0.2), uniform)
    for size, chance in ((0.5, 0.4), (0.25, 0.12)):
        small = F.interpolate(out, scale_factor=size, mode="bilinear", antialias=True)
        soft = F.interpolate(small, size=side, mode="bilinear")
        out = torch.lerp(out, soft, some(chance) * uniform(0, 1, 1, 1, 1))
    noise = torch.randn(out.shape, generator=generator, device=device)
    return (out + noise * uniform(0, 0.05, 1, 1, 1) * some(0.6)).clamp(0, 1)


def _covered(picture: Tensor, which: Tensor, uniform) -> Tensor:
    """A rectangle of one colour over part of the chosen pictures: hands, hats, hair and microphones are in the way."""
    side = picture.shape[-1]
    low = uniform(0, 0.8, 2, 1)
    high = low + uniform(0.06, 0.35, 2, 1)
    line = ((torch.arange(side, device=picture.device) + 0.5) / side)[None]
    inside = [((line > low[:, k]) & (line < high[:, k])).float() for k in range(2)]
    cover = (inside[0][:, :, None] * inside[1][:, None, :])[:, None] * which
    return picture * (1 - cover) + uniform(0, 1, 3, 1, 1) * cover
