"""The outline term: silent where the matte fits, and it widens a head whose matte is wider."""

import numpy as np
import pytest
import torch

from neural_backend.fitting.outline import outline_residuals, skin_colour
from neural_backend.fitting.parameters import PhotoState
from neural_backend.rendering.rasterizer import rasterize

WIDE = np.array([1.04, 1.0, 1.0])


@pytest.fixture(scope="module")
def photo():
    return PhotoState(
        500, 500, np.diag([1.0, -1.0, -1.0]), np.array([0.0, 0.0, 0.8]), 1000.0, 1000.0, 0.3, np.zeros(52)
    )


def matte_of(template, photo, stretch):
    level = template.levels[0]
    vertices = template.vertices[level.vertex_ids] * stretch
    pixels, depth = photo.camera().project(vertices)
    fragments = rasterize(
        torch.tensor(pixels, dtype=torch.float32), torch.tensor(depth, dtype=torch.float32),
        torch.tensor(level.triangles), 500, 500,
    )  # fmt: skip
    return fragments.mask.numpy().astype(np.float32)


def residuals(models, photo, stretch):
    matte = matte_of(models.template, photo, stretch)
    identity = np.zeros(len(models.template.identity))
    return outline_residuals(models.evidence.outline, models.template, photo, identity, matte, matte)


def test_own_matte_leaves_nothing_to_move(models, photo):
    found = residuals(models, photo, np.ones(3))
    assert found is not None and len(found.value) > 10
    assert np.abs(found.distance[:, 2]).mean() < 0.0008


def test_a_wider_matte_pulls_both_sides_outwards(models, photo):
    found = residuals(models, photo, WIDE)
    side = found.distance[np.abs(found.distance[:, 0] - 250) > 40]
    assert (side[:, 0] < 250).any() and (side[:, 0] > 250).any()
    assert np.median(side[:, 2]) > 0.0015
    step = found.jacobian.T @ found.value  # steepest descent widens the head
    count = len(models.template.identity)
    moved = np.tensordot(step[:count], models.template.identity, 1)
    left, right = (models.template.landmarks68_triangle[k, 0] for k in (15, 1))
    assert moved[left, 0] - moved[right, 0] > 0


def test_no_matte_edge_no_term(models, photo):
    identity = np.zeros(len(models.template.identity))
    full = np.ones((500, 500), np.float32)
    assert outline_residuals(models.evidence.outline, models.template, photo, identity, full, full) is None


def test_skin_colour_knows_shaded_skin_from_hair_and_cloth():
    generator = np.random.default_rng(3)
    skin, shade = np.array([0.45, 0.28, 0.2]), 0.6
    picture = np.empty((40, 80, 3), np.float32)
    picture[:, :20] = skin
    picture[:, 20:40] = skin * shade
    picture[:, 40:60] = [0.02, 0.012, 0.008]  # hair of the same hue
    picture[:, 60:] = [0.2, 0.3, 0.5]  # cloth
    picture *= generator.normal(1, 0.03, picture.shape)
    bare = np.zeros((40, 80), np.float32)
    bare[:, :20] = 1
    found = skin_colour(picture, bare).reshape(40, 4, 20).mean((0, 2))
    assert (found[:2] > 0.9).all() and (found[2:] < 0.1).all()


def test_a_far_edge_counts_little_once_the_scale_is_tight(models, photo):
    matte = matte_of(models.template, photo, np.array([1.1, 1.0, 1.0]))  # 7 mm at the cheeks
    identity = np.zeros(len(models.template.identity))
    wide, tight = (
        outline_residuals(models.evidence.outline, models.template, photo, identity, matte, matte, 1.0, robust_m)
        for robust_m in (0.02, 0.002)
    )
    far = wide.distance[:, 2] > 0.005
    assert far.sum() > 5
    assert np.abs(tight.value[far]).max() < 0.25 * np.abs(wide.value[far]).min()
