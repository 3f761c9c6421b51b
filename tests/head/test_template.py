"""The shipped template: what every other part of Mien relies on."""

from __future__ import annotations

import numpy as np
import pytest

from neural_backend.head.template import JOINT_NAMES, JOINT_PARENTS, PART_NAMES, TEMPLATE_FILE, HeadTemplate
from neural_backend.protocol.arkit import ARKIT_INDEX, ARKIT_NAMES
from neural_backend.training.template import measures
from neural_backend.training.template.expressions import mirror_error
from neural_backend.training.template.uv_measures import coverage, signed_areas, texel_density, weighted_percentiles

SKIN_PARTS = PART_NAMES[:5]


@pytest.fixture(scope="module")
def template() -> HeadTemplate:
    return HeadTemplate.load()


def test_missing_file_says_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match="reinstall Mien"):
        HeadTemplate.load(tmp_path / "none.safetensors")


def test_file_is_small_enough():
    assert TEMPLATE_FILE.stat().st_size < 25e6


def test_arrays_agree(template):
    count = len(template.vertices)
    assert template.identity.shape[1:] == (count, 3) and len(template.identity) >= 60
    assert template.arkit.shape == (52, count, 3)
    assert template.joint_weights.shape == (count, len(JOINT_NAMES)) and len(JOINT_PARENTS) == len(JOINT_NAMES)
    assert template.joint_identity.shape == (len(template.identity), 5, 3)
    for level in template.levels:
        assert level.quads.min() >= 0 and level.quads.max() < len(level.vertex_ids)
        assert level.face_uv.min() >= 0 and level.face_uv.max() < len(level.uv)
        assert len(level.quads) == len(level.face_uv) == len(level.face_part)
        assert level.face_part.max() < len(PART_NAMES)
        assert len(np.unique(level.quads)) == len(level.vertex_ids), "every vertex belongs to a face"
        assert all(loop.max() < len(level.vertex_ids) for loop in level.curves.values())
    for values in (template.vertices, template.identity, template.arkit, template.joint_weights):
        assert np.isfinite(values).all()


def test_metres_and_axes(template):
    size = np.ptp(template.vertices, axis=0)
    assert 0.14 < size[0] < 0.25 and 0.25 < size[1] < 0.36
    nose = template.vertices[template.landmarks68_triangle[30, 0]]
    assert nose[2] > 0.1 and abs(nose[0]) < 0.005
    assert template.joints()[JOINT_NAMES.index("eye_left"), 0] > 0.02


def test_level_0_lies_in_level_1(template):
    coarse, fine = template.levels
    assert np.array_equal(fine.vertex_ids, np.arange(len(template.vertices)))
    assert len(np.unique(coarse.vertex_ids)) == len(coarse.vertex_ids) < 0.4 * len(fine.vertex_ids)


def test_mirror_is_exact(template):
    assert np.array_equal(template.mirror[template.mirror], np.arange(len(template.mirror)))
    error = np.abs(template.vertices[template.mirror] * [-1, 1, 1] - template.vertices).max()
    assert error < 1e-6
    assert mirror_error(template.arkit, template.mirror) < 1e-5
    # Joint weights mirror with the eyes exchanged.
    swapped = template.joint_weights[template.mirror][:, [0, 1, 2, 4, 3]]
    assert np.abs(swapped - template.joint_weights).max() < 2e-3


def test_every_arkit_shape_moves_the_head(template):
    moved = measures.moved_vertices(template)
    assert list(moved) == list(ARKIT_NAMES)
    assert min(moved.values()) > 0.5, min(moved, key=moved.get)
    # The right things move: the chin down in jawOpen, the left upper lid in eyeBlinkLeft only.
    chin = template.landmarks68_triangle[8, 0]
    assert template.arkit[ARKIT_INDEX["jawOpen"], chin, 1] < -0.01
    left, right = (template.levels[1].curves[f"eye_{side}_08"] for side in ("left", "right"))
    blink = np.linalg.norm(template.arkit[ARKIT_INDEX["eyeBlinkLeft"]], axis=1)
    assert blink[left].max() > 0.004 and blink[right].max() < 1e-4


def test_joint_weights_sum_to_one_and_are_smooth(template):
    assert np.abs(template.joint_weights.sum(1) - 1).max() < 2e-3
    assert template.joint_weights.min() >= 0
    skin = template.levels[1].quads[template.levels[1].faces_of("skin")]
    jump = np.abs(template.joint_weights[skin] - np.roll(template.joint_weights[skin], 1, axis=1)).max((1, 2))
    # Only between the lips, where the surface turns back on itself, may weights change quickly.
    assert np.percentile(jump, 99) < 0.2
    chin = template.landmarks68_triangle[8, 0]
    assert template.joint_weights[chin, JOINT_NAMES.index("jaw")] > 0.8


@pytest.mark.parametrize("level", [0, 1])
def test_uv_has_no_overlap_and_no_flips(template, level):
    lod = template.levels[level]
    own = lod.faces_of(*SKIN_PARTS)
    assert lod.uv.min() >= 0 and lod.uv.max() <= 1
    assert (signed_areas(lod.uv, lod.face_uv[own]) > 0).all()
    assert (coverage(lod.uv, lod.face_uv[own], 1024) > 1).sum() == 0


def test_uv_density_on_the_face(template):
    lod = template.levels[1]
    own = lod.faces_of("skin")
    density, area = texel_density(template.vertices, lod.quads[own], lod.uv, lod.face_uv[own], 2048)
    centre = template.vertices[lod.quads[own]].mean(1)
    face = (centre[:, 2] > 0.022) & (centre[:, 1] > -0.084) & (centre[:, 1] < 0.09)
    low, middle = weighted_percentiles(density[face], area[face], (0.05, 0.5))
    assert middle >= 6.0 and low >= 5.3


def test_uv_is_mirror_symmetric(template):
    """Each skin face's UV is its mirror face's, reflected at u = 0.5."""
    lod = template.levels[0]
    own = lod.faces_of("skin")
    place = {int(v): i for i, v in enumerate(lod.vertex_ids)}
    mirror = np.array([place[int(template.mirror[v])] for v in lod.vertex_ids])
    by_corners = {tuple(sorted(quad)): face for face, quad in zip(own, lod.quads[own].tolist(), strict=True)}
    for face in own[::7]:
        twin = by_corners[tuple(sorted(mirror[lod.quads[face]].tolist()))]
        reflected = {int(mirror[v]): lod.uv[t] * [-1, 1] + [1, 0] for v, t in zip(lod.quads[face], lod.face_uv[face])}  # noqa: B905
        for vertex, corner in zip(lod.quads[twin].tolist(), lod.face_uv[twin].tolist(), strict=True):
            assert np.abs(lod.uv[corner] - reflected[vertex]).max() < 1e-5


def test_no_folded_or_degenerate_skin(template):
    for level in (0, 1):
        lod = template.levels[level]
        points = template.vertices[lod.vertex_ids].astype(np.float64)
        skin = lod.quads[lod.faces_of("skin")]
        assert measures.folded_faces(points, skin) <= (4 if level else 0)
        quality = measures.quad_quality(points, skin)
        region = measures.region_of(points[skin].mean(1) * 100)
        eyes = region == measures.REGIONS.index("eyes")
        assert (quality.smallest_angle[eyes] < 15).mean() < 0.01
        assert quality.concave[eyes].mean() < 0.004


def test_lids_clear_the_eye_in_every_eye_shape(template):
    shapes = [None, *(name for name in ARKIT_NAMES if name.startswith("eye") and name.endswith("Left"))]
    for name in shapes:
        vertices = template.vertices if name is None else template.vertices + template.arkit[ARKIT_INDEX[name]]
        gaze = np.array([0.0, 0, 1]) if name is None else measures.eye_gaze(name)
        assert measures.lid_clearance(template, vertices, gaze) >= 0.1, name


@pytest.mark.parametrize("level", [0, 1])
def test_blink_seals(template, level):
    opening, overlap = measures.blink_gap(template, level)
    # Level 0's long edges cut the corner at the inner canthus.
    assert opening <= (0.1 if level else 0.25) and overlap <= 0.1


def test_identity_is_linear_and_moves_joints(template):
    code = np.zeros(5, np.float32)
    code[0] = 2.0
    assert np.allclose(template.shape(code), template.vertices + 2 * template.identity[0], atol=1e-6)
    assert np.allclose(template.joints(code), template.joint_positions + 2 * template.joint_identity[0], atol=1e-6)
    eye = JOINT_NAMES.index("eye_left")
    lids = np.unique(template.levels[1].curves["eye_left_11"])
    wanted = template.identity[:20, lids].mean(1)
    assert np.linalg.norm(template.joint_identity[:20, eye] - wanted, axis=1).max() < 3e-3


def test_landmarks_lie_on_the_face_in_pairs(template):
    weights = template.landmarks68_barycentric
    assert np.allclose(weights.sum(1), 1, atol=1e-5) and weights.min() > -1e-5
    points = (template.vertices[template.landmarks68_triangle] * weights[..., None]).sum(1)
    for left, right in ((36, 45), (48, 54), (0, 16), (31, 35), (21, 22)):
        assert np.abs(points[left] * [-1, 1, 1] - points[right]).max() < 2.5e-3


def test_random_neutral_heads_have_closed_lips(template):
    """The midline vertices of the two lips on the contact loop go together in every identity."""
    loop = template.levels[1].curves["mouth_08"]
    middle = loop[np.abs(template.vertices[loop, 0]) < 1e-6]
    assert len(middle) == 2
    rng = np.random.default_rng(0)
    apart = np.linalg.norm(template.vertices[middle[0]] - template.vertices[middle[1]])
    for _ in range(20):
        head = template.shape(rng.normal(size=len(template.identity)).astype(np.float32))
        assert abs(np.linalg.norm(head[middle[0]] - head[middle[1]]) - apart) < 0.1e-3
