"""Contact sheet of a captured performance: frames of the clip, and below each the head as it was captured.

python -m neural_backend.evaluation.capture_sheet HEAD.head CLIP.mp4 OUT.jpg
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import cv2
import numpy as np

from ..capture.footage import open_footage
from ..capture.take import Take
from ..head.package import HeadPackage
from ..tasks.capture import CaptureRequest, run
from .known_clip import ClipRenderer

FRAMES = (2, 28, 49, 66, 90, 96, 118, 124, 130, 141)  # of known_clip.PERFORMANCE at 30 a second
COLUMNS, SCALE = 5, 0.6


def contact_sheet(package: HeadPackage, clip: Path) -> np.ndarray:
    """[H, W, 3] uint8 sRGB."""
    with tempfile.TemporaryDirectory() as folder:
        take = Take.read(run(CaptureRequest(str(package.path), (str(clip),), folder)).take)
    frames = [frame.srgb for frame in open_footage((str(clip),)).frames()]
    renderer = ClipRenderer.of_package(package, frames[0].shape[1], frames[0].shape[0])
    chosen = [index for index in FRAMES if index < len(frames)]
    captured = [renderer.frame(take.weights[index], take.view_from_head[index]) for index in chosen]
    rows = []
    for start in range(0, len(chosen), COLUMNS):
        part = slice(start, start + COLUMNS)
        rows += [np.concatenate([frames[index] for index in chosen[part]], 1), np.concatenate(captured[part], 1)]
    return cv2.resize(np.concatenate(rows), None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_AREA)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("head", type=Path)
    parser.add_argument("clip", type=Path)
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    sheet = contact_sheet(HeadPackage.read(arguments.head), arguments.clip)
    cv2.imwrite(str(arguments.output), sheet[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 82])


if __name__ == "__main__":
    main()
