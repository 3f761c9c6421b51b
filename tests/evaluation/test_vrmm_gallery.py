"""The model card's sheets: a tile per subject and face or light."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from neural_backend.evaluation.vrmm import gallery
from neural_backend.head.template import HeadTemplate
from neural_backend.models.vrmm.config import VRMMConfig
from neural_backend.models.vrmm.vrmm import VRMM

TINY = VRMMConfig(
    identity=6, expression=5, grid=16, voxels=4, channels=(16, 16, 12, 8), identity_channels=(8, 8, 8),
    light_channels=(6, 6, 6, 4), mesh_hidden=16, mesh_residual=3, encoder_channels=(8, 8, 8), encoder_size=32,
    adaptor_hidden=8,
)  # fmt: skip


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    VRMM(TINY, HeadTemplate.load(), ("a", "b", "c", "d")).save(path)
    return path


def test_four_sheets(weights, tmp_path, monkeypatch):
    monkeypatch.setattr(gallery, "TILE", 24)
    monkeypatch.setattr(gallery, "ACROSS", 2)
    gallery.main(["-o", str(tmp_path), "--weights", str(weights), "--subjects", "a", "b", "c", "d"])
    shapes = {name: cv2.imread(str(tmp_path / f"{name}.jpg")).shape[:2] for name in ("expressions", "interpolation")}
    assert shapes == {"expressions": (4 * 24, 7 * 24), "interpolation": (2 * 24, 2 * 24)}
    lights = cv2.imread(str(tmp_path / "lights.jpg")).astype(float)
    assert lights.shape[:2] == (6 * 24, 2 * 24)
    assert np.abs(lights[48:72, :24] - lights[48:72, 24:]).mean() > 2  # the sun has moved
    assert (tmp_path / "turn.jpg").is_file()


def test_strangers_are_refused(weights, tmp_path):
    with pytest.raises(SystemExit, match="do not know x"):
        gallery.main(["-o", str(tmp_path), "--weights", str(weights), "--subjects", "a", "b", "c", "x"])
