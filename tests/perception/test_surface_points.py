"""Surface points on real photos: where the landmarks say too, the same in the mirror, and never without its file."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from neural_backend.fitting.landmarks import LandmarkCalibration
from neural_backend.fitting.surface_evidence import SurfaceEvidence
from neural_backend.head.template import HeadTemplate
from neural_backend.perception.face import FacePerception
from neural_backend.perception.image import load_photo
from neural_backend.perception.surface_points import SurfacePointDetector

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="module")
def detector():
    return SurfacePointDetector.load()


@pytest.fixture(scope="module")
def perception():
    return FacePerception.load()


@pytest.mark.parametrize("name", ["astronaut.png", "grace_hopper.jpg"])
def test_points_lie_where_landmarks_do(detector, perception, name):
    """Vertices next to a calibrated landmark are seen next to it: the two networks learned from different pictures."""
    template, photo = HeadTemplate.load(), load_photo(EXAMPLES / name)
    face = perception.detect(photo)[0]
    found = detector.find(photo, face)
    evidence = SurfaceEvidence.load(template)
    marks = LandmarkCalibration.load().points(template).mean
    distance = np.linalg.norm(marks[:, None] - evidence.points.mean[None], axis=2)
    nearest = distance.argmin(1)
    close = distance.min(1) < 0.004
    assert close.sum() > 150
    away = np.linalg.norm(found.places[nearest] - face.landmarks[:468, :2], axis=1)[close]
    assert np.median(away) < 0.12 * face.eye_distance  # about 7 mm: 4 of them apart already
    assert (found.spread > 0).all() and np.abs(found.code).max() < 4


def test_a_mirrored_photo_gives_the_mirrored_answer(detector, perception):
    photo = load_photo(EXAMPLES / "astronaut.png")
    face = perception.detect(photo)[0]
    found = detector.find(photo, face)
    flipped = replace(photo, srgb=photo.srgb[:, ::-1].copy())
    landmarks = face.landmarks.copy()
    landmarks[:, 0] = photo.width - landmarks[:, 0]
    landmarks[[33, 263]] = landmarks[[263, 33]]  # the corners that level the crop change sides
    other = detector.find(flipped, replace(face, landmarks=landmarks))
    places = other.places[detector.mirror] * [-1, 1] + [photo.width, 0]
    assert np.abs(places - found.places).mean() < 0.03 * face.eye_distance
    assert np.abs(other.code * detector.code_mirror - found.code).max() < 0.35


def test_a_missing_network_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="training.surface_points"):
        SurfacePointDetector.load(path=tmp_path / "none.safetensors")
