"""Common lid closure moves into the neutral head; nothing that a photo shows may change."""

from __future__ import annotations

import numpy as np
import pytest

from neural_backend.fitting.lid_rest import BLINKS, MOST, rest_lids
from neural_backend.fitting.result import FitResult, PhotoFit
from neural_backend.head.template import HeadTemplate
from neural_backend.rendering.camera import Camera


def fit_with(*blinks: tuple[float, float]) -> FitResult:
    template = HeadTemplate.load()
    camera = Camera(8, 8, np.eye(3), np.eye(4))
    photos = []
    for index, pair in enumerate(blinks):
        expression = np.zeros(52)
        expression[list(BLINKS)] = pair
        expression[17] = 0.1 * index
        photos.append(PhotoFit(camera, expression, np.zeros((9, 3)), np.zeros((478, 3)), np.zeros((8, 8))))
    return FitResult(
        np.zeros(80), template.vertices, template.arkit, template.joint_positions, np.zeros(1), tuple(photos)
    )


def posed(fit: FitResult, index: int) -> np.ndarray:
    return fit.vertices + np.tensordot(fit.photos[index].expression, fit.arkit, 1)


def test_photos_and_closed_lids_stay_where_they_were():
    before = fit_with((0.2, 0.12), (0.5, 0.3))
    after = rest_lids(before)
    assert after.report["lid_rest"] == 0.12
    for index in range(2):
        np.testing.assert_allclose(posed(after, index), posed(before, index), atol=1e-7)
    for blink in BLINKS:
        closed = [fit.vertices + fit.arkit[blink] for fit in (before, after)]
        other = before.arkit[BLINKS[1] if blink == BLINKS[0] else BLINKS[0]] * 0.12
        np.testing.assert_allclose(closed[1], closed[0] + other, atol=1e-7)


@pytest.mark.parametrize("blinks", [((0.0, 0.4),), ((0.3, 0.2), (0.0, 0.1))])
def test_an_open_eye_anywhere_keeps_the_neutral(blinks):
    fit = fit_with(*blinks)
    assert rest_lids(fit) is fit


def test_closing_eyes_are_not_the_persons_own():
    assert rest_lids(fit_with((0.9, 0.8))).report["lid_rest"] == MOST


def test_neutral_stays_symmetric():
    template = HeadTemplate.load()
    after = rest_lids(fit_with((0.2, 0.12)))
    mirrored = after.vertices[template.mirror] * [-1, 1, 1]
    assert (
        np.abs(mirrored - after.vertices).max()
        < np.abs(template.vertices[template.mirror] * [-1, 1, 1] - template.vertices).max() + 1e-6
    )
