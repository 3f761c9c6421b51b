"""Known heads: shots are reproducible, splits disjoint, and the recorded truth lies on the recorded picture."""

import argparse
from pathlib import Path

import numpy as np
import pytest

from neural_backend.head.template import HeadTemplate
from neural_backend.lightstage.appearance import monk_tone
from neural_backend.lightstage.known_heads import (
    CALIBRATION_ENVIRONMENTS,
    PROOF_ENVIRONMENTS,
    calibration_shots,
    draw_camera,
    draw_face,
    draw_lighting,
    proof_shots,
    read_known_heads,
    training_shots,
)
from neural_backend.lightstage.render_known_heads import parse_part
from neural_backend.perception.face import FacePerception
from neural_backend.perception.image import load_photo
from neural_backend.protocol.arkit import ARKIT_INDEX

SAMPLE = Path(__file__).parents[1] / "data" / "known_heads"
CENTRE = np.array([0.0, -0.005, 0.02])


@pytest.fixture(scope="module")
def heads():
    return list(read_known_heads(SAMPLE))


def test_splits_share_no_seed_and_no_environment():
    calibration, proof = calibration_shots(700, 352), proof_shots(16, 512)
    assert not {shot.subject_seed for shot in calibration} & {shot.subject_seed for shot in proof}
    assert not {shot.seed for shot in calibration} & {shot.seed for shot in proof}
    assert {shot.kind for shot in proof} == {"makehuman"}
    assert not set(CALIBRATION_ENVIRONMENTS) & set(PROOF_ENVIRONMENTS)
    assert {draw_lighting(shot).environment for shot in calibration[:60]} <= set(CALIBRATION_ENVIRONMENTS)
    assert {draw_lighting(shot).environment for shot in proof} <= set(PROOF_ENVIRONMENTS)
    names = [shot.name for shot in calibration + proof]
    assert len(set(names)) == len(names)


def test_training_people_are_nobody_else_and_keep_their_face():
    training = training_shots(80, 352)
    others = calibration_shots(700, 352) + proof_shots(16, 512) + proof_shots(16, 512, "sculpted")
    assert not {shot.subject_seed for shot in training} & {shot.subject_seed for shot in others}
    assert len({shot.seed for shot in training} | {shot.seed for shot in others}) == len(training) + len(set(
        shot.seed for shot in others
    ))  # fmt: skip
    people: dict[int, list] = {}
    for shot in training:
        people.setdefault(shot.subject_seed, []).append(shot)
    assert {len(shots) for shots in people.values()} == {4}
    for first, *rest in people.values():
        for shot in rest:
            assert (draw_face(shot)[0] == draw_face(first)[0]).all() and draw_face(shot)[1] == draw_face(first)[1]
            assert (draw_camera(shot, CENTRE).camera_from_head != draw_camera(first, CENTRE).camera_from_head).any()
    kinds = [shots[0].kind for shots in people.values()]
    assert kinds.count("prior") == 10 and kinds.count("sculpted") == 8 and kinds.count("makehuman") == 2


def test_a_shot_is_drawn_again_the_same():
    shot = calibration_shots(9, 352)[7]
    first, second = draw_camera(shot, CENTRE), draw_camera(shot, CENTRE)
    assert (first.camera_from_head == second.camera_from_head).all() and first.focal_px == second.focal_px
    assert (draw_face(shot)[0] == draw_face(shot)[0]).all() and draw_lighting(shot) == draw_lighting(shot)


def test_views_see_the_named_cheek_and_the_whole_face():
    vertices = HeadTemplate.load().vertices
    for shot in proof_shots(12, 512) + calibration_shots(120, 352):
        camera = draw_camera(shot, CENTRE)
        turned = np.degrees(np.arctan2(camera.centre_head[0], camera.centre_head[2]))
        if shot.view == "front":
            assert abs(turned) < 15
        elif shot.view in ("left", "right"):
            assert 20 < (turned if shot.view == "left" else -turned) < 52, "+X is the subject's left"
        pixels, depth = camera.project(vertices[np.abs(vertices[:, 1]) < 0.07])
        assert depth.min() > 0.1
        assert pixels.min() > -0.05 * shot.size and pixels.max() < 1.05 * shot.size
        assert np.linalg.det(camera.rotation) == pytest.approx(1)


def test_soft_and_hard_light_share_camera_and_face():
    shots = {shot.name: shot for shot in proof_shots(2, 512)}
    soft, hard = shots["proof_01_front_neutral_soft"], shots["proof_01_front_neutral_hard"]
    assert (draw_camera(soft, CENTRE).camera_from_head == draw_camera(hard, CENTRE).camera_from_head).all()
    assert (draw_face(soft)[0] == draw_face(hard)[0]).all() and draw_face(soft)[1] == draw_face(hard)[1]
    assert max(light.size for light in draw_lighting(soft).areas) > 10 * draw_lighting(hard).areas[0].size


def test_smiles_smile_in_every_view_alike():
    smiles = [draw_face(shot)[0] for shot in proof_shots(3, 512) if shot.expression == "smile" and "_02_" in shot.name]
    assert len(smiles) == 3
    assert smiles[0][ARKIT_INDEX["mouthSmileLeft"]] > 0.2
    assert all((smile == smiles[0]).all() for smile in smiles)


def test_tones_run_from_light_to_dark_with_the_hue_of_skin():
    tones = np.array([monk_tone(place) for place in np.linspace(0, 9, 19)])
    # The scale's third swatch is a little lighter than its second.
    assert np.diff(tones.mean(1)).max() < 0.01 and tones[0].mean() > 10 * tones[-1].mean()
    assert (tones[:, 0] > tones[:, 1]).all() and (tones[:, 1] > tones[:, 2]).all()
    assert 0.015 < tones.min() and tones.max() < 0.9


def test_missing_folder_says_how_to_render(tmp_path):
    with pytest.raises(FileNotFoundError, match="render_known_heads"):
        list(read_known_heads(tmp_path))


def test_sample_is_complete(heads):
    template = HeadTemplate.load()
    assert {head.split for head in heads} == {"calibration", "proof"}
    for head in heads:
        assert head.picture.is_file()
        assert head.vertices.shape == head.neutral.shape == (len(head.neutral), 3)
        assert len(head.neutral) <= len(template.vertices)
        assert 0.2 < np.ptp(head.neutral[:, 1]) < 0.45, "metres"
        assert head.expression.shape == (52,) and 0 <= head.expression.min() <= head.expression.max() <= 1


def test_truth_lies_on_the_picture(heads):
    """Eye corners and mouth corners found by the landmark network lie where the known vertices project."""
    perception, curves = FacePerception.load(), HeadTemplate.load().levels[1].curves
    for head in heads:
        faces = perception.detect(load_photo(head.picture))
        assert len(faces) == 1, head.name
        found = faces[0].landmarks[:, :2]
        eye_distance = np.linalg.norm(found[33] - found[263])
        for landmark, curve, side in (
            (33, "eye_right_06", -1),
            (263, "eye_left_06", 1),
            (61, "mouth_05", -1),
            (291, "mouth_05", 1),
        ):
            loop = head.vertices[curves[curve]].astype(np.float64)
            corner = loop[(side * loop[:, 0]).argmax()]
            pixel, _ = head.camera.project(corner[None])
            assert np.linalg.norm(pixel[0] - found[landmark]) < 0.1 * eye_distance, (head.name, landmark)


def test_parts_of_the_work_are_read_or_refused():
    assert parse_part("1/3") == (1, 3)
    for word in ("3/3", "1", "a/2", "0/0", "-1/2"):
        with pytest.raises(argparse.ArgumentTypeError, match="K/N"):
            parse_part(word)
