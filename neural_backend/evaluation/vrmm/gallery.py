"""Sheets of the volume for the model card: `python -m neural_backend.evaluation.vrmm.gallery -o docs/volume`."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from ...head.template import HeadTemplate
from ...models.vrmm.vrmm import VRMM
from ...protocol.errors import MienError
from ...rendering.environment import open_environment
from ...tasks.render_volume import WEIGHTS, RenderRequest, encode, expression_weights, turntable

TILE, ACROSS = 192, 7
GREY = 0.18
JPEG = [cv2.IMWRITE_JPEG_QUALITY, 88]
#: Rest and six sliders.
FACES: tuple[tuple[str, ...], ...] = (
    (),
    ("jawOpen=0.8",),
    ("mouthSmileLeft=0.9", "mouthSmileRight=0.9", "cheekSquintLeft=0.5", "cheekSquintRight=0.5"),
    ("eyeBlinkLeft=1", "eyeBlinkRight=1"),
    ("browInnerUp=0.9", "browOuterUpLeft=0.8", "browOuterUpRight=0.8"),
    ("mouthPucker=0.8",),
    ("mouthFrownLeft=0.8", "mouthFrownRight=0.8", "browDownLeft=0.7", "browDownRight=0.7"),
)
LIGHTS = ("studio", "sunset", "side")
TALKING = ("jawOpen=0.35", "mouthFunnel=0.3")


class Gallery:
    """Draws rows of tiles of one model."""

    def __init__(self, model: VRMM):
        self.model = model

    def row(self, request: RenderRequest) -> np.ndarray:
        """[TILE, frames * TILE, 3] BGR of a request's frames, side by side."""
        request = replace(request, size=TILE)
        environment = open_environment(request.environment)
        frames = turntable(self.model, request, expression_weights(request.expression), environment)
        return np.concatenate([encode(rgb, alpha, GREY)[..., 2::-1] for rgb, alpha, _ in frames], 1)

    def expressions(self, subjects: list[str]) -> np.ndarray:
        """A row per subject, a column per face."""
        return np.concatenate(
            [
                np.concatenate([self.row(RenderRequest(subject, face, frames=1)) for face in FACES], 1)
                for subject in subjects
            ]
        )

    def interpolation(self, pairs: list[tuple[str, str]]) -> np.ndarray:
        """A row per pair: from one identity to the other with the same talking face."""
        shares = np.linspace(0, 1, ACROSS)
        return np.concatenate(
            [
                np.concatenate([self.row(RenderRequest(f"{a}:{b}:{x:.4f}", TALKING, frames=1)) for x in shares], 1)
                for a, b in pairs
            ]
        )

    def turn(self, subjects: list[str]) -> np.ndarray:
        """A row per subject, seen from 90 degrees on one side to 90 on the other."""
        return np.concatenate([self.row(RenderRequest(s, frames=ACROSS, sweep_deg=180)) for s in subjects])

    def lights(self, subjects: list[str]) -> np.ndarray:
        """Three rows per subject: studio, sunset and side, the light going round."""
        return np.concatenate(
            [
                self.row(RenderRequest(subject, environment=light, frames=ACROSS, turn="light"))
                for subject in subjects
                for light in LIGHTS
            ]
        )


def main(words: list[str] | None = None) -> None:
    """Write expressions, interpolation, turn and lights as JPEGs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--subjects", nargs=4, default=["s0000", "s0002", "s0008", "s0003"])
    arguments = parser.parse_args(words)
    model = VRMM.load(arguments.weights, HeadTemplate.load())
    missing = [name for name in arguments.subjects if name not in model.subjects]
    if missing:
        raise SystemExit(f"The weights do not know {', '.join(missing)}: choose of {', '.join(model.subjects)}.")
    gallery, (a, b, c, d) = Gallery(model), arguments.subjects
    sheets = {
        "expressions": gallery.expressions([a, b, c, d]),
        "interpolation": gallery.interpolation([(a, c), (b, d)]),
        "turn": gallery.turn([a, b, c]),
        "lights": gallery.lights([a, d]),
    }
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name, sheet in sheets.items():
        if not cv2.imwrite(str(arguments.output / f"{name}.jpg"), sheet, JPEG):
            raise MienError(
                "cannot_write", f"The sheets cannot be written to {arguments.output}: choose another folder."
            )


if __name__ == "__main__":
    main()
