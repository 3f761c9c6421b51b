"""The landmark fit finds a head again from its own ideal landmarks, and keeps within its bounds."""

import numpy as np
import pytest

from neural_backend.fitting.landmarks import landmark_residuals
from neural_backend.fitting.linear_points import project
from neural_backend.fitting.map_initialisation import MapOptions, Observation, fit_landmarks
from neural_backend.fitting.parameters import PhotoState, rotation_from_vector
from neural_backend.protocol.arkit import ARKIT_INDEX


def imagine(models, identity, expression, yaw, focal=1000.0, noise=0.0, seed=0):
    """An observation whose landmarks lie where the calibration expects them, and the state that made it."""
    turned = rotation_from_vector(np.array([0.0, yaw, 0.0]))
    photo = PhotoState(
        800, 600, np.diag([1.0, -1.0, -1.0]) @ turned, np.array([0.0, 0.0, 0.7]), focal, focal, 0.3, expression
    )
    evidence = models.evidence
    pixels, _ = project(evidence.points.positions(identity, expression), photo)
    bias = evidence.calibration.at_view(photo.yaw, photo.pitch)[0] * focal / photo.translation[2]
    iris, _ = project(evidence.gaze.points.positions(identity, expression), photo)
    landmarks = np.zeros((478, 3))
    landmarks[:468, :2] = pixels + bias
    landmarks[468:473, :2], landmarks[473:478, :2] = iris[0], iris[1]
    landmarks[:, :2] += np.random.default_rng(seed).normal(size=(478, 2)) * noise
    return Observation(800, 600, landmarks, expression.copy(), focal), photo


@pytest.mark.parametrize("yaw", [0.0, 0.5])
def test_finds_a_known_head_again(models, yaw):
    random = np.random.default_rng(3)
    identity = np.zeros(len(models.template.identity))
    identity[:20] = random.normal(size=20)
    expression = np.zeros(52)
    expression[[ARKIT_INDEX["mouthSmileLeft"], ARKIT_INDEX["mouthSmileRight"], ARKIT_INDEX["jawOpen"]]] = 0.5, 0.5, 0.3
    observation, truth = imagine(models, identity, expression, yaw)
    head = fit_landmarks(models.evidence, [observation], MapOptions(iterations=15))
    skin = models.template.part_vertices("skin")
    face = skin[models.template.vertices[skin, 2] > 0.05]
    found, wanted = models.template.shape(head.identity)[face], models.template.shape(identity)[face]
    centred = (found - found.mean(0)) - (wanted - wanted.mean(0))
    mean = models.template.vertices[face] - models.template.vertices[face].mean(0) - (wanted - wanted.mean(0))
    # Part of what remains is size, which no photo shows: the prior pulls it to the mean.
    assert np.linalg.norm(centred, axis=1).mean() < 0.7 * np.linalg.norm(mean, axis=1).mean()
    assert abs(head.photos[0].yaw - truth.yaw) < 0.06
    smile = head.photos[0].expression[ARKIT_INDEX["mouthSmileLeft"]]
    assert 0.2 < smile < 0.9


def test_expression_stays_in_bounds(models):
    observation, _ = imagine(models, np.zeros(len(models.template.identity)), np.full(52, 0.05), 0.2, noise=15.0)
    head = fit_landmarks(models.evidence, [observation])
    assert (head.photos[0].expression >= 0).all() and (head.photos[0].expression <= 1).all()
    assert np.abs(head.identity).max() <= 3.5


def test_two_photos_share_one_identity_but_not_the_expression(models):
    identity = np.zeros(len(models.template.identity))
    identity[:10] = np.random.default_rng(5).normal(size=10)
    closed, opened = np.zeros(52), np.zeros(52)
    opened[ARKIT_INDEX["jawOpen"]] = 0.7
    first, second = (imagine(models, identity, e, yaw)[0] for e, yaw in ((closed, 0.0), (opened, 0.4)))
    head = fit_landmarks(models.evidence, [first, second])
    jaw = ARKIT_INDEX["jawOpen"]
    assert head.photos[1].expression[jaw] - head.photos[0].expression[jaw] > 0.35


@pytest.mark.parametrize("correlated", [0.0, 0.5, 1.0])
def test_landmark_jacobian_against_finite_differences(models, correlated):
    identity = np.zeros(len(models.template.identity))
    observation, photo = imagine(models, identity, np.full(52, 0.1), 0.3, noise=2.0)

    def residual(value):
        return landmark_residuals(
            models.evidence.calibration, models.evidence.points, observation.landmarks, photo, value, correlated, 1e6
        )

    base = residual(identity)
    for column in (0, 4, 30):
        step = np.zeros_like(identity)
        step[column] = 1e-2
        slope = (residual(identity + step).value - residual(identity - step).value) / 2e-2
        assert np.allclose(-slope, base.jacobian[:, column], atol=2e-3 * np.abs(slope).max() + 1e-6)
