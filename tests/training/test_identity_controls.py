"""The shipped controls are what the template gives, and do what they say."""

from __future__ import annotations

import json

import numpy as np
import pytest

from neural_backend.head.template import HeadTemplate
from neural_backend.training import identity_controls


@pytest.fixture(scope="module")
def template() -> HeadTemplate:
    return HeadTemplate.load()


@pytest.fixture(scope="module")
def shipped() -> dict:
    return json.loads(identity_controls.DEFAULT_OUTPUT.read_text(encoding="utf-8"))


def test_the_shipped_file_is_derived_from_the_shipped_template(template, shipped):
    derived = identity_controls.derive(template)
    assert derived["template"] == shipped["template"]
    assert [control["id"] for control in derived["controls"]] == [control["id"] for control in shipped["controls"]]
    for now, then in zip(derived["controls"], shipped["controls"], strict=True):
        np.testing.assert_allclose(now["direction"], then["direction"], atol=2e-4)


def test_every_control_moves_its_measure_and_holds_the_others(template, shipped):
    ids = identity_controls.named_vertices(template)
    controls = {control["id"]: control for control in shipped["controls"]}
    for name, control in controls.items():
        direction = np.asarray(control["direction"])
        assert np.linalg.norm(direction) == pytest.approx(1.0, abs=1e-3)  # as likely as any other
        above = identity_controls.places(template, direction, ids)
        below = identity_controls.places(template, -direction, ids)

        def moved(which: str, above=above, below=below) -> float:
            measure = identity_controls.CONTROLS[which][2]
            return (measure(above) - measure(below)) / 2

        assert moved(name) == pytest.approx(control["deviation"], rel=0.06), name
        assert control["deviation"] > 0.5
        for other in control["holds"]:
            # Lengths are not quite linear in the codes: a twelfth of the other's own deviation may stay.
            assert abs(moved(other)) < 0.08 * controls[other]["deviation"], (name, other)


def test_no_shorter_direction_moves_the_measure_as_far(template, shipped):
    """Mahalanobis-shortest: random directions of the same length that hold the same never move it further."""
    gradient = identity_controls.gradients(template, identity_controls.named_vertices(template))
    rng = np.random.default_rng(0)
    for control in shipped["controls"]:
        held = [gradient[other] for other in control["holds"]]
        for _ in range(20):
            other = np.asarray(control["direction"]) + rng.normal(size=len(control["direction"])) * 0.3
            if held:
                basis, _ = np.linalg.qr(np.stack(held, 1))
                other -= basis @ (basis.T @ other)
            other /= np.linalg.norm(other)
            assert gradient[control["id"]] @ other <= control["deviation"] * 1.01


def test_controls_of_a_symmetric_measure_keep_the_face_symmetric(template, shipped):
    for control in shipped["controls"]:
        change = np.tensordot(np.asarray(control["direction"], np.float32), template.identity, 1)
        mirrored = change[template.mirror] * np.array([-1, 1, 1], np.float32)
        assert np.abs(change - mirrored).max() < 0.2e-3, control["id"]
