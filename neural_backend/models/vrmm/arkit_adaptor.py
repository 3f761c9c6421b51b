"""ARKit weights and gaze to the expression code, so that the sliders that move the mesh move the volume."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...protocol.arkit import ARKIT_NAMES
from .blocks import SLOPE

#: Gaze angles come in radians, weights in 0..1: this brings gaze to a like spread.
GAZE_GAIN = 3.0


class ArkitAdaptor(nn.Module):
    """A multilayer perceptron, taught with the encoder's own codes of captures whose weights are known."""

    def __init__(self, expression: int, hidden: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(len(ARKIT_NAMES) + 2, hidden),
            nn.LeakyReLU(SLOPE),
            nn.Linear(hidden, hidden),
            nn.LeakyReLU(SLOPE),
            nn.Linear(hidden, expression),
        )

    def forward(self, weights: Tensor, gaze_rad: Tensor) -> Tensor:
        """[B, 52] weights in ARKit's order, [B, 2] yaw and pitch -> [B, E]."""
        assert weights.shape[1] == len(ARKIT_NAMES) and gaze_rad.shape[1] == 2, (weights.shape, gaze_rad.shape)
        return self.layers(torch.cat([weights, gaze_rad * GAZE_GAIN], 1))
