"""Batches: exact combinations of light groups, drawn by place alone."""

from __future__ import annotations

import numpy as np
import torch

from neural_backend.lightstage.captures import CaptureSet
from neural_backend.training.vrmm.dataset import Captures, CodedView, collate
from neural_backend.training.vrmm.lighting import BRIGHTNESS, FLUX, draw_light_weights
from neural_backend.training.vrmm.render import light_in_head


def captures(folder, crop=0, cache_mb=50, seed=0) -> Captures:
    return Captures(folder, 32, 1, crop, cache_mb, seed)


def same(one, two) -> bool:
    return all(
        torch.equal(a, b) for a, b in zip(vars(one).values(), vars(two).values(), strict=True) if torch.is_tensor(a)
    )


def test_the_picture_is_the_sum_of_its_groups(little_stage):
    capture = CaptureSet.open(little_stage).read("ben_001")
    weights = np.random.default_rng(0).random((4, 3)).astype(np.float32)
    lit = CodedView.of(capture, 1).lit(weights)
    assert lit.max() > 0.05
    assert np.abs(lit - capture.under(1, weights)).max() < 1e-5


def test_batches_follow_from_seed_step_and_place_alone(little_stage):
    whole = captures(little_stage).batch(7, range(4))
    parts = collate(
        [captures(little_stage).batch(7, range(2)), captures(little_stage, cache_mb=0).batch(7, range(2, 4))]
    )
    assert whole.subjects == parts.subjects and same(whole, parts)
    assert not same(whole, captures(little_stage).batch(8, range(4)))
    assert not same(whole, captures(little_stage, seed=1).batch(7, range(4)))


def test_a_crop_is_a_piece_of_the_picture_seen_by_its_own_camera(little_stage):
    whole = captures(little_stage).sample(np.random.default_rng(3), "anna_000", 0)
    piece = captures(little_stage, crop=12).sample(np.random.default_rng(3), "anna_000", 0)
    left, top = (whole.intrinsics - piece.intrinsics)[0, :2, 2].int().tolist()
    assert piece.rgb.shape[-2:] == (12, 12) and left + top > 0
    assert torch.equal(piece.rgb, whole.rgb[..., top : top + 12, left : left + 12])
    assert torch.equal(piece.alpha, whole.alpha[..., top : top + 12, left : left + 12])


def test_lights_are_non_negative_of_every_kind_and_as_bright_as_asked():
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(16, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    brightness = rng.uniform(0.005, 0.04, 16)
    drawn = np.stack([draw_light_weights(directions, brightness, rng) for _ in range(200)])
    assert (drawn >= 0).all()
    used = (drawn.max(-1) > 0).sum(1)
    assert used.min() <= 2 and used.max() == 16
    means = (drawn.mean(-1) * brightness).sum(1)
    assert means.max() < BRIGHTNESS[1] * 1.01 and (means > BRIGHTNESS[0] * 0.99).mean() > 0.7
    assert drawn.mean(-1).sum(1).max() <= FLUX * 16 * 1.01
    assert np.abs(drawn[..., 0] - drawn[..., 2]).max() > 0.5  # colours


def test_the_light_turns_with_the_head(little_stage):
    """Energy stays; a light from the right of a head turned to the right comes from its front."""
    batch = captures(little_stage).sample(np.random.default_rng(1), "anna_000", 0)
    still = torch.eye(4)[None]
    turned = still.clone()
    turned[0, :3, :3] = torch.tensor([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])  # the face to +X
    one = light_in_head(batch, still)
    from neural_backend.rendering.light import environment_directions

    directions, solid = environment_directions(16, 32)

    def flow(light):  # [3] mean direction of the light, by brightness
        return torch.einsum("chw,hwk->k", light[0] * solid, directions) / (light[0] * solid).sum()

    two = light_in_head(batch, turned)
    assert torch.allclose((one * solid).sum(), (two * solid).sum(), rtol=1e-3)
    assert torch.allclose(flow(one), flow(two) @ turned[0, :3, :3].T, atol=0.03)
