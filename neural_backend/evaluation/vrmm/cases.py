"""What is asked of a volume: one view of one moment under one light, with the picture that the stage has of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...lightstage.captures import Capture
from ...rendering.camera import Camera

#: Lights that every moment is judged under. Each moment's lamps stand elsewhere, so no two are the same light.
LIGHTS = ("full", "key", "two colours", "random")
KEY_DIRECTION = np.array([0.6, 0.5, 0.62])  # world frame: from the front, left and above
WARM, COOL = np.array([1.0, 0.62, 0.35]), np.array([0.35, 0.6, 1.0])


@dataclass(frozen=True)
class Case:
    """One picture to be matched."""

    subject: str
    capture: str
    view: int
    light_name: str
    camera: Camera
    light: np.ndarray  # [3, 16, 32] radiance in the head's frame, linear
    rgb: np.ndarray  # [H, W, 3] float32 linear, premultiplied
    alpha: np.ndarray  # [H, W] float32


def group_weights(name: str, directions: np.ndarray, seed: int) -> np.ndarray:
    """[G, 3] non-negative weights of light groups for one of LIGHTS; directions [G, 3] in the world's frame.

    Raises:
        ValueError: no such light.
    """
    generator = np.random.default_rng([seed, 61])
    white = np.ones(3)
    key = np.clip(directions @ (KEY_DIRECTION / np.linalg.norm(KEY_DIRECTION)), 0, 1)
    if name == "full":
        weights = np.ones(len(directions))[:, None] * white
    elif name == "key":
        weights = (key**6)[:, None] * white
    elif name == "two colours":
        right = np.clip(directions @ np.array([0.85, 0.1, 0.5]), 0, 1) ** 3
        left = np.clip(directions @ np.array([-0.85, 0.2, 0.4]), 0, 1) ** 3
        weights = right[:, None] * WARM + left[:, None] * COOL
    elif name == "random":
        weights = generator.exponential(1.0, (len(directions), 3)) * (generator.random((len(directions), 1)) < 0.4)
    else:
        raise ValueError(f"There is no light '{name}': choose one of {', '.join(LIGHTS)}.")
    if not weights.max() > 0:  # all lamps stand behind the head
        weights = weights + 0.1
    return weights.astype(np.float32)


def case_of(capture: Capture, view: int, light_name: str, seed: int = 0) -> Case:
    """A moment's view under one of LIGHTS, made of its lamps alone."""
    weights = np.zeros((capture.lights, 3), np.float32)
    weights[: len(capture.light_directions)] = group_weights(light_name, capture.light_directions, seed)
    return Case(
        subject=capture.subject,
        capture=capture.name,
        view=view,
        light_name=light_name,
        camera=capture.cameras[view],
        light=capture.head_light(weights),
        rgb=capture.under(view, weights),
        alpha=capture.alpha(view),
    )


def environment_cases(capture: Capture, view: int) -> list[tuple[str, Case]]:
    """(part, case) for every light of a capture of the `lights` split: each lamp and each environment by itself."""
    lamps, found = len(capture.light_directions), []
    groups = capture.groups(view)
    for index in range(capture.lights):
        weights = np.zeros((capture.lights, 3), np.float32)
        weights[index] = 1.0
        part = "small lamps" if index < lamps else "environments"
        case = Case(
            capture.subject, capture.name, view, f"{part} {index}", capture.cameras[view],
            capture.head_light(weights), groups[index], capture.alpha(view),
        )  # fmt: skip
        if not np.isclose(case.rgb.max(), 0):
            found.append((part, case))
    return found
