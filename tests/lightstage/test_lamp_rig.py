"""The light groups, rendered by Cycles: they add up, denoising helps each, environments stand where lamps do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from neural_backend.lightstage.captures import MATERIALS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def ball(tmp_path_factory):
    pytest.importorskip("bpy", reason="the light stage renders with Blender's module")
    target = tmp_path_factory.mktemp("ball") / "ball.npz"
    script = Path(__file__).with_name("shoot_a_ball.py")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, str(script), str(target)], capture_output=True, text=True, env=environment)
    assert target.is_file(), done.stdout[-2000:] + done.stderr[-2000:]
    with np.load(target) as data:
        return {name: data[name] for name in data.files}


def test_the_lamps_pictures_add_up_to_the_picture_under_all(ball):
    total, combined = ball["noisy"].sum(0), ball["combined"]
    assert np.abs(total - combined).max() < 1e-4 * combined.max()
    assert (ball["noisy"].mean((1, 2, 3)) > 0.002).all()


def test_denoising_brings_each_lamp_nearer_to_the_truth(ball):
    inside = ball["alpha"] > 0.99
    for noisy, denoised, clean in zip(ball["noisy"], ball["groups"], ball["clean"], strict=True):
        before, after = (np.sqrt(((each - clean)[inside] ** 2).mean()) for each in (noisy, denoised))
        assert after < 0.75 * before
        assert abs(denoised[inside].mean() / clean[inside].mean() - 1) < 0.1  # two samples are few


def test_a_lamp_shines_from_where_it_is_said_to(ball):
    """The first lamp stands to the right of the picture, since the subject's left is there."""
    first, second = ball["groups"].mean(-1)
    x, y = np.meshgrid(np.arange(40) - 19.5, np.arange(40) - 19.5)
    assert (first * x).sum() / first.sum() > 2 and (second * y).sum() / second.sum() < -2


def test_an_environment_lights_as_the_lamp_that_is_painted_in_it(ball):
    lamp, environment = ball["clean"][0], ball["surrounded"][0]
    inside = ball["alpha"] > 0.99
    assert np.corrcoef(lamp[inside].ravel(), environment[inside].ravel())[0, 1] > 0.99
    assert abs(environment[inside].mean() / lamp[inside].mean() - 1) < 0.12  # the lamp is near, the sky is far
    one, other = ball["light_of_lamp"][0], ball["light_of_environment"]
    assert np.corrcoef(one.ravel(), other[0].ravel())[0, 1] > 0.9 and abs(other.sum() / (3 * one.sum()) - 1) < 0.1


def test_coverage_and_materials(ball):
    assert ball["alpha"].min() == 0 and ball["alpha"].max() == pytest.approx(1, abs=1e-3)
    inside = ball["alpha"] > 0.99
    assert (ball["material"][inside] == MATERIALS.index("hair")).all() and (ball["material"][~inside] != 1).all()
    assert not ball["groups"][:, ball["alpha"] == 0].any()
