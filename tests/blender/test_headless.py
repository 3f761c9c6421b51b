"""The command that `mien fit` runs: the files, the JSON lines, the exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import bpy
import numpy as np
from conftest import ROOT

SCRIPT = ROOT / "blender_addon" / "headless.py"


def run(*arguments: str):
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, check=False, env=environment
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def test_makes_everything(package_path, tmp_path):
    code, messages, log = run(str(package_path), "--out", str(tmp_path), "--tile", "64", "--samples", "4")
    assert code == 0, log
    written = [message["written"] for message in messages if "written" in message]
    assert sorted(written) == sorted(
        str(tmp_path / name) for name in ("head.blend", "head.fbx", "head.glb", "preview.png")
    )
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["head.blend", "head.fbx", "head.glb", "preview.png"]
    progress = [message["done"] for message in messages if "done" in message]
    assert progress == sorted(progress) and progress[0] == 0.0 and progress[-1] == 1.0

    image = bpy.data.images.load(str(tmp_path / "preview.png"))
    assert tuple(image.size) == (4 * 64, 2 * 64)
    pixels = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(pixels)
    sheet = pixels.reshape(128, 256, 4)[::-1, :, :3]
    for row in (0, 1):
        for column in range(4):
            tile = sheet[row * 64 : row * 64 + 64, column * 64 : column * 64 + 64]
            assert tile.std() > 0.01, f"tile {row}, {column} is empty"
    face = sheet[20:44, 2 * 64 + 24 : 2 * 64 + 40].reshape(-1, 3).mean(0)  # neutral, seen from the front
    assert 0.3 < face.mean() < 0.95 and face[0] > face[2]  # lit, and of skin's colour


def test_only_what_is_asked(package_path, tmp_path):
    code, messages, log = run(str(package_path), "--out", str(tmp_path), "--fbx")
    assert code == 0, log
    assert [entry.name for entry in tmp_path.iterdir()] == ["head.fbx"]


def test_a_bad_package_is_said(tmp_path):
    code, messages, _ = run(str(tmp_path), "--out", str(tmp_path / "out"))
    assert code == 3
    assert "not a head package" in messages[-1]["error"]
    assert not (tmp_path / "out").exists()


def test_a_bad_place_is_said(package_path, tmp_path):
    (tmp_path / "file").write_text("in the way")
    code, messages, _ = run(str(package_path), "--out", str(tmp_path / "file" / "out"), "--fbx")
    assert code == 4
    assert "error" in messages[-1]


def test_wrong_arguments():
    code, messages, _ = run("--fbx")
    assert code == 2 and not messages
