"""Derivatives of normals, light and mirror lobe, against finite differences; shadows against plain geometry."""

import numpy as np
import pytest

from neural_backend.fitting.skin_transfer import SkinTransfer
from neural_backend.fitting.surface_samples import SurfaceSamples, farthest_points
from neural_backend.geometry.rays import Surface


@pytest.fixture(scope="module")
def samples(models):
    return SurfaceSamples.on_face(models.template, 300)


def test_normals_turn_with_identity_as_told(samples):
    random = np.random.default_rng(0)
    identity = random.normal(size=len(samples.points.identity))
    vertices = samples.points.positions(identity, np.zeros(52))
    normals, turns = samples.normal_derivatives(vertices, samples.points.identity)
    assert np.allclose(normals, samples.normals(vertices), atol=1e-6)
    for mode in (0, 7, 40):
        step = np.zeros_like(identity)
        step[mode] = 0.02
        ahead = samples.normals(samples.points.positions(identity + step, np.zeros(52)))
        behind = samples.normals(samples.points.positions(identity - step, np.zeros(52)))
        slope = (ahead - behind) / 0.04
        assert np.abs(slope - turns[:, mode]).max() < 0.05 * np.abs(slope).max() + 1e-4


def directions(count, seed):
    found = np.random.default_rng(seed).normal(size=(count, 3))
    return found / np.linalg.norm(found, axis=1, keepdims=True)


@pytest.mark.parametrize("degree", [2, 3])
def test_light_gradients(degree):
    transfer = SkinTransfer(degree)
    normals, towards = directions(40, 1), directions(40, 2)
    towards = np.where((normals * towards).sum(1, keepdims=True) < 0, -towards, towards)
    turn = directions(40, 3) * 1e-4
    slope = (transfer.unshadowed(normals + turn) - transfer.unshadowed(normals - turn)) / 2
    told = np.einsum("mbi,mi->mb", transfer.unshadowed_gradient(normals), turn)
    assert np.allclose(slope, told, atol=1e-7)

    open_sky = np.ones(40)
    strength = transfer.mirrored(normals, towards, open_sky)
    ahead = transfer.mirrored(normals + turn, towards, open_sky)[0]
    behind = transfer.mirrored(normals - turn, towards, open_sky)[0]
    told = np.einsum("mbi,mi->mb", strength[1], turn)
    facing = (normals * towards).sum(1) > 0.6  # Schlick's own rise, left out of the derivative, is small there
    assert np.abs((ahead - behind) / 2 - told)[facing].max() < 0.05 * np.abs(told).max()


def test_a_wall_takes_half_the_even_light():
    """Beside a wide wall, a floor loses half of what an even sky sends: the share is known in closed form."""
    size = 5.0
    wall = np.array([[0, -size, 0], [0, size, 0], [0, size, size], [0, -size, size]], np.float32)
    surface = Surface(wall, np.array([[0, 1, 2], [0, 2, 3]]))
    transfer = SkinTransfer(2, rays=2048)
    points, normals = np.array([[0.002, 0.0, 0.0]]), np.array([[0.0, 0.0, 1.0]])
    lost = transfer.loss(surface, points, normals)
    assert abs(lost[0, 0] / transfer.unshadowed(normals)[0, 0] - 0.5) < 0.06


def test_samples_cover_the_face_evenly_and_leave_out_features(models, samples):
    places = models.template.vertices[samples.vertex_ids]
    assert len(samples) == 300
    left, right = (places[:, 0] > 0.002).sum(), (places[:, 0] < -0.002).sum()
    assert abs(left - right) < 0.15 * len(samples)
    mouth = models.template.part_vertices("mouth_bag")
    assert not np.isin(samples.vertex_ids, mouth).any()
    gaps = np.sort(np.linalg.norm(places[:, None] - places[None], axis=2), axis=1)[:, 1]
    assert gaps.min() > 0.3 * np.median(gaps)


def test_farthest_points_do_not_repeat():
    points = np.random.default_rng(2).normal(size=(200, 3))
    chosen = farthest_points(points, 50)
    assert len(np.unique(chosen)) == 50
