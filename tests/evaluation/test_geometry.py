"""The geometry metric on displacements whose size is known."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from neural_backend.evaluation.alignment import refine_point_to_plane
from neural_backend.evaluation.geometry import CASES, FaceMetric, evaluate, summary
from neural_backend.geometry.normals import vertex_normals_numpy
from neural_backend.geometry.rays import Surface
from neural_backend.geometry.similarity import Similarity, align_points
from neural_backend.head.template import HeadTemplate


@pytest.fixture(scope="module")
def template():
    return HeadTemplate.load()


@pytest.fixture(scope="module")
def metric(template):
    return FaceMetric(template)


@pytest.fixture(scope="module")
def skin(template, metric):
    return template.shape(np.random.default_rng(5).normal(size=30) * 0.7)[: metric.vertex_count].astype(np.float64)


def moved(points, degrees=8.0, scale=1.07, shift=(0.02, -0.01, 0.03)):
    rotation = Rotation.from_rotvec(np.radians(degrees) * np.array([0.6, 0.64, 0.48])).as_matrix()
    return scale * points @ rotation.T + shift


def test_points_give_back_their_similarity(skin):
    found = align_points(moved(skin), skin)
    assert found.apply(moved(skin)) == pytest.approx(skin, abs=1e-12)
    assert found.scale == pytest.approx(1 / 1.07)
    mirrored = align_points(skin * [-1, 1, 1], skin)
    assert np.linalg.det(mirrored.rotation) == pytest.approx(1), "a reflection is no rigid motion"


def test_chained_similarities(skin):
    first = Similarity(1.2, Rotation.from_euler("y", 0.3).as_matrix(), np.array([0.1, 0, 0]))
    second = Similarity(0.7, Rotation.from_euler("x", -0.2).as_matrix(), np.array([0, 0.2, 0]))
    assert first.then(second).apply(skin) == pytest.approx(second.apply(first.apply(skin)))


def test_icp_returns_a_displaced_face(metric, skin):
    face = metric.face(skin)
    start = moved(skin, degrees=2.0, scale=1.01, shift=(0.001, -0.002, 0.001))
    found = refine_point_to_plane(start[face], Surface(skin, metric.triangles))
    error = np.linalg.norm(found.apply(start)[face] - skin[face], axis=1)
    assert error.mean() < 2e-5 < np.linalg.norm(start[face] - skin[face], axis=1).mean()


def test_the_same_shape_anywhere_has_no_error(metric, skin):
    error = metric.measure(moved(skin), skin)
    assert error.mean < 1e-3 and error.p90 < 1e-3 and error.reverse_mean < 1e-3
    assert error.scale == pytest.approx(1 / 1.07, rel=1e-4)


def test_a_bump_of_known_height_is_measured(metric, skin):
    """3 mm on one cheek: the mean over the face is the bump's own mean, and its peak is seen whole."""
    normal = vertex_normals_numpy(skin, metric.triangles)
    beside = metric.landmarks(skin)[[48, 2]].mean(0)  # between mouth corner and jaw
    cheek = skin[metric.outer[np.linalg.norm(skin[metric.outer] - beside, axis=1).argmin()]]
    height = 0.003 * np.exp(-0.5 * (np.linalg.norm(skin - cheek, axis=1) / 0.012) ** 2)
    error = metric.measure(skin + height[:, None] * normal, skin)
    expected = 1e3 * height[metric.face(skin)]
    assert error.mean == pytest.approx(expected.mean(), rel=0.2)
    assert 1e3 * error.distance.max() == pytest.approx(3.0, abs=0.3)
    assert error.reverse_mean == pytest.approx(error.mean, rel=0.2)


def test_sliding_along_the_surface_is_no_error(metric, skin):
    """Point to surface, not vertex to vertex: moving vertices within the surface changes little."""
    normal = vertex_normals_numpy(skin, metric.triangles)
    along = np.cross(normal, [0.0, 1.0, 0.0])
    nose = np.linalg.norm(skin - metric.landmarks(skin)[30], axis=1)
    slide = 0.0015 * ((nose > 0.04) & (nose < 0.08))
    error = metric.measure(skin + slide[:, None] * along, skin)
    apart = np.linalg.norm(slide[:, None] * along, axis=1)[metric.face(skin)].mean() * 1e3
    assert error.mean < 0.25 * apart


def test_face_leaves_out_what_no_photo_shows(metric, template, skin):
    face = set(metric.face(skin).tolist())
    curves = template.levels[1].curves
    for name in ("mouth_12", "eye_left_12", "eye_right_15", "nostril_left_2", "neck_rim"):
        assert not face & set(curves[name].tolist()), name
    for name in ("mouth_02", "eye_left_02", "nostril_left_0"):
        assert set(curves[name].tolist()) <= face, name


def test_too_few_vertices_are_refused(metric, skin):
    with pytest.raises(ValueError, match="level-1 order"):
        metric.measure(skin[:4410], skin)


def test_table_says_who_is_worst_and_what_was_asked(template, metric, skin):
    """A fitter that is half way from the mean to the truth has about half the mean face's error."""
    mean = template.vertices[: metric.vertex_count].astype(np.float64)
    picture = SimpleNamespace(neutral=skin, picture=None, subject="known", kind="makehuman")
    pictures = {key: picture for case in CASES for key in case.pictures}

    rows = evaluate(
        {"known": pictures},
        lambda photos: SimpleNamespace(vertices=0.5 * (mean + skin)),
        metric,
        template,
        CASES[:1],
        load=lambda path: None,
    )
    assert [row["case"] for row in rows] == ["front"]
    assert rows[0]["ratio"] == pytest.approx(0.5, abs=0.1)
    assert rows[0]["prior_in_3d"] < 0.2 * rows[0]["mean_face"], "the known head is one of the prior's own"
    table = summary(rows)
    assert "0.80" in table and "(known)" in table


def test_a_smooth_random_head_differs_from_the_mean(metric, template, skin):
    error = metric.measure(template.vertices, skin)
    assert 0.3 < error.mean < 4.0 and error.p90 > error.mean
