"""Captures to look at: `python -m neural_backend.lightstage.capture_sheet FOLDER --out SHEET.png [--count 12]`.

Each row is a capture: every view under all lights, then under one from the front left. All pictures under all lights
have one exposure, and all under one have another: how light a skin is can be seen.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from ..perception.image import linear_to_srgb
from .captures import Capture, CaptureSet

GREY = 0.2  # linear, behind the heads
EXPOSURE, KEY_EXPOSURE = 1.2, 5.0  # all lamps bring the irradiance of rig.IRRADIANCE each, whoever stands there
KEY = np.array([0.6, 0.5, 0.62])
COLUMNS = 3


def rows_of(capture: Capture, views: int) -> np.ndarray:
    """[H, 2 V W, 3] uint8 sRGB of the first views."""
    tiles = []
    key = np.zeros((capture.lights, 1))
    key[: len(capture.light_directions), 0] = np.clip(capture.light_directions @ KEY, 0, 1) ** 6
    if capture.environments is not None:  # small lamps and environments: the first environment in the key's place
        key = np.eye(capture.lights)[:, [len(capture.light_directions)]]
    for view in range(min(views, len(capture.cameras))):
        alpha = capture.alpha(view)
        for weights, exposure in ((np.ones((capture.lights, 1)), EXPOSURE), (key, KEY_EXPOSURE)):
            rgb = capture.under(view, np.repeat(weights, 3, 1))
            shown = rgb * exposure + GREY * (1 - alpha[..., None])
            tiles.append(np.round(linear_to_srgb(np.clip(shown, 0, 1)) * 255).astype(np.uint8))
    return np.concatenate(tiles, 1)


def sheet(captures: CaptureSet, count: int, views: int = 2) -> np.ndarray:
    """[H, W, 3] uint8 sRGB of up to `count` captures spread over the set."""
    picked = np.unique(np.linspace(0, len(captures.names) - 1, count).round().astype(int))
    rows = [rows_of(captures.read(captures.names[index]), views) for index in picked]
    rows += [np.zeros_like(rows[0])] * (-len(rows) % COLUMNS)
    return np.concatenate([np.concatenate(rows[k::COLUMNS], 0) for k in range(COLUMNS)], 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--views", type=int, default=2)
    arguments = parser.parse_args()
    picture = sheet(CaptureSet.open(arguments.folder), arguments.count, arguments.views)
    if not cv2.imwrite(str(arguments.out), picture[..., ::-1]):
        raise SystemExit(f"{arguments.out} cannot be written: choose another place.")


if __name__ == "__main__":
    main()
