"""Pins: the fit goes through them, and its derivatives are right."""

from __future__ import annotations

import numpy as np
import pytest

from neural_backend.fitting.fit import FitOptions, fit_photos, load_models
from neural_backend.fitting.map_initialisation import Observation, fit_landmarks
from neural_backend.fitting.pins import PIN_SD_M, Pins, missed, pin_residuals
from neural_backend.perception.face import choose_face
from neural_backend.perception.image import load_photo

NOSE_TIP, CHIN, JAW = 30, 8, (3, 13)


@pytest.fixture(scope="module")
def photo():
    return load_photo("examples/astronaut.png")


@pytest.fixture(scope="module")
def seen(photo):
    models = load_models()
    face = choose_face(models.perception.detect(photo), photo)
    return Observation(photo.width, photo.height, face.landmarks.astype(float), face.blendshapes.astype(float))


def places(head):
    evidence = load_models().evidence
    from neural_backend.fitting.linear_points import project

    return project(evidence.pinned.positions(head.identity, head.photos[0].expression), head.photos[0])[0]


def test_derivatives(seen):
    evidence = load_models().evidence
    head = fit_landmarks(evidence, [seen])
    pins = Pins(np.array([NOSE_TIP, CHIN]), places(head)[[NOSE_TIP, CHIN]] + 3.0)
    at = head.indices(0)
    start = pin_residuals(evidence.pinned, pins, head.photos[0], head.identity)
    for column in (0, 5, len(head.identity), len(head.identity) + 4, len(head.identity) + 6, len(at) - 3):
        moved = fit_landmarks(evidence, [seen])
        step = np.zeros(moved.size)
        step[at[column]] = 1e-4
        moved.move(step)
        after = pin_residuals(evidence.pinned, pins, moved.photos[0], moved.identity)
        # The residual is pin - head, so it falls as the prediction rises; its scale follows depth and focal length.
        predicted = (start.value - after.value) / 1e-4 * PIN_SD_M
        depth_or_focal = column in (len(head.identity) + 5, len(head.identity) + 6)
        if not depth_or_focal:
            np.testing.assert_allclose(predicted, start.jacobian[:, column] * PIN_SD_M, atol=2e-5, rtol=2e-2)


@pytest.mark.parametrize("move", [{NOSE_TIP: (0, -0.03)}, {CHIN: (0, 0.05)}, {JAW[0]: (-0.04, 0), JAW[1]: (0.04, 0)}])
def test_the_fit_goes_through_them_and_hardly_elsewhere(photo, seen, move):
    evidence = load_models().evidence
    free = fit_landmarks(evidence, [seen])
    before = places(free)
    height = np.ptp(before[:, 1])
    pins = Pins(np.array(list(move)), np.array([before[name] + np.array(by) * height for name, by in move.items()]))
    fit = fit_photos([photo], FitOptions(quality="draft", pins=(pins,)))
    reported = fit.report["photos"][0]
    assert reported["pins"] == len(move) and reported["pins_missed_px"][1] < 0.01 * height
    pinned = fit_landmarks(evidence, [Observation(**(vars(seen) | {"pins": pins}))])
    assert missed(evidence.pinned, pins, pinned.photos[0], pinned.identity).max() < 0.01 * height
    others = np.setdiff1d(np.arange(68), list(move))
    assert np.linalg.norm(places(pinned) - before, axis=1)[others].mean() < 0.015 * height


def test_pins_on_the_spot_change_little(photo, seen):
    evidence = load_models().evidence
    free = fit_landmarks(evidence, [seen])
    pins = Pins(np.arange(68), places(free))
    pinned = fit_landmarks(evidence, [Observation(**(vars(seen) | {"pins": pins}))])
    assert np.linalg.norm(places(pinned) - places(free), axis=1).max() < 0.5
