"""E_e and E_T: pictures to the expression code's distribution and to the head's rigid motion (equations 6 and 7)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ...rendering.projection import rotation_matrix
from .blocks import SLOPE
from .config import VRMMConfig

#: What the pose head's outputs stand for per unit.
ROTATION_RAD, TRANSLATION_M = 0.1, 0.01
#: log variance of z_e lies between these.
LOG_VARIANCE = (-8.0, 4.0)


class PictureEncoder(nn.Module):
    """Strided convolutions over the encoder's views, stacked, to a vector."""

    def __init__(self, views: int, size: int, channels: tuple[int, ...], outputs: int):
        super().__init__()
        self.size, self.views = size, views
        inputs = 4 * views  # colour and alpha
        layers = []
        for count in channels:
            layers += [nn.Conv2d(inputs, count, 4, 2, 1), nn.GroupNorm(8, count), nn.LeakyReLU(SLOPE)]
            inputs = count
        self.convolutions = nn.Sequential(*layers)
        side = size >> len(channels)
        self.head = nn.Linear(inputs * side * side, outputs)
        nn.init.normal_(self.head.weight, std=0.3 / (inputs * side * side) ** 0.5)
        nn.init.zeros_(self.head.bias)

    def forward(self, views: Tensor) -> Tensor:
        """[B, N, 4, h, w] display-coded colour and alpha -> [B, outputs]."""
        assert views.shape[1:] == (self.views, 4, self.size, self.size), views.shape
        return self.head(self.convolutions(views.flatten(1, 2) - 0.3).flatten(1))


class ExpressionEncoder(nn.Module):
    """E_e (equation 6)."""

    def __init__(self, config: VRMMConfig):
        super().__init__()
        self.encoder = PictureEncoder(
            config.encoder_views, config.encoder_size, config.encoder_channels, 2 * config.expression
        )

    def forward(self, views: Tensor) -> tuple[Tensor, Tensor]:
        """[B, N, 4, h, w] -> mean [B, E], log variance [B, E]."""
        mean, log_variance = self.encoder(views).float().chunk(2, 1)
        return mean, (log_variance - 3).clamp(*LOG_VARIANCE)


class TransformationEncoder(nn.Module):
    """E_T (equation 7)."""

    def __init__(self, config: VRMMConfig):
        super().__init__()
        self.encoder = PictureEncoder(config.encoder_views, config.encoder_size, config.encoder_channels, 6)

    def forward(self, views: Tensor) -> Tensor:
        """[B, N, 4, h, w] -> [B, 4, 4] world_from_head, metres; the identity at first."""
        rotation, translation = self.encoder(views).float().chunk(2, 1)
        pose = torch.eye(4, device=rotation.device).repeat(len(rotation), 1, 1)
        pose[:, :3, :3] = rotation_matrix(rotation * ROTATION_RAD)
        pose[:, :3, 3] = translation * TRANSLATION_M
        return pose


def sample_expression(mean: Tensor, log_variance: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
    """z_e from its Gaussian, by reparametrisation; noise from a seeded generator per row (on the CPU)."""
    noise = torch.stack([torch.randn(mean.shape[1:], generator=generator) for generator in generators]).to(mean)
    return mean + torch.exp(0.5 * log_variance) * noise


def display_code(linear: Tensor) -> Tensor:
    """Linear light as the eye weighs it, about a square root; its slope is bounded, below zero it goes on straight.

    What the encoders see and what pictures are compared in: differences in shadows count as in lights.
    """
    lift = 0.01
    return torch.where(linear > 0, (linear.clamp_min(0) + lift).sqrt() - lift**0.5, linear * (0.5 / lift**0.5))


def encoder_input(rgb: Tensor, alpha: Tensor) -> Tensor:
    """[B, N, 3, s, s] linear premultiplied and [B, N, s, s] -> [B, N, 4, s, s] for the encoders."""
    return torch.cat([display_code(rgb), alpha[:, :, None]], 2)
