"""A small VRMM on the real template."""

from __future__ import annotations

import pytest
import torch

from neural_backend.head.template import HeadTemplate
from neural_backend.models.vrmm.config import VRMMConfig
from neural_backend.models.vrmm.vrmm import VRMM

TINY = VRMMConfig(
    identity=6, expression=5, grid=16, voxels=4, channels=(12, 12, 8, 8), identity_channels=(8, 8, 8),
    light_channels=(6, 6, 6, 4), mesh_hidden=16, mesh_residual=3, encoder_channels=(8, 8, 8), encoder_size=32,
    adaptor_hidden=8,
)  # fmt: skip


@pytest.fixture(scope="session")
def template() -> HeadTemplate:
    return HeadTemplate.load()


@pytest.fixture(scope="session")
def tiny() -> VRMMConfig:
    return TINY


@pytest.fixture
def model(template) -> VRMM:
    """Moved off its start: a fresh model has many weights at zero, which would hide mistakes."""
    model = VRMM(TINY, template, ("anna", "ben"), seed=3)
    draw = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=draw)
    return model


@pytest.fixture
def inputs():
    """(z_id, z_e, eye, light) for two heads."""
    draw = torch.Generator().manual_seed(7)
    z_id, z_e = torch.randn(2, TINY.identity, generator=draw), torch.randn(2, TINY.expression, generator=draw)
    eye = torch.tensor([[0.0, 0.02, 1.0], [0.6, 0.1, 0.8]])
    return z_id, z_e, eye, torch.rand(2, 3, 16, 32, generator=draw)
