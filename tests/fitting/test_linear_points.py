"""Derivatives of the image of the head's points, against finite differences."""

import numpy as np
import pytest

from neural_backend.fitting.linear_points import LinearPoints, image_jacobian, project
from neural_backend.fitting.parameters import BLOCK, HeadState, PhotoState, rotation_from_vector
from neural_backend.head.template import HeadTemplate


@pytest.fixture(scope="module")
def template():
    return HeadTemplate.load()


def photo() -> PhotoState:
    rotation = rotation_from_vector(np.array([0.1, 0.4, -0.15])) @ np.diag([1.0, -1.0, -1.0])
    expression = np.full(52, 0.1)
    return PhotoState(640, 480, rotation, np.array([0.01, 0.02, 0.7]), 900.0, 880.0, 0.3, expression)


def test_jacobian_against_finite_differences(template):
    random = np.random.default_rng(0)
    points = LinearPoints.at_vertices(template, random.choice(template.part_vertices("skin"), 30, replace=False))
    count = len(points.identity)
    head = HeadState(random.normal(size=count) * 0.5, [photo()])

    def pixels(state: HeadState) -> np.ndarray:
        positions = points.positions(state.identity, state.photos[0].expression)
        return project(positions, state.photos[0])[0]

    positions = points.positions(head.identity, head.photos[0].expression)
    _, in_camera = project(positions, head.photos[0])
    jacobian = image_jacobian(points, positions, in_camera, head.photos[0])
    step_size = 1e-3
    for column in [0, 3, count - 1, *range(count, count + 7), count + 7, count + 30, count + BLOCK - 2]:
        ends = []
        for sign in (1, -1):
            moved = HeadState(head.identity.copy(), [photo()])
            step = np.zeros(head.size)
            step[column] = sign * step_size
            moved.move(step)
            ends.append(pixels(moved))
        difference = (ends[0] - ends[1]) / (2 * step_size)
        scale = np.abs(difference).max() + 1.0
        assert np.abs(jacobian[:, :, column] - difference).max() / scale < 3e-3, column


def test_angles_follow_the_convention():
    """Positive yaw: the nose points to the right of the picture; positive pitch: up; positive roll: clockwise."""
    state = photo()
    state.translation = np.array([0.0, 0.0, 0.7])
    state.rotation = np.diag([1.0, -1.0, -1.0])
    assert abs(state.yaw) < 1e-9 and abs(state.pitch) < 1e-9 and abs(state.roll) < 1e-9
    nose, top = np.array([0.0, 0, 0.13]), np.array([0.0, 0.12, 0])
    for _ in range(20):
        random = np.random.default_rng(_)
        state.rotation = rotation_from_vector(random.normal(size=3) * 0.3) @ np.diag([1.0, -1.0, -1.0])
        in_camera = state.rotation @ nose
        if abs(in_camera[0]) < 0.02 or abs(in_camera[1]) < 0.02 or abs((state.rotation @ top)[0]) < 0.02:
            continue  # yaw and pitch of the view are not exactly the nose's slopes near zero
        assert np.sign(state.yaw) == np.sign(in_camera[0])
        assert np.sign(state.pitch) == -np.sign(in_camera[1])
        assert np.sign(state.roll) == np.sign((state.rotation @ top)[0])
