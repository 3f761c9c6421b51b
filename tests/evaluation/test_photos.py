"""The measures of render against photo, on pictures whose difference is known."""

import numpy as np
import pytest

from neural_backend.evaluation.photos import eight_bit, face_region, over_grey, structural_similarity, turned
from neural_backend.perception.landmarks import FACE_OVAL
from neural_backend.rendering.camera import Camera


def test_similarity_is_one_for_the_same_and_falls_with_noise():
    generator = np.random.default_rng(0)
    picture = generator.integers(0, 255, (64, 64, 3)).astype(np.uint8)
    region = np.ones((64, 64), bool)
    assert structural_similarity(picture, picture, region) == pytest.approx(1.0, abs=1e-3)
    other = generator.integers(0, 255, (64, 64, 3)).astype(np.uint8)
    assert structural_similarity(picture, other, region) < 0.2


def test_face_region_is_the_oval_to_the_pixel():
    angle = np.linspace(0, 2 * np.pi, len(FACE_OVAL), endpoint=False)
    landmarks = np.zeros((478, 3))
    landmarks[FACE_OVAL, :2] = np.stack([60 + 40 * np.cos(angle), 50 + 45 * np.sin(angle)], 1)
    region = face_region(landmarks, 100, 120)
    rows, columns = np.nonzero(region)
    assert columns.mean() + 0.5 == pytest.approx(60, abs=0.1) and rows.mean() + 0.5 == pytest.approx(50, abs=0.1)
    assert region.sum() == pytest.approx(np.pi * 40 * 45, rel=0.02)


def test_turning_the_camera_keeps_the_centre_in_its_place():
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = np.diag([1.0, -1.0, -1.0]), [0.02, 0.01, 0.8]
    camera = Camera(100, 100, np.array([[200.0, 0, 50], [0, 200, 50], [0, 0, 1]]), pose)
    centre = np.array([0.0, 0.02, 0.01])
    after = turned(camera, 0.7, centre)
    assert after.project(centre[None])[0] == pytest.approx(camera.project(centre[None])[0])
    assert not np.allclose(after.rotation, camera.rotation)


def test_nothing_rendered_is_grey():
    assert (eight_bit(over_grey(np.zeros((2, 2, 4)))) == 126).all()
