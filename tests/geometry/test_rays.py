import numpy as np
import pytest
import trimesh

from neural_backend.geometry.rays import Surface


@pytest.fixture(scope="module")
def ball():
    return trimesh.creation.icosphere(subdivisions=4)


def test_first_hit_on_a_sphere(ball):
    rng = np.random.default_rng(0)
    direction = rng.normal(size=(2000, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    hits = Surface(ball.vertices, ball.faces).first_hit(3 * direction, -direction)
    assert (hits.triangle >= 0).all()
    assert np.abs(hits.distance - 2).max() < 0.01
    point = (ball.vertices[ball.faces[hits.triangle]] * hits.barycentric[..., None]).sum(1)
    assert np.abs(point - (3 - hits.distance[:, None]) * direction).max() < 1e-4


def test_misses_and_limits(ball):
    surface = Surface(ball.vertices, ball.faces)
    origin, away = np.array([[0, 0, 3.0]]), np.array([[0, 0, 1.0]])
    hits = surface.first_hit(origin, away)
    assert hits.triangle[0] == -1 and np.isinf(hits.distance[0]) and not hits.barycentric.any()
    assert not surface.occluded(origin, away)[0]
    assert surface.occluded(origin, -away)[0]
    assert not surface.occluded(origin, -away, max_distance=1.5)[0]
    assert surface.occluded(origin, -away, max_distance=2.5)[0]


def test_visibility_from_a_point(ball):
    surface = Surface(ball.vertices, ball.faces)
    seen = surface.visible_from(np.array([0, 0, 5.0]), ball.vertices, offset=1e-3)
    limit = ball.vertices[:, 2] > 0.2  # the horizon from 5 radii
    clear = np.abs(ball.vertices[:, 2] - 0.2) > 0.05
    assert (seen == limit)[clear].all()


def test_closest_points(ball):
    points = np.random.default_rng(1).normal(size=(300, 3)) * 1.5
    found = Surface(ball.vertices, ball.faces).closest(points)
    expected = np.abs(np.linalg.norm(points, axis=1) - 1)
    assert np.abs(found.distance - expected).max() < 0.01
    again = (ball.vertices[ball.faces[found.triangle]] * found.barycentric[..., None]).sum(1)
    assert np.abs(again - found.point).max() < 1e-5
    # No triangle is nearer: brute force over all of them by their corners and centres bounds the distance from above.
    samples = np.concatenate([ball.vertices, ball.triangles_center])
    brute = np.linalg.norm(points[:, None] - samples[None], axis=-1).min(1)
    assert (found.distance <= brute + 1e-5).all()


def test_bad_meshes_are_refused(ball):
    with pytest.raises(ValueError, match="finite"):
        Surface(np.full((3, 3), np.nan), np.array([[0, 1, 2]]))
    with pytest.raises(ValueError, match="missing"):
        Surface(np.zeros((3, 3)), np.array([[0, 1, 3]]))
    with pytest.raises(ValueError, match="max_distance"):
        Surface(ball.vertices, ball.faces).closest(np.array([[9.0, 9, 9]]), max_distance=0.1)
