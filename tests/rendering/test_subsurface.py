import numpy as np
import pytest
import torch
import trimesh

from neural_backend.rendering.subsurface import (
    DIFFUSION_PER_RADIUS,
    SurfaceDiffusion,
    base_colour_for,
    random_walk_reflectance,
)


@pytest.fixture(scope="module")
def ball():
    return trimesh.creation.icosphere(subdivisions=4, radius=0.1)


def test_sphere_harmonics_decay_by_theory(ball):
    """On a sphere of radius r a degree-1 function is divided by 1 + t * 2 / r^2."""
    radius_mm = (10.0, 5.0, 0.0)
    diffusion = SurfaceDiffusion(ball.vertices, ball.faces, radius_mm)
    z = torch.from_numpy(ball.vertices[:, 2:] / 0.1).float()
    result = diffusion(z)
    for channel, radius in enumerate(radius_mm):
        time = (radius * 1e-3 * DIFFUSION_PER_RADIUS) ** 2
        assert torch.allclose(result[..., channel], z / (1 + 2 * time / 0.01), atol=2e-3)


def test_energy_is_kept_and_never_negative(ball):
    diffusion = SurfaceDiffusion(ball.vertices, ball.faces, (8.0, 4.0, 2.0))
    spot = torch.zeros(len(ball.vertices), 1)
    spot[7] = 1
    result = diffusion(spot)
    area = np.zeros(len(ball.vertices))
    np.add.at(area, ball.faces.ravel(), np.repeat(ball.area_faces / 3, 3))
    area = torch.from_numpy(area).float()
    kept = (result[:, 0] * area[:, None]).sum(0) / area[7]
    assert torch.allclose(kept, torch.ones(3), atol=1e-3)
    assert result.min() >= -1e-6
    assert result[7, 0, 0] < result[7, 0, 1] < result[7, 0, 2] < 1  # red wanders furthest


def test_gradient(ball):
    small = trimesh.creation.icosphere(subdivisions=1, radius=0.01)
    diffusion = SurfaceDiffusion(small.vertices, small.faces, (4.0, 2.0, 0.0))
    generator = torch.Generator().manual_seed(0)
    shared = torch.rand(len(small.vertices), 2, dtype=torch.float64, generator=generator, requires_grad=True)
    assert torch.autograd.gradcheck(diffusion, shared)
    own = torch.rand(len(small.vertices), 1, 3, dtype=torch.float64, generator=generator, requires_grad=True)
    assert torch.autograd.gradcheck(diffusion, own)


def test_base_colour_and_reflectance():
    """What Cycles' random walk reflected of grey levels in a white furnace, face on, and the way back."""
    base = torch.tensor([0.1, 0.2, 0.3, 0.4, 0.6, 0.8])
    measured = torch.tensor([0.0786, 0.1626, 0.2521, 0.3455, 0.5454, 0.7680])
    assert torch.allclose(random_walk_reflectance(base, 1.0), measured, atol=4e-3)
    assert random_walk_reflectance(torch.tensor(0.36), 0.5) == pytest.approx(0.36 * 0.959, abs=0.01)
    levels = torch.linspace(0, 1, 21)
    assert torch.allclose(base_colour_for(random_walk_reflectance(levels, 0.7), 0.7), levels, atol=1e-3)


def test_negative_radius_is_refused(ball):
    with pytest.raises(ValueError, match="negative"):
        SurfaceDiffusion(ball.vertices, ball.faces, (-1.0, 1.0, 1.0))
