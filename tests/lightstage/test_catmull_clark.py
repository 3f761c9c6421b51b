"""Catmull-Clark against the values of the original rules and against the template's own level 1."""

import numpy as np
import pytest

from neural_backend.head.template import HeadTemplate
from neural_backend.lightstage.catmull_clark import catmull_clark
from neural_backend.lightstage.subjects import SKIN_PARTS

CUBE = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
CUBE_QUADS = np.array([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]])


def test_cube_follows_the_paper():
    step = catmull_clark(CUBE_QUADS, 8)
    fine = step.matrix @ CUBE
    # (Q + 2R + (n - 3) S) / n with n = 3: Q = 1/3, R = 2/3 of the corner, so 5/9.
    assert fine[:8] == pytest.approx(CUBE * 5 / 9)
    middles = CUBE[step.edges].mean(1)
    assert fine[8:20] == pytest.approx(middles * 0.75)
    assert fine[20:] == pytest.approx(CUBE[CUBE_QUADS].mean(1))


def test_a_flat_open_grid_stays_flat_and_its_rim_is_a_spline():
    side = 4
    points = np.array([[x, y, 0.0] for y in range(side) for x in range(side)])
    quads = np.array(
        [
            [y * side + x, y * side + x + 1, (y + 1) * side + x + 1, (y + 1) * side + x]
            for y in range(3)
            for x in range(3)
        ]
    )
    step = catmull_clark(quads, len(points))
    fine = step.matrix @ points
    assert np.abs(fine[:, 2]).max() == 0
    # 1/8 of one neighbour and 1/8 of the other: the corner (0, 0) goes to (1/8, 1/8), a straight rim stays.
    assert fine[0] == pytest.approx([0.125, 0.125, 0])
    assert fine[1] == pytest.approx(points[1])
    assert fine[5] == pytest.approx(points[5])  # an inner vertex of a regular flat grid


def test_weights_sum_to_one_and_follow_an_affine_motion():
    step = catmull_clark(CUBE_QUADS, 8)
    assert np.asarray(step.matrix.sum(1)).ravel() == pytest.approx(1)


def test_order_is_the_templates_level_1():
    template = HeadTemplate.load()
    coarse, fine = template.levels
    quads = coarse.vertex_ids[coarse.quads[coarse.faces_of(*SKIN_PARTS)]]
    count = int(quads.max()) + 1
    step = catmull_clark(quads, count)
    assert (step.quads == fine.quads[fine.faces_of(*SKIN_PARTS)]).all()
    # The template's own level 1 is a smooth surface through level 0: one step from level 0 comes close to it.
    positions = step.matrix @ template.vertices[:count]
    distance = np.linalg.norm(positions - template.vertices[: len(positions)], axis=1)
    assert np.median(distance) < 0.4e-3
