"""The head package: what is written is what is read, and nothing is ever half-written."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import cv2
import numpy as np
import pytest

from neural_backend.head import package as package_module
from neural_backend.head.package import HeadPackage, PackageError, PackageLevel, PackagePhoto
from neural_backend.protocol.arkit import ARKIT_NAMES


def small_package(name: str = "cube") -> HeadPackage:
    """A cube with one photo: small, but every field is there and different."""
    generator = np.random.default_rng(3)
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], np.float32) * 0.1
    quads = np.array([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]])
    level = PackageLevel(
        vertices=corners,
        quads=quads,
        uv=generator.random((8, 2)).astype(np.float32),
        face_uv=quads,
        part=np.array([0, 0, 1, 1, 0, 1]),
        joint_weights=np.full((8, 2), 0.5, np.float32),
        arkit=generator.normal(0, 0.01, (52, 8, 3)),
        fitted=corners[None] + 0.01,
        landmarks68=generator.random((68, 3)).astype(np.float32),
    )
    photo = PackagePhoto(
        "photos/0.png", 64, 48, np.diag([90.0, 90, 1]), np.eye(4), {"jawOpen": 0.25}, generator.random((9, 3))
    )
    return HeadPackage(
        name=name,
        identity=generator.normal(size=5),
        levels=(level, level),
        part_names=("skin", "tongue"),
        texture_sets=("skin", "mouth"),
        joint_names=("neck", "head"),
        joint_parents=(-1, 0),
        joint_positions=np.zeros((2, 3)),
        photos=(photo,),
        maps={"skin": {"diffuse": "maps/diffuse.png"}},
        report={"reprojection_px": 1.5},
        licences=({"what": "cube", "licence": "CC0-1.0", "notice": "none"},),
    )


IMAGES = {
    "maps/diffuse.png": np.arange(48, dtype=np.uint8).reshape(4, 4, 3),
    "maps/normal.png": np.arange(48, dtype=np.uint16).reshape(4, 4, 3) * 900,
}


def leftovers(folder) -> list[str]:
    return [entry for entry in os.listdir(folder) if entry.startswith(".")]


def test_round_trip(tmp_path):
    before = small_package()
    path = before.write(tmp_path, IMAGES)
    after = HeadPackage.read(path)
    assert path.name == "cube.head" and after.name == "cube" and not leftovers(tmp_path)
    np.testing.assert_allclose(after.identity, before.identity, rtol=1e-6)
    for wrote, read in zip(before.levels, after.levels, strict=True):
        np.testing.assert_array_equal(read.quads, wrote.quads)
        np.testing.assert_allclose(read.vertices, wrote.vertices)
        np.testing.assert_allclose(read.arkit, wrote.arkit, atol=2e-5)
    assert after.photos[0].expression == {"jawOpen": 0.25}
    np.testing.assert_allclose(after.photos[0].light, before.photos[0].light)
    assert json.loads((path / "head.json").read_text())["arkit_names"] == list(ARKIT_NAMES)


def test_images_keep_channels_and_depth(tmp_path):
    path = small_package().write(tmp_path, IMAGES)
    for file, image in IMAGES.items():
        read = cv2.imread(str(path / file), cv2.IMREAD_UNCHANGED)[..., ::-1]
        assert read.dtype == image.dtype
        np.testing.assert_array_equal(read, image)


def test_second_write_replaces_the_first(tmp_path):
    small_package().write(tmp_path, {**IMAGES, "maps/old.png": IMAGES["maps/diffuse.png"]})
    path = replace(small_package(), report={"try": 2}).write(tmp_path, IMAGES)
    assert HeadPackage.read(path).report == {"try": 2}
    assert not (path / "maps/old.png").exists() and not leftovers(tmp_path)


def test_failure_midway_leaves_the_old_head_whole(tmp_path, monkeypatch):
    path = small_package().write(tmp_path, IMAGES)

    def full_disk(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(package_module.np, "savez_compressed", full_disk)
    with pytest.raises(PackageError, match="No space left"):
        replace(small_package(), report={"try": 2}).write(tmp_path, IMAGES)
    assert HeadPackage.read(path).report == {"reprojection_px": 1.5} and not leftovers(tmp_path)


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), KeyboardInterrupt()])
def test_failing_to_take_the_old_head_s_place_brings_it_back(tmp_path, monkeypatch, error):
    path = small_package().write(tmp_path, IMAGES)
    rename = os.rename

    def fail_for_the_new_one(source, target):
        if str(source).endswith(".writing"):
            raise error
        rename(source, target)

    monkeypatch.setattr(os, "rename", fail_for_the_new_one)
    with pytest.raises((PackageError, KeyboardInterrupt)):
        replace(small_package(), report={"try": 2}).write(tmp_path, IMAGES)
    assert HeadPackage.read(path).report == {"reprojection_px": 1.5} and not leftovers(tmp_path)


def test_interrupt_midway_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(*_args, **_kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(package_module.np, "savez_compressed", interrupt)
    with pytest.raises(KeyboardInterrupt):
        small_package().write(tmp_path / "new", IMAGES)
    assert os.listdir(tmp_path / "new") == []


def test_newer_format_is_refused_with_a_sentence(tmp_path):
    path = small_package().write(tmp_path, IMAGES)
    description = json.loads((path / "head.json").read_text())
    (path / "head.json").write_text(json.dumps(description | {"format": 99}))
    with pytest.raises(PackageError, match="newer Mien") as caught:
        HeadPackage.read(path)
    assert caught.value.code == "newer_format"


@pytest.mark.parametrize("damage", ["truncate", "remove", "garbage", "no key"])
def test_damage_is_told(tmp_path, damage):
    path = small_package().write(tmp_path, IMAGES)
    mesh = path / "mesh.npz"
    if damage == "truncate":
        mesh.write_bytes(mesh.read_bytes()[:400])
    elif damage == "remove":
        mesh.unlink()
    elif damage == "garbage":
        mesh.write_bytes(b"not a zip")
    else:
        np.savez(mesh, vertices_0=np.zeros((8, 3)))
    with pytest.raises(PackageError) as caught:
        HeadPackage.read(path)
    assert caught.value.code == "damaged"


def test_what_is_no_head_is_refused(tmp_path):
    for path in (tmp_path, tmp_path / "missing.head"):
        with pytest.raises(PackageError, match="not a head package"):
            HeadPackage.read(path)
