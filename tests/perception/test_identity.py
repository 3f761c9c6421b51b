"""The embedding tells the two portraits apart and is steady under what does not change a person."""

import dataclasses
import os

import cv2
import numpy as np
import pytest
import torch

from neural_backend.perception.face import FacePerception, choose_face
from neural_backend.perception.identity import SAME_PERSON, IdentityMetric, distance, face_chip, similarity
from neural_backend.perception.image import load_photo

EXAMPLES = os.path.join(os.path.dirname(__file__), "..", "..", "examples")


@pytest.fixture(scope="module")
def metric() -> IdentityMetric:
    return IdentityMetric()


@pytest.fixture(scope="module")
def people(metric) -> dict:
    perception, result = FacePerception.load(), {}
    for file in ("astronaut.png", "grace_hopper.jpg"):
        photo = load_photo(os.path.join(EXAMPLES, file))
        face = choose_face(perception.detect(photo), photo)
        result[file] = photo, face.landmarks, metric.embed(photo, face.landmarks)
    return result


def test_two_people_differ(people):
    (_, _, a), (_, _, b) = people.values()
    assert a.shape == (128,)
    assert distance(a, b) > SAME_PERSON


@pytest.mark.parametrize("change", ["darker", "smaller", "grey", "turned"])
def test_one_person_stays(metric, people, change):
    for photo, landmarks, embedding in people.values():
        pixels, points = photo.srgb, landmarks[:, :2].copy()
        if change == "darker":
            pixels = (pixels * 0.6).astype(np.uint8)
        elif change == "smaller":
            pixels = cv2.resize(pixels, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
            points *= 0.6
        elif change == "grey":
            pixels = np.repeat(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[..., None], 3, 2)
        else:
            pixels, points = np.rot90(pixels), np.stack([points[:, 1], photo.width - points[:, 0]], 1)
        other = metric.embed(dataclasses.replace(photo, srgb=np.ascontiguousarray(pixels)), points)
        assert distance(embedding, other) < 0.35, change


def test_network_against_known_values(metric):
    """A fixed input through float16 weights: guards the layers' order and padding."""
    gradient = torch.linspace(0, 255, 150).view(1, 1, 1, 150).expand(1, 3, 150, 150)
    embedding = metric.net(gradient)[0]
    assert torch.isfinite(embedding).all() and 0.5 < float(embedding.norm()) < 3


def test_chip_puts_the_eyes_where_dlib_does(people):
    photo, landmarks, _ = people["astronaut.png"]
    chip = face_chip(photo.srgb, landmarks)
    assert chip.shape == (150, 150, 3)
    grey = chip.mean(2)
    assert grey[41:52, 40:56].min() < grey[66:80, 40:56].mean() - 60  # dark irises in the upper third, cheeks below


def test_similarity_is_exact_and_never_mirrors():
    points = np.random.default_rng(0).normal(size=(5, 2))
    angle, scale, shift = 0.7, 2.5, np.array([3.0, -1.0])
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = similarity(points, points @ turn.T + shift)
    assert np.allclose(matrix, np.hstack([turn, shift[:, None]]))
    assert np.linalg.det(similarity(points, points * [-1, 1])[:, :2]) > 0
