"""`mien train vrmm`: options and refusals. The training itself is test_training's."""

from __future__ import annotations

import pytest

from neural_backend.cli import EXIT_USAGE, build_parser, main
from neural_backend.training.vrmm.command import recipe_of
from neural_backend.training.vrmm.processes import Processes
from neural_backend.training.vrmm.recipe import RECIPES


def parsed(*words: str):
    return build_parser().parse_args(["train", "vrmm", "captures", "-o", "run", *words])


def test_options_change_the_recipe():
    assert recipe_of(parsed()) == RECIPES["two_cores"]
    assert recipe_of(parsed("--recipe", "large_gpu")) == RECIPES["large_gpu"]
    recipe = recipe_of(parsed("--steps", "70", "--batch", "2", "--crop", "96", "--rate", "1e-4", "--seed", "5"))
    assert (recipe.steps, recipe.batch, recipe.crop, recipe.rate, recipe.seed) == (70, 2, 96, 1e-4, 5)


def test_ablations():
    assert recipe_of(parsed("--no-consistency")).consistency_from >= RECIPES["two_cores"].steps
    assert not recipe_of(parsed("--no-shading-maps")).config.shading_maps
    assert not recipe_of(parsed("--no-flat-light")).config.flat_light
    assert recipe_of(parsed("--withhold-geometry")).withhold


def test_a_folder_without_captures_is_refused(tmp_path, capsys):
    assert main(["train", "vrmm", str(tmp_path), "-o", str(tmp_path / "run")]) == EXIT_USAGE
    assert "not a folder of captures" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_light_must_enter_somewhere(little_stage, tmp_path, capsys):
    words = ["train", "vrmm", str(little_stage), "-o", str(tmp_path / "run"), "--no-shading-maps", "--no-flat-light"]
    assert main(words) == EXIT_USAGE
    assert "no light can enter" in capsys.readouterr().err


def test_places_are_shared_out():
    shares = [list(Processes(rank, 3).places(6)) for rank in range(3)]
    assert sum(shares, []) == list(range(6))
    with pytest.raises(AssertionError):
        Processes(0, 4).places(6)
