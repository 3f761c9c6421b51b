"""Solve Again as a task: pins and paint from one package into the next, and what cannot be solved."""

from __future__ import annotations

import shutil

import cv2
import numpy as np
import pytest

from neural_backend.head.package import HeadPackage
from neural_backend.protocol.errors import MienError
from neural_backend.tasks import fit, solve_again


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    folder = tmp_path_factory.mktemp("first")
    return fit.run(fit.FitRequest(("examples/astronaut.png",), str(folder), "first", quality="draft")).package


def painted_copy(package, folder, name="diffuse"):
    image = cv2.imread(str(package / f"maps/{name}.png"), cv2.IMREAD_UNCHANGED)
    image[300:330, 400:450] = image[300:330, 400:450] // 2 + 40
    cv2.imwrite(str(folder / f"{name}.png"), image)
    return image


def test_twice_solved_the_paint_is_still_there(first, tmp_path):
    painted = {name: painted_copy(first, tmp_path, name) for name in ("diffuse", "roughness", "normal")}
    files = tuple((name, str(tmp_path / f"{name}.png")) for name in painted)
    second = solve_again.run(
        solve_again.SolveRequest(str(first), str(tmp_path), "second", painted=files, quality="draft")
    ).package
    unchanged = tuple((name, str(second / f"maps/{name}.png")) for name in painted)
    request = solve_again.SolveRequest(
        str(second), str(tmp_path), "third", pins=((0.0, 8.0, 220.0, 205.0),), painted=unchanged, quality="draft"
    )
    outcome = solve_again.run(request)
    assert outcome.report["locked_texels"].keys() == painted.keys()
    assert outcome.report["photos"][0]["focal_from"] == "the earlier fit"
    for name, image in painted.items():
        was = cv2.imread(str(first / f"maps/{name}.png"), cv2.IMREAD_UNCHANGED)
        changed = (image != was).reshape(*image.shape[:2], -1).any(-1)
        assert changed.sum() > 1000
        for package in (second, outcome.package):
            now = cv2.imread(str(package / f"maps/{name}.png"), cv2.IMREAD_UNCHANGED)
            np.testing.assert_array_equal(now[changed], image[changed])
    known = HeadPackage.read(first).photos[0].intrinsics[0, 0]
    assert abs(HeadPackage.read(second).photos[0].intrinsics[0, 0] / known - 1) < 0.1


def test_without_pins_and_paint_it_is_nearly_the_same_head(first, tmp_path):
    again = solve_again.run(solve_again.SolveRequest(str(first), str(tmp_path), "again", quality="draft"))
    before, after = (HeadPackage.read(path).levels[-1].vertices for path in (first, again.package))
    assert np.linalg.norm(before - after, axis=1).mean() < 1e-3  # metres; the photo has been through JPEG


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"pins": ((1.0, 8.0, 5.0, 5.0),)}, "bad_option"),
        ({"pins": ((0.0, 68.0, 5.0, 5.0),)}, "bad_option"),
        ({"pins": ((0.0, 8.0, float("nan"), 5.0),)}, "bad_option"),
        ({"painted": (("confidence", "x.png"),)}, "bad_option"),
        ({"painted": (("diffuse", "not_there.png"),)}, "bad_paint"),
        ({"head": "nowhere.head"}, "not_a_head"),
    ],
)
def test_what_cannot_be_solved(first, tmp_path, change, code):
    request = {"head": str(first), "output": str(tmp_path / "out"), "name": "x", "quality": "draft"}
    with pytest.raises(MienError) as caught:
        solve_again.run(solve_again.SolveRequest(**(request | change)))
    assert caught.value.code == code
    assert not (tmp_path / "out").exists()


def test_paint_of_another_size(first, tmp_path):
    cv2.imwrite(str(tmp_path / "small.png"), np.zeros((64, 64, 3), np.uint8))
    request = solve_again.SolveRequest(
        str(first), str(tmp_path), "x", painted=(("diffuse", str(tmp_path / "small.png")),)
    )
    with pytest.raises(MienError, match="keep the size"):
        solve_again.run(request)


def test_a_package_without_its_photos(first, tmp_path):
    copy = tmp_path / "bare.head"
    shutil.copytree(first, copy)
    shutil.rmtree(copy / "photos")
    with pytest.raises(MienError, match="Keep Photos"):
        solve_again.run(solve_again.SolveRequest(str(copy), str(tmp_path), "x"))
