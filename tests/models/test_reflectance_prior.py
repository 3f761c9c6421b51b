"""The shipped reflectance prior against what skin can be, and its conditional Gaussian against other algebra."""

import numpy as np
import pytest

from neural_backend.head.template import HeadTemplate
from neural_backend.models.reflectance_prior import ReflectancePrior


@pytest.fixture(scope="module")
def prior() -> ReflectancePrior:
    return ReflectancePrior.load()


def test_belongs_to_the_template(prior):
    template = HeadTemplate.load()
    skin = template.part_vertices("skin", "mouth_bag", "eye_socket_left", "eye_socket_right", "nostril")
    assert prior.vertex_count == skin.max() + 1 == len(skin)
    assert prior.feature_map(template).shape == prior.structure_map(template).shape
    assert all(len(mask) == prior.vertex_count for mask in prior.regions.values())


def test_mean_is_skin(prior):
    red, green, blue = np.exp(prior.tone(np.zeros(1)))
    assert 0.15 < red < 0.6 and red > green > blue


def test_mean_is_mirror_symmetric(prior):
    mirror = HeadTemplate.load().mirror[: prior.vertex_count]
    difference = np.abs(prior.vertex_log_albedo_mean - prior.vertex_log_albedo_mean[mirror])
    assert difference.max() < 0.10 and np.quantile(difference, 0.99) < 0.02


def test_lips_are_redder_than_cheeks(prior):
    red_over_green = prior.vertex_log_albedo_mean[:, 0] - prior.vertex_log_albedo_mean[:, 1]
    lips, cheeks = prior.regions["lips"] > 0.9, prior.regions["cheeks"] > 0.9
    assert red_over_green[lips].mean() > red_over_green[cheeks].mean() + 0.1


def test_condition_recovers_a_drawn_person(prior):
    wanted = np.random.default_rng(0).normal(size=len(prior.vertex_log_albedo_modes)).astype(np.float32)
    found = prior.condition(prior.log_albedo(wanted), np.full(prior.vertex_count, 1e4))
    assert np.abs(found - wanted).max() < 0.1


def test_condition_is_the_posterior_mean(prior):
    """Against the other form of the same Gaussian: mean + C_xs (C_ss + noise)^-1 (observed - mean), on few vertices."""
    generator = np.random.default_rng(1)
    ids = generator.choice(prior.vertex_count, 60, replace=False)
    observed = prior.vertex_log_albedo_mean + generator.normal(0, 0.2, prior.vertex_log_albedo_mean.shape)
    precision = np.zeros(prior.vertex_count, np.float32)
    precision[ids] = 1 / 0.1**2
    modes = prior.vertex_log_albedo_modes[:, ids].reshape(len(prior.vertex_log_albedo_modes), -1).astype(float)
    noise = 0.1**2 + prior.residual_sd[ids].reshape(-1).astype(float) ** 2
    difference = (observed - prior.vertex_log_albedo_mean)[ids].reshape(-1)
    expected = modes @ np.linalg.solve(modes.T @ modes + np.diag(noise), difference)
    np.testing.assert_allclose(prior.condition(observed.astype(np.float32), precision), expected, atol=2e-3)


def test_unseen_side_follows_the_seen_side(prior):
    """A dark person seen on the left half is completed dark on the right half."""
    template = HeadTemplate.load()
    left = template.vertices[: prior.vertex_count, 0] > 0.005
    face = np.maximum(prior.regions["cheeks"], prior.regions["forehead"]) > 0.5
    coefficients = prior.condition(prior.vertex_log_albedo_mean - 0.8, left.astype(np.float32) * 25)
    change = prior.log_albedo(coefficients) - prior.vertex_log_albedo_mean
    assert np.abs(change[face & ~left].mean() + 0.8) < 0.1


def test_missing_file_says_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match="reinstall Mien"):
        ReflectancePrior.load(tmp_path / "reflectance.safetensors")


def test_maps_of_another_uv_are_refused(prior):
    import dataclasses

    template = HeadTemplate.load()
    with pytest.raises(ValueError, match="rebuild"):
        dataclasses.replace(prior, uv_digest="other").feature_map(template)
