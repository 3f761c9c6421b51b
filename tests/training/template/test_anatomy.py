"""The anatomy's meshes: winding, levels, UV, symmetry, and that it follows the skin."""

import numpy as np
import pytest

from neural_backend.head.template import JOINT_NAMES, PART_NAMES, HeadTemplate
from neural_backend.training.template.anatomy.build import build_anatomy
from neural_backend.training.template.anatomy.eyeball import build_cornea, build_eyeball
from neural_backend.training.template.anatomy.teeth import build_teeth
from neural_backend.training.template.skin import skin_of


@pytest.fixture(scope="module")
def anatomy():
    return build_anatomy(skin_of(HeadTemplate.load()))


def test_level_0_is_a_much_lighter_subset(anatomy):
    coarse, fine = anatomy.levels
    assert set(coarse.vertex_ids) <= set(fine.vertex_ids)
    assert len(fine.vertex_ids) == len(anatomy.vertices)
    assert len(coarse.quads) < 0.35 * len(fine.quads)
    assert set(np.unique(coarse.face_part)) == set(np.unique(fine.face_part))


def test_every_part_but_the_skin_is_there(anatomy):
    present = {PART_NAMES[part] for part in np.unique(anatomy.levels[1].face_part)}
    assert present == set(PART_NAMES[5:])


@pytest.mark.parametrize("level", [0, 1])
def test_faces_have_area_and_uv_inside_the_square(anatomy, level):
    mesh = anatomy.levels[level]
    corner = anatomy.vertices[mesh.vertex_ids[mesh.quads]]
    area = np.linalg.norm(np.cross(corner[:, 2] - corner[:, 0], corner[:, 3] - corner[:, 1]), axis=1)
    triangle = mesh.quads[:, 2] == mesh.quads[:, 3]
    side = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    area = np.where(triangle, np.linalg.norm(side, axis=1), area) / 2
    assert area.min() > 1e-10  # a hundredth of a millimetre, squared
    assert mesh.uv.min() >= 0 and mesh.uv.max() <= 1


def test_mirror_is_exact(anatomy):
    error = anatomy.vertices[anatomy.mirror] * [-1, 1, 1] - anatomy.vertices
    assert np.abs(error).max() < 1e-6
    assert np.array_equal(anatomy.mirror[anatomy.mirror], np.arange(len(anatomy.vertices)))


@pytest.mark.parametrize("piece", [build_eyeball(), build_cornea(), build_teeth(True), build_teeth(False)])
@pytest.mark.parametrize("level", [0, 1])
def test_closed_pieces_enclose_a_positive_volume(piece, level):
    corner = piece.vertices[piece.quads[level]] - piece.vertices.mean(0)
    triangles = np.concatenate([corner[:, [0, 1, 2]], corner[:, [0, 2, 3]]])
    volume = np.einsum("fi,fi->f", triangles[:, 0], np.cross(triangles[:, 1], triangles[:, 2])).sum() / 6
    assert volume > 0


def test_front_teeth_have_real_sizes():
    for upper, width in ((True, 8.6), (False, 5.3)):
        teeth = build_teeth(upper)
        first = teeth.vertices[: len(teeth.vertices) // 14]
        assert abs(np.ptp(first[:, 0]) * 1000 - width) < 0.6


def test_weights_sum_to_one_and_lower_teeth_hang_on_the_jaw(anatomy):
    np.testing.assert_allclose(anatomy.joint_weights.sum(1), 1, atol=1e-6)
    mesh = anatomy.levels[1]
    lower = np.unique(mesh.quads[mesh.face_part == PART_NAMES.index("teeth_lower")])
    assert (anatomy.joint_weights[lower, JOINT_NAMES.index("jaw")] == 1).all()


def test_a_wider_face_moves_eyes_apart_without_deforming_them(anatomy):
    mesh = anatomy.levels[1]
    left = np.unique(mesh.quads[mesh.face_part == PART_NAMES.index("cornea_left")])
    motion = anatomy.identity[:, left]
    assert np.abs(motion - motion[:, :1]).max() < 1e-7
    np.testing.assert_allclose(motion[:, 0], anatomy.joint_identity[:, JOINT_NAMES.index("eye_left")], atol=1e-7)
    assert np.abs(motion).max() > 1e-3
