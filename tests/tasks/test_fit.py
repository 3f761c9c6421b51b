"""The whole task on a real portrait: a package that is complete, and nothing at all when it is stopped."""

from __future__ import annotations

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from neural_backend.head.package import HeadPackage
from neural_backend.protocol.arkit import ARKIT_NAMES
from neural_backend.protocol.errors import Cancelled
from neural_backend.tasks.fit import FitRequest, run

PORTRAIT = Path(__file__).resolve().parents[2] / "examples" / "astronaut.png"


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    stages = []
    request = FitRequest((str(PORTRAIT),), str(tmp_path_factory.mktemp("out")), name="Eileen", quality="draft")
    return run(request, lambda stage, done, text="": stages.append((stage, done))), stages


def test_the_package_is_whole(outcome):
    path = outcome[0].package
    package = HeadPackage.read(path)
    assert path.name == "Eileen.head" and package.name == "Eileen"
    assert os.listdir(path.parent) == ["Eileen.head"]
    assert len(package.levels) == 2 and len(package.photos) == 1
    listed = [file for files in package.maps.values() for file in files.values()]
    assert len(listed) >= 8
    for file in [*listed, package.photos[0].file, "report/residual.png"]:
        assert cv2.imread(str(path / file), cv2.IMREAD_UNCHANGED) is not None, file
    diffuse = cv2.imread(str(path / package.maps["skin"]["diffuse"]))
    assert diffuse.shape == (1024, 1024, 3) and diffuse.dtype == np.uint8
    assert cv2.imread(str(path / package.maps["skin"]["normal"]), cv2.IMREAD_UNCHANGED).dtype == np.uint16
    assert list(package.photos[0].expression) == list(ARKIT_NAMES)


def test_the_photo_lies_under_the_fitted_head(outcome):
    package = HeadPackage.read(outcome[0].package)
    photo, level = package.photos[0], package.levels[-1]
    in_camera = level.fitted[0] @ photo.camera_from_head[:3, :3].T + photo.camera_from_head[:3, 3]
    pixels = in_camera @ photo.intrinsics.T
    pixels = pixels[:, :2] / pixels[:, 2:]
    eyes = np.isin(level.part, [package.part_names.index(name) for name in ("eye_left", "eye_right")])
    between = pixels[np.unique(level.quads[eyes])].mean(0)
    assert np.abs(between - [224, 114]).max() < 12  # her eyes in the 512 x 512 photo


def test_the_report_says_what_was_done(outcome):
    description = json.loads((outcome[0].package / "head.json").read_text())
    report = description["report"]
    assert report["quality"] == "draft" and report["map_size"] == 1024
    assert report["perception_device"] in ("cpu", "cuda")
    assert report["photos"][0]["reprojection_px"] < 10
    assert any("OTHER DEALINGS" in entry["notice"] for entry in description["licences"])


def test_progress_runs_through_the_stages_in_order(outcome):
    stages = outcome[1]
    assert list(dict.fromkeys(stage for stage, _ in stages)) == ["look", "fit", "textures", "write"]
    for stage in ("look", "fit", "textures", "write"):
        done = [value for name, value in stages if name == stage]
        assert done == sorted(done) and done[0] == 0.0 and done[-1] == 1.0


@pytest.mark.parametrize("stopped_at", ["look", "fit", "textures"])
def test_stopping_leaves_nothing(tmp_path, stopped_at):
    def stop(stage, done, text=""):
        if stage == stopped_at:
            raise Cancelled

    with pytest.raises(Cancelled):
        run(FitRequest((str(PORTRAIT),), str(tmp_path / "out"), quality="draft"), stop)
    assert not (tmp_path / "out").exists()
