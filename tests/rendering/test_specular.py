"""The split specular against brute-force integration of the whole GGX reflection."""

import math

import numpy as np
import pytest
import torch

from neural_backend.rendering.light import (
    environment_directions,
    environment_to_sh,
    sample_environment,
    sh_basis,
    sphere_directions,
)
from neural_backend.rendering.specular import (
    ENVIRONMENT_ROUGHNESS,
    PrefilteredEnvironment,
    lobe_factors,
    lobe_roughness,
    prefiltered_sh,
    reflect,
    specular_albedo,
    specular_occlusion,
)


def brute_force(environment, normal, view, roughness, f0, samples=200_000):
    """Reflected radiance [3] by sampling GGX half vectors: nothing split, nothing tabulated."""
    rng = np.random.default_rng(5)
    u, v = rng.uniform(size=(2, samples))
    alpha2 = roughness**4
    cosine = np.sqrt((1 - v) / (1 + (alpha2 - 1) * v))
    sine = np.sqrt(1 - cosine**2)
    helper = np.array([1.0, 0, 0]) if abs(normal[0]) < 0.9 else np.array([0, 1.0, 0])
    tangent = np.cross(helper, normal)
    tangent /= np.linalg.norm(tangent)
    frame = np.stack([tangent, np.cross(normal, tangent), normal])
    half = np.stack([sine * np.cos(2 * np.pi * u), sine * np.sin(2 * np.pi * u), cosine], -1) @ frame
    dot = half @ view
    light = 2 * dot[:, None] * half - view
    n_l, n_v = light @ normal, view @ normal
    kept = (n_l > 0) & (dot > 0)
    light, n_l, dot, n_h = light[kept], n_l[kept], dot[kept], cosine[kept]

    def smith(x):
        return np.sqrt(1 + alpha2 * (1 - x**2) / x**2)

    masking = 2 / (smith(n_l) + smith(n_v))
    fresnel = f0 + (1 - f0) * (1 - dot) ** 5
    radiance = sample_environment(environment, torch.from_numpy(light).float()).numpy()
    return (radiance * (fresnel * masking * dot / (n_h * n_v))[:, None]).sum(0) / samples


@pytest.fixture(scope="module")
def environment():
    """A bright window, a dim coloured room."""
    directions, _ = environment_directions(64, 128)
    window = (directions @ torch.tensor([0.6, 0.5, 0.62]) > 0.9).float()
    room = 0.3 + 0.2 * directions
    return room + window[..., None] * torch.tensor([6.0, 5.0, 4.0])


@pytest.mark.parametrize("roughness", [0.3, 0.5, 0.7])
# A grazing lobe is longer than it is wide; the split makes it round. This is what that costs next to a bright window.
@pytest.mark.parametrize(("cosine", "tolerance"), [(0.95, 0.18), (0.8, 0.19), (0.6, 0.13)])
def test_specular_against_brute_force(environment, roughness, cosine, tolerance):
    normal = np.array([0.2, 0.1, 0.97])
    normal /= np.linalg.norm(normal)
    side = np.cross([0, 1.0, 0], normal)
    side /= np.linalg.norm(side)
    view = cosine * normal + math.sqrt(1 - cosine**2) * -side
    expected = brute_force(environment, normal, view, roughness, 0.04)
    n, v = torch.from_numpy(normal).float()[None], torch.from_numpy(view).float()[None]
    rough = torch.tensor([roughness])
    share = specular_albedo(torch.tensor([[0.04]]), rough, (n * v).sum(-1))
    light = PrefilteredEnvironment.build(environment).sample(reflect(v, n), lobe_roughness(rough, (n * v).sum(-1)))
    result = (share * light)[0].numpy()
    assert np.abs(result - expected).max() < tolerance * expected.max(), (result, expected)


def test_albedo_under_uniform_light():
    white = torch.ones(16, 32, 3)
    for roughness, cosine in [(0.2, 0.9), (0.5, 0.5), (0.8, 0.3)]:
        view = np.array([math.sqrt(1 - cosine**2), 0, cosine])
        expected = brute_force(white, np.array([0, 0, 1.0]), view, roughness, 0.028)[0]
        own = specular_albedo(torch.tensor([[0.028]]), torch.tensor([roughness]), torch.tensor([cosine]))
        assert float(own) == pytest.approx(expected, rel=0.05)


def test_lobe_factors_are_those_of_the_prefiltered_picture(environment):
    """Two routes to one convolution: coefficients times factors, and the prefiltered picture's coefficients."""
    levels = PrefilteredEnvironment.build(environment).levels
    light = environment_to_sh(environment, 4)
    for roughness, level in zip(ENVIRONMENT_ROUGHNESS, levels, strict=True):
        expected = light * lobe_factors(torch.tensor([roughness]), 4)[0][:, None]
        assert torch.allclose(environment_to_sh(level, 4), expected, atol=0.02 * float(light.abs().max()))


def test_sharper_lobes_leave_more():
    factors = lobe_factors(torch.tensor([0.2, 0.5, 0.9]), 4)
    assert torch.allclose(factors[:, 0], torch.ones(3), atol=1e-4)
    assert (factors[:-1, -1] > factors[1:, -1]).all()
    rough = torch.tensor([0.41, 0.62], dtype=torch.float64, requires_grad=True)
    light = torch.randn(25, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    directions = sphere_directions(2).double()
    assert torch.autograd.gradcheck(lambda r: prefiltered_sh(light, directions, r), rough, atol=1e-4)


def test_occlusion_of_a_half_space():
    """Only +z is open: the mirror lobe towards +z is open, towards -z closed, level with the horizon half."""
    directions = sphere_directions(20000)
    visibility = (sh_basis(directions, 4) * (directions[:, 2:] > 0)).sum(0) * 4 * math.pi / 20000
    mirror = torch.tensor([[0.0, 0, 1], [1, 0, 0], [0, 0, -1]])
    openness = specular_occlusion(visibility.expand(3, -1), mirror, torch.full((3,), 0.4))
    assert openness[0] > 0.9 and openness[2] < 0.1 and openness[1] == pytest.approx(0.5, abs=0.05)
