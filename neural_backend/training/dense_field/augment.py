"""What a camera, a file and the world may do to a picture of a face without moving it; and the mirror."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor


def mirrored(picture: Tensor, model: Tensor, truth: Tensor, which: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Flip the chosen rows ([B] bool) left to right: x of normals, template points and flow changes its sign."""

    def flip(values: Tensor, signed: tuple[int, ...]) -> Tensor:
        other = values.flip(-1).clone()
        other[:, list(signed)] *= -1
        return torch.where(which[:, None, None, None], other, values)

    return flip(picture, ()), flip(model, (0, 3)), flip(truth, (0, 2))


def photographed(picture: Tensor, generator: torch.Generator) -> Tensor:
    """[B, 3, S, S] 0..1 -> the same faces through other cameras: exposure, colour, uneven light, blur, noise, cover."""
    batch, side = len(picture), picture.shape[-1]

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand((batch, *shape), generator=generator) * (high - low) + low

    def some(chance: float) -> Tensor:
        return (torch.rand((batch, 1, 1, 1), generator=generator) < chance).float()

    out = picture.clamp_min(1e-3) ** torch.exp(uniform(-0.4, 0.4, 1, 1, 1))
    out = out * torch.exp(uniform(-0.35, 0.35, 1, 1, 1)) * torch.exp(uniform(-0.12, 0.12, 3, 1, 1))
    grey = out.mean(1, keepdim=True)
    out = grey + (out - grey) * torch.where(some(0.12) > 0, torch.zeros(1), uniform(0.5, 1.4, 1, 1, 1))
    # Light that no lamp of the stage made: a soft field of gains, half a face brighter than the other.
    field = F.interpolate(torch.randn((batch, 1, 4, 4), generator=generator), size=side, mode="bicubic")
    out = out * torch.exp(0.22 * some(0.5) * field)
    out = _covered(out, some(0.25), generator)
    small = F.interpolate(out, scale_factor=0.5, mode="bilinear", antialias=True)
    soft = F.interpolate(small, size=side, mode="bilinear")
    out = torch.lerp(out, soft, some(0.4) * uniform(0, 1, 1, 1, 1))
    noise = torch.randn(out.shape, generator=generator) * uniform(0, 0.04, 1, 1, 1) * some(0.6)
    return (out + noise).clamp(0, 1)


def _covered(picture: Tensor, which: Tensor, generator: torch.Generator) -> Tensor:
    """A rectangle of one colour over part of the chosen pictures: hands, hats, hair and microphones are in the way."""
    batch, side = len(picture), picture.shape[-1]
    low = torch.rand((batch, 2, 1), generator=generator) * 0.8
    high = low + 0.08 + 0.3 * torch.rand((batch, 2, 1), generator=generator)
    line = ((torch.arange(side) + 0.5) / side)[None]
    inside = [((line > low[:, k]) & (line < high[:, k])).float() for k in range(2)]
    cover = (inside[0][:, :, None] * inside[1][:, None, :])[:, None] * which
    colour = torch.rand((batch, 3, 1, 1), generator=generator)
    return picture * (1 - cover) + colour * cover
