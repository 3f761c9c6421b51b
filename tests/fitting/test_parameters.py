"""Expressions stay possible while a fit moves them."""

import numpy as np

from neural_backend.fitting.map_initialisation import step_bounds
from neural_backend.fitting.parameters import BLOCK, EXPRESSION, JAW_OPEN, MOUTH_CLOSE, HeadState, PhotoState


def test_lips_close_no_further_than_the_jaw_is_open():
    expression = np.zeros(52)
    expression[JAW_OPEN], expression[MOUTH_CLOSE] = 0.4, 0.3
    photo = PhotoState(100, 100, np.eye(3), np.array([0, 0, 1.0]), 100.0, 100.0, 0.3, expression)
    head = HeadState(np.zeros(4), [photo])
    lower, upper = step_bounds(head)
    at = head.block(0)[EXPRESSION:]
    assert np.isclose(upper[at[MOUTH_CLOSE]], 0.1) and np.isclose(lower[at[MOUTH_CLOSE]], -0.3)
    step = np.zeros(BLOCK)
    step[EXPRESSION + JAW_OPEN], step[EXPRESSION + MOUTH_CLOSE] = -0.3, 0.1
    photo.move(step)
    assert np.isclose(photo.expression[JAW_OPEN], 0.1) and np.isclose(photo.expression[MOUTH_CLOSE], 0.1)
