"""The model card's sheets: a tile per subject and face or light, and sliders that move something."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from neural_backend.evaluation.vrmm import gallery
from neural_backend.models.vrmm.vrmm import VRMM


@pytest.fixture(scope="module")
def weights(recipe, template, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    model = VRMM(recipe.config, template, ("a", "b", "c", "d"))
    for parameter in (*model.arkit_adaptor.parameters(), *model.mesh_decoder.parameters()):
        parameter.data *= 2  # a fresh model hardly moves
    model.save(path)
    return path


def test_four_sheets(weights, tmp_path, monkeypatch):
    monkeypatch.setattr(gallery, "TILE", 24)
    monkeypatch.setattr(gallery, "ACROSS", 2)
    gallery.main(["-o", str(tmp_path), "--weights", str(weights), "--subjects", "a", "b", "c", "d"])
    shapes = {name: cv2.imread(str(tmp_path / f"{name}.jpg")).shape[:2] for name in ("expressions", "interpolation")}
    faces = cv2.imread(str(tmp_path / "expressions.jpg")).astype(float).reshape(4, 24, 7, 24, 3)
    assert np.abs(faces[:, :, 1] - faces[:, :, 0]).mean() > 0.2  # jawOpen is not rest
    assert shapes == {"expressions": (4 * 24, 7 * 24), "interpolation": (2 * 24, 2 * 24)}
    lights = cv2.imread(str(tmp_path / "lights.jpg")).astype(float)
    assert lights.shape[:2] == (6 * 24, 2 * 24)
    assert np.abs(lights[48:72, :24] - lights[48:72, 24:]).mean() > 2  # the sun has moved
    assert (tmp_path / "turn.jpg").is_file()


def test_strangers_are_refused(weights, tmp_path):
    with pytest.raises(SystemExit, match="do not know x"):
        gallery.main(["-o", str(tmp_path), "--weights", str(weights), "--subjects", "a", "b", "c", "x"])
