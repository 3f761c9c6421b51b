"""E_e and E_T taught by pictures of captures and of the volume itself; runs that start from weights; mixed captures."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from neural_backend.lightstage.captures import CaptureSet
from neural_backend.models.vrmm.vrmm import VRMM
from neural_backend.protocol.errors import MienError
from neural_backend.training.vrmm import reading
from neural_backend.training.vrmm.dataset import Captures
from neural_backend.training.vrmm.train import Trainer


@pytest.fixture
def captures(little_stage):
    return Captures(little_stage, 32, 1, 0, 50, 0)


def test_readings_are_what_the_captures_know(captures, little_stage):
    readings = captures.readings(3, range(2), 5)
    assert readings.encoder_rgb.shape == (10, 1, 3, 32, 32) and readings.encoder_rgb.max() > 0.01
    known = [CaptureSet.open(little_stage).read(name).expression for name in captures.names]
    for row in readings.arkit.numpy():
        assert min(np.abs(row - other).max() for other in known) == 0
    assert captures.readings(3, range(2), 0) is None
    assert torch.equal(captures.readings(3, range(1, 2), 5).encoder_rgb, readings.encoder_rgb[5:])


def test_encoders_learn_to_read_and_nothing_else_moves(captures, recipe, template, monkeypatch):
    monkeypatch.setattr(reading, "MADE", 3)
    monkeypatch.setattr(reading, "SEEN", 6)
    model = VRMM(recipe.config, template, captures.subjects)
    for parameter in model.arkit_adaptor.layers[-1].parameters():  # codes worth reading
        parameter.data *= 3
    before = {name: value.clone() for name, value in model.state_dict().items()}
    monkeypatch.setattr(reading, "RATE", 4e-3)
    curve = reading.teach_reading(model, captures, 60, recipe.march_step_m)
    assert np.mean(curve[-8:]) < 0.6 * np.mean(curve[:4])
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert moved and all(name.startswith(("expression_encoder", "transformation_encoder")) for name in moved)


def test_reading_ends_the_schedule_once(little_stage, recipe, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(Trainer, "teach_reading", lambda self, steps, stop: calls.append(steps) or True)
    short = replace(recipe, steps=2, reading_steps=7, geometry_steps=1)
    Trainer(short, little_stage, tmp_path / "run").run()
    Trainer(short, little_stage, tmp_path / "run").run()
    assert calls == [7]
    Trainer(replace(short, steps=3), little_stage, tmp_path / "run").run()
    assert calls == [7, 7]  # a longer schedule ends with it again


def test_reading_that_is_stopped_is_the_next_sessions(little_stage, recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "MADE", 2)
    monkeypatch.setattr(reading, "SEEN", 2)
    short = replace(recipe, steps=2, reading_steps=4, geometry_steps=1)
    trainer = Trainer(short, little_stage, tmp_path / "run")
    done = []

    def read_two(model, captures, steps, *_):
        done.append(steps)
        trainer.ask_to_stop()
        return [0.0, 0.0]

    monkeypatch.setattr("neural_backend.training.vrmm.train.teach_reading", read_two)
    trainer.run()
    assert done == [4] and not trainer.read
    monkeypatch.undo()
    monkeypatch.setattr(reading, "MADE", 2)
    again = Trainer(short, little_stage, tmp_path / "run")
    again.ask_to_stop()
    again.run()
    assert not again.read  # no time at all
    last = Trainer(short, little_stage, tmp_path / "run")
    last.run()
    assert last.read and Trainer(short, little_stage, tmp_path / "run").read


def test_captures_without_geometry_end_without_reading(little_stage, recipe, tmp_path):
    stage = CaptureSet.open(little_stage)
    shutil.copytree(little_stage, tmp_path / "bare")
    for name in stage.names:
        stage.read(name).withheld().write(tmp_path / "bare")
    run = tmp_path / "run"
    trainer = Trainer(replace(recipe, steps=2, reading_steps=5), tmp_path / "bare", run)
    trainer.run()
    assert trainer.step == 2 and (run / "checkpoint.pt").is_file()
    with pytest.raises(MienError, match="known expressions"):
        trainer.teach_reading(1)


def test_the_model_goes_on_from_what_the_average_learned(little_stage, recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "MADE", 2)
    monkeypatch.setattr(reading, "SEEN", 2)
    trainer = Trainer(replace(recipe, geometry_steps=1), little_stage, tmp_path / "run")
    trainer.advance()
    before = [parameter.clone() for parameter in trainer.average.expression_encoder.parameters()]
    trainer.teach_reading(2)
    pairs = zip(
        trainer.average.expression_encoder.parameters(), trainer.model.expression_encoder.parameters(), strict=True
    )
    assert all(torch.equal(a, b) for a, b in pairs)
    after = trainer.average.expression_encoder.parameters()
    assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert not trainer.captures.readings(0, range(1), 1).arkit.requires_grad and trainer.advance().total.isfinite()


def test_a_run_starts_from_weights(little_stage, recipe, template, tmp_path):
    model = VRMM(recipe.config, template, ("cleo", "anna"), seed=5)
    model.save(tmp_path / "first.safetensors")
    trainer = Trainer(recipe, little_stage, tmp_path / "run", template=template, start=tmp_path / "first.safetensors")
    assert trainer.model.subjects == ("cleo", "anna", "ben") and trainer.started and trainer.step == 0
    kept = model.mesh_decoder.state_dict()
    for name, value in trainer.model.mesh_decoder.state_dict().items():
        assert torch.allclose(value, kept[name], atol=1e-3), name
    assert torch.allclose(trainer.model.codes[:2], model.codes, atol=1e-3)
    before = trainer.model.codes.clone()
    trainer.advance()
    assert not torch.equal(trainer.model.codes, before)
    other = replace(recipe, config=replace(recipe.config, mesh_hidden=24))
    with pytest.raises(MienError, match="other sizes"):
        Trainer(other, little_stage, tmp_path / "other", template=template, start=tmp_path / "first.safetensors")


def test_captures_that_do_not_belong_do_not_end_a_run(little_stage, recipe, template, tmp_path, caplog):
    shutil.copytree(little_stage, tmp_path / "growing")
    stage = CaptureSet.open(tmp_path / "growing")
    trainer = Trainer(recipe, tmp_path / "growing", tmp_path / "run", template=template)
    replace(stage.read("anna_000").withheld(), name="dora_000", subject="dora").write(tmp_path / "growing")
    trainer._refresh()
    assert "left out" in caplog.text and trainer.captures.names == stage.names and "dora" not in trainer.model.subjects
    assert trainer.advance().total.isfinite()


def test_captures_with_and_without_geometry_are_not_mixed(little_stage, tmp_path):
    shutil.copytree(little_stage, tmp_path / "mixed")
    stage = CaptureSet.open(tmp_path / "mixed")
    stage.read("anna_000").withheld().write(tmp_path / "mixed")
    with pytest.raises(MienError, match="8 have known geometry"):
        Captures(tmp_path / "mixed", 32, 1, 0, 50, 0)
    captures = Captures(tmp_path / "mixed", 32, 1, 0, 50, 0, withhold=True)
    partly = replace(stage.read("anna_001"), vertices=None, gaze_rad=None)
    for name in stage.names:
        stage.read(name).withheld().write(tmp_path / "mixed")
    partly.write(tmp_path / "mixed")
    with pytest.raises(MienError, match="keep both"):
        Captures(tmp_path / "mixed", 32, 1, 0, 50, 0)
    assert captures.readings(0, range(1), 1) is None
