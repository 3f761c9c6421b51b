import math

import numpy as np
import pytest
import torch
from scipy.special import lpmv

from neural_backend.rendering.light import (
    EnvironmentLight,
    SphericalHarmonicLight,
    environment_directions,
    environment_to_sh,
    irradiance_factors,
    load_environment,
    rotate_sh,
    sample_environment,
    sh_basis,
    sh_degree,
    sh_to_environment,
    sphere_directions,
    window_sh,
)
from neural_backend.rendering.projection import rotation_matrix


def test_basis_against_scipy():
    """From scipy's Legendre functions, with the Condon-Shortley sign taken out."""
    directions = sphere_directions(500)
    values = sh_basis(directions, 4)
    x, y, z = directions.double().numpy().T
    azimuth = np.arctan2(y, x)
    k = 0
    for degree in range(5):
        for order in range(-degree, degree + 1):
            m = abs(order)
            size = math.sqrt((2 * degree + 1) / (4 * math.pi) * math.factorial(degree - m) / math.factorial(degree + m))
            wave = 1 if order == 0 else math.sqrt(2) * (np.cos(m * azimuth) if order > 0 else np.sin(m * azimuth))
            expected = size * (-1) ** m * lpmv(m, degree, z) * wave
            assert np.abs(values[:, k].numpy() - expected).max() < 1e-5, (degree, order)
            k += 1


def test_basis_is_orthonormal_on_the_lat_long_grid():
    directions, solid = environment_directions(64, 128)
    basis = sh_basis(directions, 4)
    gram = torch.einsum("hwa,hwb,hw->ab", basis, basis, solid)
    assert torch.allclose(gram, torch.eye(25), atol=2e-3)
    assert abs(solid.sum() - 4 * math.pi) < 1e-3


def test_there_and_back():
    light = torch.randn(16, 3, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(environment_to_sh(sh_to_environment(light, 128), 3), light, atol=5e-3)


def test_lat_long_convention():
    picture = torch.zeros(32, 64, 3)
    picture[0] = 1  # zenith
    assert environment_to_sh(picture, 1)[1, 0] > 0  # Y_1-1 is along +y
    picture = torch.zeros(32, 64, 3)
    picture[14:18, 30:34] = 1  # middle: what the face looks at
    coefficients = environment_to_sh(picture, 1)[:, 0]
    assert coefficients[2] > 10 * coefficients[[1, 3]].abs().max()  # Y_10 is along +z
    picture = torch.zeros(32, 64, 3)
    picture[14:18, 46:50] = 1  # three quarters to the right: the subject's right, -x
    assert environment_to_sh(picture, 1)[3, 0] < 0


def test_sampling_returns_the_texels():
    picture = torch.rand(16, 32, 3, generator=torch.Generator().manual_seed(0))
    directions, _ = environment_directions(16, 32)
    assert torch.allclose(sample_environment(picture, directions), picture, atol=1e-3)


@pytest.mark.parametrize("degree", [1, 2, 3, 4])
def test_irradiance_factors_against_quadrature(degree):
    normal = torch.tensor([0.36, 0.48, 0.8])
    directions = sphere_directions(40000)
    cosine = (directions @ normal).clamp_min(0)
    numeric = (sh_basis(directions, degree) * cosine[:, None]).sum(0) * 4 / 40000  # 4 pi / n, over pi
    assert torch.allclose(sh_basis(normal, degree) * irradiance_factors(degree), numeric, atol=1e-3)


def test_rotation():
    light = torch.randn(25, 3, generator=torch.Generator().manual_seed(1))
    rotation = rotation_matrix(torch.tensor([0.3, -0.8, 0.5]))
    directions = sphere_directions(200)
    turned = sh_basis(directions @ rotation.T, 4) @ rotate_sh(light, rotation)  # L'(R d)
    assert torch.allclose(turned, sh_basis(directions, 4) @ light, atol=1e-3)


def test_gradient_of_rotation():
    light = torch.randn(9, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    turn = torch.tensor([0.2, 0.1, -0.4], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda w: rotate_sh(light, rotation_matrix(w)), turn, atol=1e-4)


def test_window_keeps_the_mean_and_damps_the_rest():
    light = torch.ones(25, 3)
    damped = window_sh(light, 0.05)
    assert torch.allclose(damped[0], light[0])
    assert (damped[1:].diff(dim=0) <= 1e-6).all()


def test_light_classes_pad_and_cut():
    light = SphericalHarmonicLight(torch.ones(9, 3))
    assert light.sh(4).shape == (25, 3) and not light.sh(4)[9:].any()
    assert light.sh(1).shape == (4, 3)
    assert EnvironmentLight(torch.ones(8, 16, 3)).sh(2)[0, 0] == pytest.approx(math.sqrt(4 * math.pi), rel=1e-3)
    with pytest.raises(ValueError, match="coefficients"):
        sh_degree(10)
    with pytest.raises(ValueError, match="degree"):
        sh_basis(torch.ones(1, 3), 5)


def test_probe_files(tmp_path):
    cv2 = pytest.importorskip("cv2")
    picture = np.random.default_rng(0).uniform(0, 4, (16, 32, 3)).astype(np.float32)
    cv2.imwrite(str(tmp_path / "probe.hdr"), picture[..., ::-1])
    loaded = load_environment(tmp_path / "probe.hdr")
    assert loaded.shape == (16, 32, 3) and np.abs(loaded.numpy() - picture).max() < 0.05
    assert load_environment(tmp_path / "probe.hdr", 8).shape == (8, 16, 3)
    (tmp_path / "no.exr").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="no.exr"):
        load_environment(tmp_path / "no.exr")
    with pytest.raises(FileNotFoundError, match="exist"):
        load_environment(tmp_path / "missing.hdr")


def test_point_light():
    from neural_backend.rendering.shading import light_from_direction

    direction = torch.tensor([0.6, 0.0, 0.8])
    light = light_from_direction(direction, torch.tensor([math.pi, 0.0, 0.0]), 4)
    reflected = (sh_basis(direction, 4) * irradiance_factors(4)) @ light
    assert reflected[0] == pytest.approx(1.0, abs=0.1)  # a white surface facing it, up to the series
    assert not reflected[1:].any()
