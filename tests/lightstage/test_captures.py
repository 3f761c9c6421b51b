"""Captures: written and read the same, damaged ones refused in a sentence; lamps on the lat-long grid keep energy."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from neural_backend.lightstage.captures import (
    Capture,
    CaptureSet,
    StageSettings,
    encode_groups,
    encode_map,
    splat_lights,
    write_settings,
)
from neural_backend.protocol.errors import MienError
from neural_backend.rendering.camera import Camera
from neural_backend.rendering.light import environment_directions


def a_capture(name: str = "s0001_000", subject: str = "s0001", seed: int = 0) -> tuple[Capture, np.ndarray]:
    """(a capture of 2 views and 3 lights of very different power, its radiance [2, 3, 16, 16, 3])."""
    generator = np.random.default_rng(seed)
    smooth = np.linspace(0.1, 1, 16)[:, None, None] * np.array([0.9, 0.6, 0.5])
    radiance = np.stack([[smooth.repeat(16, 1) * power for power in (0.01, 1.0, 300.0)]] * 2).astype(np.float32)
    directions = generator.normal(size=(3, 3))
    camera = Camera(16, 16, np.array([[20.0, 0, 8], [0, 20, 8], [0, 0, 1]]), np.eye(4))
    coded = [encode_groups(view) for view in radiance]
    alpha = encode_map((generator.random((16, 16)) * 255).astype(np.uint8))
    capture = Capture(
        subject=subject, name=name, cameras=(camera, camera), world_from_head=np.eye(4),
        light_directions=directions / np.linalg.norm(directions, axis=1, keepdims=True),
        light_radii_rad=np.array([0.1, 0.2, 0.3]), light_radiance=np.array([1.0, 2.0, 3.0]),
        codes=tuple(codes for codes, _ in coded), scales=np.stack([scales for _, scales in coded]),
        alpha_codes=(alpha, alpha), material_codes=(encode_map(np.full((16, 16), 2, np.uint8)),) * 2,
        identity=np.arange(4.0), expression=np.zeros(52), gaze_rad=np.zeros(2), vertices=np.ones((5, 3)),
    )  # fmt: skip
    return capture, radiance


@pytest.fixture
def folder(tmp_path):
    write_settings(tmp_path, StageSettings(split="train", size=16, lights=3))
    for name, subject in (("s0001_000", "s0001"), ("s0002_000", "s0002"), ("s0001_001", "s0001")):
        a_capture(name, subject)[0].write(tmp_path)
    return tmp_path


def test_what_is_written_is_read(folder):
    captures = CaptureSet.open(folder)
    assert captures.settings.split == "train" and captures.subjects == ("s0001", "s0002")
    assert captures.names == ("s0001_000", "s0001_001", "s0002_000") and captures.of("s0001") == captures.names[:2]
    written, radiance = a_capture()
    read = captures.read("s0001_000")
    for view in range(2):
        relative = np.abs(read.groups(view) - radiance[view]) / radiance[view].max((1, 2, 3), keepdims=True)
        assert relative.max() < 0.02, "each light to its own scale"
        np.testing.assert_array_equal(read.alpha(view), cv2.imdecode(written.alpha_codes[view], 0) / np.float32(255))
        assert (read.material(view) == 2).all()
    np.testing.assert_array_equal(read.vertices, written.vertices)
    assert read.cameras[1].focal_px == 20 and not list(folder.glob(".*"))


def test_geometry_can_be_withheld(folder, tmp_path):
    capture = CaptureSet.open(folder).read("s0001_000").withheld()
    target = tmp_path / "withheld"
    write_settings(target, StageSettings())
    capture.write(target)
    read = CaptureSet.open(target).read("s0001_000")
    assert read.vertices is None and read.identity is None and read.expression is None and read.gaze_rad is None
    np.testing.assert_array_equal(read.groups(0), capture.groups(0))


@pytest.mark.parametrize("damage", ["cut", "garbage", "no camera"])
def test_a_damaged_capture_is_said(folder, damage):
    path = folder / "s0001_000.npz"
    if damage == "no camera":
        with np.load(path) as data:
            np.savez(path, **{name: data[name] for name in data.files if name != "intrinsics"})
    else:
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2] if damage == "cut" else b"nothing" * 99)
    with pytest.raises(MienError, match="s0001_000.npz is no capture or is damaged") as caught:
        CaptureSet.open(folder).read("s0001_000")
    assert caught.value.code == "bad_capture"


def test_no_captures_is_said(tmp_path):
    with pytest.raises(MienError, match="holds no captures"):
        CaptureSet.open(tmp_path)
    write_settings(tmp_path, StageSettings())
    with pytest.raises(MienError, match="no captures yet"):
        CaptureSet.open(tmp_path)
    (tmp_path / "stage.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(MienError, match="newer Mien"):
        CaptureSet.open(tmp_path)


def test_captures_of_other_settings_are_not_mixed(folder):
    write_settings(folder, StageSettings(split="train", size=16, lights=3))  # the same
    with pytest.raises(MienError, match="another split, seed, size"):
        write_settings(folder, StageSettings(split="train", size=16, lights=3, seed=1))
    assert CaptureSet.open(folder).settings.seed == 0


def test_splatted_lamps_keep_their_energy_and_place():
    generator = np.random.default_rng(1)
    directions = generator.normal(size=(40, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    radii, radiance = generator.uniform(0.02, 0.5, 40), generator.uniform(0.5, 20, 40)
    picture = splat_lights(directions, radii, radiance)
    around, solid = (tensor.numpy() for tensor in environment_directions(16, 32))
    np.testing.assert_allclose((picture * solid).sum((1, 2)), radiance * 2 * np.pi * (1 - np.cos(radii)), rtol=1e-4)
    mean = np.einsum("ghw,hwc->gc", picture * solid, around)
    mean /= np.linalg.norm(mean, axis=1, keepdims=True)
    assert (mean * directions).sum(1).min() > np.cos(np.radians(2))
    np.testing.assert_allclose(splat_lights(directions, radii, 3 * radiance), 3 * picture, rtol=1e-6)


def test_uneven_counts_are_refused():
    capture, _ = a_capture()
    with pytest.raises(AssertionError):
        Capture(**{**vars(capture), "scales": capture.scales[:1]})
