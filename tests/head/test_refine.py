"""An edited head is finished like a fitted one, and keeps what the artist did to it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from neural_backend.head.eye_contact import Ball, blink_gap, clearance, gaze_direction
from neural_backend.head.personalise import PersonalHead, _fit_eye, personalise
from neural_backend.head.refine import refine, with_lid_rest
from neural_backend.head.template import HeadTemplate
from neural_backend.protocol.arkit import ARKIT_INDEX
from neural_backend.protocol.errors import MienError
from neural_backend.tasks.refine import RefineRequest, run

ROOT = Path(__file__).resolve().parents[2]
REST = 0.08


@pytest.fixture(scope="module")
def template() -> HeadTemplate:
    return HeadTemplate.load()


@pytest.fixture(scope="module")
def codes(template) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    return tuple(rng.normal(scale=0.7, size=len(template.identity)).astype(np.float32) for _ in range(2))


def fitted(template, identity, rest=REST) -> PersonalHead:
    head = personalise(template, identity)
    vertices, arkit = with_lid_rest(head.vertices, head.arkit, rest)
    # As a package keeps it.
    return PersonalHead(vertices, arkit.astype(np.float16).astype(np.float32), head.joint_positions, head.eye_scale)


def test_an_unchanged_identity_is_an_unchanged_head(template, codes):
    shown = fitted(template, codes[0])
    head = refine(template, codes[0], shown, codes[0], REST)
    np.testing.assert_allclose(head.vertices, shown.vertices, atol=1e-5)
    np.testing.assert_allclose(head.arkit, shown.arkit, atol=5e-5)


def test_a_changed_identity_is_that_identitys_fit(template, codes):
    head = refine(template, codes[1], fitted(template, codes[0]), codes[0], REST)
    expected = fitted(template, codes[1])
    np.testing.assert_allclose(head.vertices, expected.vertices, atol=5e-5)
    np.testing.assert_allclose(head.arkit, expected.arkit, atol=1e-4)
    np.testing.assert_allclose(head.joint_positions, expected.joint_positions, atol=1e-6)


def test_sculpting_is_kept_and_the_lids_still_fit(template, codes):
    shown = fitted(template, codes[0], 0.0)
    vertices = shown.vertices.copy()
    tip = int(vertices[:, 2].argmax())
    bump = 4e-3 * np.exp(-((np.linalg.norm(vertices - vertices[tip], axis=1) / 0.012) ** 2))
    skin = template.part_vertices("skin")
    vertices[skin, 2] += bump[skin]
    # Somebody pulled an upper lid into the eye: it has to come out again.
    lid = template.levels[1].curves["eye_left_09"]
    vertices[lid, 2] -= 1.0e-3
    head = refine(template, codes[1], PersonalHead(vertices, shown.arkit, shown.joint_positions, (1, 1)), codes[0], 0.0)
    plain = fitted(template, codes[1], 0.0)
    assert (head.vertices - plain.vertices)[tip, 2] == pytest.approx(4e-3, abs=2e-4)
    for side in ("left", "right"):
        check_eye(template, head, side)


def check_eye(template, head: PersonalHead, side: str) -> None:
    """Lids off the ball in neutral; the blink closed."""
    eye = side == "right"
    placed = Ball(head.joint_positions[3 + eye].astype(float), head.eye_scale[eye])
    region = replace(_fit_eye(template, head.vertices.astype(float), template.joints(), side), ball=placed)
    points = head.vertices[region.ids].astype(float)
    assert clearance(points, region.ball, gaze_direction(None)).min() > 0.02e-3
    closed = head.vertices.astype(float) + head.arkit[ARKIT_INDEX[region.own("eyeBlink")]]
    gap, _ = blink_gap(closed, region)
    assert gap.max() < 0.15e-3


def test_a_mixture_of_heads_lies_between_them(template, codes):
    first, second = fitted(template, codes[0], 0.1), fitted(template, codes[1], 0.0)
    half = refine(template, (codes[0] + codes[1]) / 2, first, codes[0], 0.1, (second, codes[1], 0.0, 0.5))
    between = (first.vertices + second.vertices) / 2
    skin = template.part_vertices("skin")
    distance = np.linalg.norm(half.vertices - between, axis=1)[skin]
    assert np.percentile(distance, 95) < 0.3e-3 and distance.max() < 2e-3
    whole = refine(template, codes[1], first, codes[0], 0.1, (second, codes[1], 0.0, 1.0))
    np.testing.assert_allclose(whole.vertices, second.vertices, atol=5e-5)


def test_the_door_for_blenders_python(template, codes, tmp_path):
    """The process needs neither torch nor scipy nor safetensors, and says what is wrong."""
    shown = fitted(template, codes[0])
    np.savez(
        tmp_path / "request.npz",
        identity=codes[1],
        vertices=shown.vertices,
        arkit=shown.arkit,
        shown_identity=codes[0],
        lid_rest=np.float32(REST),
    )
    block = "import sys\nfor n in ('torch','scipy','cv2','safetensors'): sys.modules[n]=None\n"
    code = f"{block}from neural_backend.tasks.refine import main\nsys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "request.npz"), str(tmp_path / "result.npz")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "result.npz") as result:
        np.testing.assert_allclose(result["vertices"], fitted(template, codes[1]).vertices, atol=5e-5)
        assert float(result["lid_rest"]) == pytest.approx(REST)
    np.savez(tmp_path / "bad.npz", identity=codes[1], vertices=shown.vertices[:5], arkit=shown.arkit[:, :5],
             shown_identity=codes[0], lid_rest=np.float32(0))  # fmt: skip
    with pytest.raises(MienError, match="5 vertices") as raised:
        run(RefineRequest(tmp_path / "bad.npz", tmp_path / "other.npz"))
    assert raised.value.sentence.endswith("import the head again.")
    assert not (tmp_path / "other.npz").exists()
