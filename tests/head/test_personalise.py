"""One person's head: the eye never cuts a lid, blinks close, teeth stay behind the lips; on random identities."""

import numpy as np
import pytest

from neural_backend.head.eye_contact import Ball, EyeRegion, blink_gap
from neural_backend.head.eyes import BALL_RADIUS, CORNEA_RADIUS, LIMBUS_RADIUS
from neural_backend.head.lids import FRONT_EDGE, lid_curves
from neural_backend.head.mouth_contact import lip_depth
from neural_backend.head.personalise import personalise
from neural_backend.head.template import JOINT_NAMES, HeadTemplate
from neural_backend.protocol.arkit import ARKIT_INDEX, ARKIT_NAMES

IDENTITIES = 6
GAZES = ("", "Up", "Down", "In", "Out")


@pytest.fixture(scope="module")
def template():
    return HeadTemplate.load()


@pytest.fixture(scope="module")
def heads(template):
    rng = np.random.default_rng(7)
    codes = [np.zeros(1)] + [rng.standard_normal(len(template.identity)) for _ in range(IDENTITIES - 1)]
    return [personalise(template, code) for code in codes]


def region(template, head, side):
    joint = JOINT_NAMES.index(f"eye_{side}")
    skin = template.part_vertices("skin", f"eye_socket_{side}")
    near = np.linalg.norm(template.vertices[skin] - template.joint_positions[joint], axis=1) < 0.024
    ball = Ball(head.joint_positions[joint].astype(float), head.eye_scale[side == "right"])
    curves = lid_curves(template.vertices, template.levels[1].curves, side)
    return EyeRegion(side, skin[near], curves, ball, np.zeros((0, 4), int))


def distance_outside_eye(points, ball, gaze):
    """Distance of points [n, 3] from two solid spheres, written from their centres and radii alone."""
    sclera = np.linalg.norm(points - ball.centre, axis=1) - BALL_RADIUS * ball.scale
    limbus = np.sqrt(BALL_RADIUS**2 - LIMBUS_RADIUS**2)
    on_axis = (limbus - np.sqrt(CORNEA_RADIUS**2 - LIMBUS_RADIUS**2)) * ball.scale
    cornea = np.linalg.norm(points - ball.centre - gaze * on_axis, axis=1) - CORNEA_RADIUS * ball.scale
    return np.minimum(sclera, cornea)


def gaze_of_mesh(template, head, side, shape):
    """[3] where the drawn pupil looks, taken from the mesh: the front-most ring of the eyeball from its centre."""
    joint = JOINT_NAMES.index(f"eye_{side}")
    part = template.part_vertices(f"cornea_{side}")
    apex = part[template.vertices[part, 2].argmax()]
    direction = head.vertices[apex] + (0 if shape is None else head.arkit[ARKIT_INDEX[shape]][apex])
    direction = direction - head.joint_positions[joint]
    return direction / np.linalg.norm(direction)


@pytest.mark.parametrize("side", ["left", "right"])
def test_eye_never_cuts_a_lid_in_any_shape_and_gaze(template, heads, side):
    own = side.capitalize()
    for number, head in enumerate(heads):
        eye = region(template, head, side)
        level = template.levels[1]
        faces = level.quads[np.isin(level.quads, eye.ids).all(1)]
        for name in (None, *ARKIT_NAMES):
            if name and name.startswith("eyeLook"):
                continue
            for way in GAZES:
                look = f"eyeLook{way}{own}" if way else None
                points = head.vertices.astype(float)
                for shape in (name, look):
                    if shape:
                        points = points + head.arkit[ARKIT_INDEX[shape]]
                gaze = gaze_of_mesh(template, head, side, look)
                least = distance_outside_eye(points[eye.ids], eye.ball, gaze).min()
                assert least >= 0.1e-3, f"identity {number}, {name} with {look}: {least * 1e3:.3f} mm at a vertex"
                middle = distance_outside_eye(points[faces].mean(1), eye.ball, gaze).min()
                assert middle >= 0.02e-3, f"identity {number}, {name} with {look}: {middle * 1e3:.3f} mm inside a face"


@pytest.mark.parametrize("side", ["left", "right"])
def test_blink_closes(template, heads, side):
    for number, head in enumerate(heads):
        eye = region(template, head, side)
        blink = head.vertices + head.arkit[ARKIT_INDEX[f"eyeBlink{side.capitalize()}"]]
        closed, _ = blink_gap(blink.astype(float), eye)
        open_, _ = blink_gap(head.vertices.astype(float), eye)
        assert open_.max() > 4e-3, "the eye is open at rest"
        assert closed[2:-2].max() <= 0.06e-3, f"identity {number}: {closed.max() * 1e3:.3f} mm open"
        # At the very canthi the two lids are one fold.
        assert closed.max() <= 0.4e-3, f"identity {number}: {closed.max() * 1e3:.3f} mm open"
        assert closed.min() > -1.0e-3, f"identity {number}: lids overlap by {-closed.min() * 1e3:.3f} mm"


def test_eyeball_stays_a_ball_of_24_mm(template, heads):
    for head in heads:
        for side in ("left", "right"):
            eye = region(template, head, side)
            part = template.part_vertices(f"eye_{side}")
            turning = template.joint_weights[part, JOINT_NAMES.index(f"eye_{side}")] > 0.5
            back = part[turning & (template.vertices[part, 2] < template.joint_positions[3, 2])]
            radius = np.linalg.norm(head.vertices[back] - eye.ball.centre, axis=1)
            assert np.ptp(radius) < 2e-6
            assert abs(radius.mean() / BALL_RADIUS - 1) <= 0.0501


@pytest.mark.parametrize(
    ("shape", "axis", "sign"),
    [("Up", 1, 1), ("Down", 1, -1), ("In", 0, -1), ("Out", 0, 1)],
)
def test_gaze_turns_the_named_way_by_25_to_30_degrees(template, heads, shape, axis, sign):
    for side, flip in (("left", 1), ("right", -1 if axis == 0 else 1)):
        gaze = gaze_of_mesh(template, heads[0], side, f"eyeLook{shape}{side.capitalize()}")
        assert 24.5 <= np.degrees(np.arccos(gaze[2])) <= 30.5
        assert gaze[axis] * sign * flip > 0.4


def test_teeth_stay_behind_the_lips(template, heads):
    for head in heads:
        for part in ("teeth_upper", "teeth_lower"):
            teeth = template.part_vertices(part)
            assert lip_depth(template, head.vertices.astype(float), teeth).min() > 0.15e-3


def test_jaw_carries_lower_teeth_as_a_rigid_body(template, heads):
    head = heads[1]
    lower, upper = template.part_vertices("teeth_lower"), template.part_vertices("teeth_upper")
    for name in ("jawOpen", "jawForward", "jawLeft", "jawRight"):
        shape = head.arkit[ARKIT_INDEX[name]]
        before, after = template.vertices[lower], template.vertices[lower] + template.arkit[ARKIT_INDEX[name]][lower]
        pair = np.random.default_rng(0).integers(0, len(lower), (200, 2))
        length = [np.linalg.norm(p[pair[:, 0]] - p[pair[:, 1]], axis=1) for p in (before, after)]
        assert np.abs(length[0] - length[1]).max() < 0.1e-3
        assert np.linalg.norm(shape[lower], axis=1).max() > 3e-3
        assert np.abs(shape[upper]).max() == 0


def test_tongue_comes_out_through_the_lips(template, heads):
    head = heads[0]
    shape = head.vertices + head.arkit[ARKIT_INDEX["tongueOut"]]
    tongue = template.part_vertices("tongue")
    lips = np.concatenate([template.levels[1].curves[f"mouth_{k:02d}"] for k in range(2, 9)])
    assert head.vertices[tongue, 2].max() < head.vertices[lips, 2].max() - 8e-3
    assert shape[tongue, 2].max() > shape[lips, 2].max() + 6e-3


def test_lashes_follow_the_lid_when_it_blinks(template, heads):
    head = heads[2]
    curves = lid_curves(template.vertices, template.levels[1].curves, "left")
    lashes = template.part_vertices("lashes")
    lashes = lashes[template.vertices[lashes, 0] > 0]
    edge = curves.upper[FRONT_EDGE]
    closed = head.vertices + head.arkit[ARKIT_INDEX["eyeBlinkLeft"]]

    def reach(points):
        return np.linalg.norm(points[lashes][:, None] - points[edge][None], axis=2).min(1)

    near = reach(head.vertices) < 0.9e-3  # the roots
    assert near.sum() > 100
    assert np.abs(reach(closed) - reach(head.vertices))[near].max() < 0.5e-3
    assert closed[lashes, 1].min() < head.vertices[lashes, 1].min() + 1e-3
    assert (closed[lashes, 1].max() - head.vertices[lashes, 1].max()) < -3e-3


def test_mean_head_is_mirror_symmetric(template, heads):
    head = heads[0]
    assert np.abs(head.vertices[template.mirror] * [-1, 1, 1] - head.vertices).max() < 0.1e-3


def test_wrong_input_is_refused_in_one_sentence(template):
    with pytest.raises(ValueError, match="finite"):
        personalise(template, np.array([np.nan]))
    with pytest.raises(ValueError, match="identity"):
        personalise(template, np.zeros(len(template.identity) + 1))
    with pytest.raises(ValueError, match="skin_offset"):
        personalise(template, np.zeros(3), np.zeros((5, 3)))
