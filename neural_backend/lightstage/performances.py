"""What subjects do on the light stage: ARKit weights, gaze, and the head's little motions. Plain data, no Blender."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..protocol.arkit import ARKIT_INDEX, ARKIT_NAMES
from .known_heads import rotation_matrix
from .subjects import draw_expression

#: About this point of the head's frame the head turns and cameras aim, metres.
CENTRE = np.array([0.0, 0.005, 0.01])
TURN_DEG = np.array([12.0, 8.0, 6.0])  # at most: yaw, pitch, roll
SHIFT_M = 0.01
GAZE_SPREAD_DEG = np.array([14.0, 8.0])
GAZE_LIMIT_RAD = 0.5
BLINKS = 0.12  # share of moments with (nearly) shut eyes
KINDS = ("everyday", "single", "speech", "exaggerated")
#: Mouth shapes of speech, loosely by sound: open, rounded, spread, closed, teeth on lip.
SPEECH: tuple[tuple[tuple[str, float], ...], ...] = (
    (("jawOpen", 0.45), ("mouthLowerDown", 0.25)),
    (("mouthFunnel", 0.7), ("jawOpen", 0.25)),
    (("mouthPucker", 0.7), ("jawOpen", 0.08)),
    (("mouthStretch", 0.4), ("jawOpen", 0.15), ("mouthLowerDown", 0.3)),
    (("mouthClose", 0.1), ("jawOpen", 0.1), ("mouthPress", 0.4)),
    (("mouthRollLower", 0.6), ("mouthUpperUp", 0.25), ("jawOpen", 0.1)),
)


@dataclass(frozen=True)
class Moment:
    """A subject for an instant."""

    weights: np.ndarray  # [52] ARKit
    gaze_rad: tuple[float, float]  # to the subject's left, upwards
    world_from_head: np.ndarray  # [4, 4] rigid, metres


def draw_moment(generator: np.random.Generator, neutral: bool = False) -> Moment:
    """A random moment; `neutral` has a resting face that looks ahead, and still moves its head."""
    weights, gaze = np.zeros(len(ARKIT_NAMES), np.float32), (0.0, 0.0)
    if not neutral:
        weights = _expression(generator, str(generator.choice(KINDS)))
        spread = np.radians(GAZE_SPREAD_DEG)
        gaze = tuple(float(x) for x in np.clip(generator.normal(0, spread), -GAZE_LIMIT_RAD, GAZE_LIMIT_RAD))
    world_from_head = np.eye(4)
    world_from_head[:3, :3] = rotation_matrix(*(generator.uniform(-1, 1, 3) * TURN_DEG))
    world_from_head[:3, 3] = CENTRE - world_from_head[:3, :3] @ CENTRE + generator.uniform(-SHIFT_M, SHIFT_M, 3)
    return Moment(weights, gaze, world_from_head)


def _expression(generator: np.random.Generator, kind: str) -> np.ndarray:
    if kind == "everyday":
        weights = draw_expression(generator, 1.0)
    elif kind == "single":
        weights = np.zeros(len(ARKIT_NAMES), np.float32)
        for index in generator.choice(len(ARKIT_NAMES), generator.integers(1, 4), replace=False):
            _set_both(weights, ARKIT_NAMES[index], generator.uniform(0.3, 1.0), generator.random() < 0.25)
    elif kind == "speech":
        weights = np.zeros(len(ARKIT_NAMES), np.float32)
        for name, value in SPEECH[generator.integers(len(SPEECH))]:
            _set_both(weights, name, value * generator.uniform(0.5, 1.3), False)
    else:
        weights = np.maximum(1.3 * draw_expression(generator, 1.0), draw_expression(generator, 1.0))
        if generator.random() < 0.5:
            weights[ARKIT_INDEX["jawOpen"]] = generator.uniform(0.3, 0.95)
    if generator.random() < BLINKS:
        _set_both(weights, "eyeBlink", generator.uniform(0.7, 1.0), generator.random() < 0.2)
    jaw, close = ARKIT_INDEX["jawOpen"], ARKIT_INDEX["mouthClose"]
    weights[close] = min(weights[close], weights[jaw])  # a corrective of the open jaw: alone it tears the lips
    weights[ARKIT_INDEX["tongueOut"]] = 0.0  # the stage's tongue is not the template's
    return np.clip(weights, 0, 1).astype(np.float32)


def _set_both(weights: np.ndarray, name: str, value: float, one_side: bool) -> None:
    """Set a shape, on both sides unless `one_side`."""
    stem = name.removesuffix("Left").removesuffix("Right")
    sides = (name,) if one_side and name in ARKIT_INDEX else (stem, stem + "Left", stem + "Right")
    for side in sides:
        if side in ARKIT_INDEX:
            weights[ARKIT_INDEX[side]] = min(value, 1.0)
