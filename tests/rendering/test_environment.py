"""Light probes on the small grid: nothing of the light is lost, and it turns the way it says."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch

from neural_backend.protocol.errors import MienError
from neural_backend.rendering.environment import (
    ENVIRONMENT_NAMES,
    average_environment,
    named_environment,
    open_environment,
)
from neural_backend.rendering.light import environment_directions, sample_environment


def power(picture: torch.Tensor) -> torch.Tensor:
    """[3] radiance integrated over the sphere."""
    _, solid = environment_directions(*picture.shape[:2])
    return (picture.double() * solid.double()[..., None]).sum((0, 1))


def noise(height: int, width: int) -> torch.Tensor:
    return torch.rand((height, width, 3), generator=torch.Generator().manual_seed(height)) ** 8


@pytest.mark.parametrize("shape", [(64, 128), (50, 99), (16, 32), (5, 7)])
@pytest.mark.parametrize("turn", [0.0, 0.3, -2.0, 7.0])
def test_averaging_keeps_the_light(shape, turn):
    small = average_environment(noise(*shape), 16, 32, turn)
    assert torch.allclose(power(small), power(noise(*shape)), rtol=1e-5)


def test_one_bright_texel_is_not_missed():
    for column in range(0, 512, 37):
        sun = torch.zeros(256, 512, 3)
        sun[40, column] = 1000.0
        assert torch.allclose(power(average_environment(sun, 16, 32)), power(sun), rtol=1e-5)


def test_same_size_without_turn_is_the_same():
    assert torch.allclose(average_environment(noise(16, 32), 16, 32), noise(16, 32), atol=1e-6)


def test_whole_columns_of_turn_roll():
    rolled = average_environment(noise(16, 32), 16, 32, 2 * math.pi * 3 / 32)
    assert torch.allclose(rolled, noise(16, 32).roll(-3, 1), atol=1e-6)


def test_turn_goes_from_the_front_to_the_subjects_left():
    front = torch.zeros(64, 128, 3)
    front[30:34, 62:66] = 1.0
    turned = average_environment(front, 64, 128, math.pi / 2)
    left, ahead = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 0.0, 1.0])
    assert float(sample_environment(turned, left).min()) > 0.9 and float(sample_environment(turned, ahead).max()) == 0


@pytest.mark.parametrize("name", ENVIRONMENT_NAMES)
def test_named_lights_light(name):
    picture = named_environment(name)
    assert float(picture.min()) >= 0 and bool((power(picture) > 0.5).all())


@pytest.mark.parametrize("suffix", [".hdr", ".exr"])
def test_files_are_read(tmp_path, suffix):
    picture = noise(8, 16).numpy() + 0.1
    path = tmp_path / f"light{suffix}"
    if not cv2.imwrite(str(path), np.ascontiguousarray(picture[..., ::-1])):
        pytest.skip(f"this OpenCV writes no {suffix}")
    assert np.allclose(open_environment(str(path)).numpy(), picture, rtol=0.02, atol=0.01)


def test_unknown_light_names_the_known_ones():
    with pytest.raises(MienError, match="studio, overcast"):
        open_environment("candle")
