"""Procedural maps of eye, mouth and lashes."""

import numpy as np
import pytest

from neural_backend.head.anatomy_maps import make_maps
from neural_backend.head.eyes import LIMBUS_RADIUS, MAP_LIMBUS, PUPIL_RADIUS


@pytest.fixture(scope="module")
def maps():
    return make_maps(np.array([0.07, 0.11, 0.15]), 3, 512)


def distance_from_middle(size):
    at = (np.arange(size) + 0.5) / size - 0.5
    return np.hypot(at[None], at[:, None])


def test_names_sizes_and_range(maps):
    shapes = {name: value.shape for name, value in maps.items()}
    assert shapes == {
        "eye_diffuse": (256, 256, 3),
        "eye_roughness": (256, 256),
        "mouth_diffuse": (256, 256, 3),
        "mouth_roughness": (256, 256),
        "mouth_normal": (256, 256, 3),
        "lashes_diffuse": (128, 128, 4),
    }
    for name, value in maps.items():
        assert value.dtype == np.float32, name
        assert np.isfinite(value).all() and value.min() >= 0 and value.max() <= 1, name


@pytest.mark.parametrize("colour", [(0.07, 0.11, 0.15), (0.06, 0.03, 0.015), (0.11, 0.12, 0.05)])
def test_iris_has_the_colour_asked_for(colour):
    picture = make_maps(np.array(colour), 0, {"eye": 512, "mouth": 64, "lashes": 64})["eye_diffuse"]
    radius = distance_from_middle(512) / MAP_LIMBUS
    iris = (radius > PUPIL_RADIUS / LIMBUS_RADIUS * 1.15) & (radius < 0.93)
    np.testing.assert_allclose(picture[iris].mean(0), colour, rtol=0.12)


def test_pupil_is_black_and_sclera_is_off_white(maps):
    radius = distance_from_middle(256) / MAP_LIMBUS
    assert maps["eye_diffuse"][radius < 0.25].max() < 0.01
    sclera = maps["eye_diffuse"][(radius > 1.25) & (radius < 1.5)].mean(0)
    assert 0.4 < sclera.min() and sclera.max() < 0.75
    assert sclera[0] > sclera[2]


def test_normals_are_unit_and_point_out(maps):
    normal = maps["mouth_normal"] * 2 - 1
    np.testing.assert_allclose(np.linalg.norm(normal, axis=-1), 1, atol=1e-3)
    assert normal[..., 2].min() > 0.2


def test_same_seed_same_maps_other_seed_others(maps):
    again = make_maps(np.array([0.07, 0.11, 0.15]), 3, 512)
    other = make_maps(np.array([0.07, 0.11, 0.15]), 4, 512)
    for name, value in maps.items():
        np.testing.assert_array_equal(value, again[name])
    assert np.abs(maps["eye_diffuse"] - other["eye_diffuse"]).max() > 0.02


@pytest.mark.parametrize("colour", [(0.1, 0.2), (0.1, np.nan, 0.2), (0.1, 0.2, 1.5)])
def test_impossible_iris_colour_is_refused(colour):
    with pytest.raises(ValueError, match="iris colour"):
        make_maps(np.array(colour))


def test_too_small_a_map_is_refused():
    with pytest.raises(ValueError, match="64 pixels"):
        make_maps(np.array([0.1, 0.1, 0.1]), 0, 32)
