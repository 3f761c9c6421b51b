"""Joints of the head and smooth skin weights: neck, head, jaw, left eye, right eye (cm)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .cut import SKIN, Cut
from .modes import Modes
from .sources import BaseMesh
from .topology import averaging

NECK, HEAD, JAW, EYE_LEFT, EYE_RIGHT = range(5)
#: Centre of the left eyeball for a 24 mm ball that the registered lids rest on. ICT's own 30 mm ball sits deeper.
EYE_CENTRE = np.array([3.177, 3.596, 8.396])
#: Hinge of the jaw, between the condyles just in front of the ear canals; head on neck: the atlanto-occipital joint.
_JAW_HINGE = np.array([0.0, -0.4, 1.7])
_HEAD_PIVOT = np.array([0.0, -2.6, -0.6])
_NEIGHBOURHOOD = 3.0  # cm; identity moves a joint as it moves the skin about this close to the nearest skin
_SMOOTHING = 30


@dataclass(frozen=True)
class Joints:
    """Joint positions [5, 3], their identity modes [K, 5, 3] and skin weights [V, 5]."""

    positions: np.ndarray
    identity: np.ndarray
    weights: np.ndarray


def make_joints(cut: Cut, points: np.ndarray, base: BaseMesh, modes: Modes) -> Joints:
    """Joints of the mean head; `cut` and `points` at level 1, `points` [V, 3] cm."""
    rim = cut.curves["neck_rim"]
    neck = points[rim].mean(0) * [0, 1, 1]
    positions = np.stack([neck, _HEAD_PIVOT, _JAW_HINGE, EYE_CENTRE, EYE_CENTRE * [-1, 1, 1]])
    identity = np.zeros((len(modes.identity), 5, 3))
    identity[:, NECK] = modes.identity[:, rim].mean(1)
    for joint in (HEAD, JAW):
        identity[:, joint] = np.einsum("kvc,v->kc", modes.identity, _share(cut, points, positions[joint]))
    identity[:, [EYE_LEFT, EYE_RIGHT]] = modes.eye_centre_modes
    return Joints(positions, identity, _weights(cut, points, base, modes))


def _share(cut: Cut, points: np.ndarray, joint: np.ndarray) -> np.ndarray:
    """[V] weights of the skin at the joint's height and depth, the same on both sides."""
    distance = np.linalg.norm((points - joint)[:, 1:], axis=1)
    weight = np.exp(-0.5 * (distance / (_NEIGHBOURHOOD / 2)) ** 2) * (cut.label == SKIN)
    return weight / weight.sum()


def _weights(cut: Cut, points: np.ndarray, base: BaseMesh, modes: Modes) -> np.ndarray:
    """[V, 5]: neck and head from the base mesh's rig, jaw from how jawOpen turns the skin about the hinge."""
    step = cut.subdivision
    head = base.head_weights[cut.source_ids]
    rest = 1 - head  # neck bones, and at the rim the first spine and shoulder bones
    head = step.linear(head / np.maximum(head + rest, 1e-9))

    turn = np.cross([1.0, 0.0, 0.0], points - _JAW_HINGE)  # motion of a rigid jaw per radian
    opened = modes.expression["jawOpen"]
    chin = np.linalg.norm(opened, axis=1).argmax()
    angle = (opened[chin] * turn[chin]).sum() / (turn[chin] ** 2).sum()
    along = (opened * turn).sum(1) / np.maximum((turn**2).sum(1), 1e-6) / angle
    jaw = np.clip(along, 0, 1) * (points[:, 2] > _JAW_HINGE[2] - 1)
    average = averaging(cut.quads, len(points))
    lips = np.zeros(len(points), bool)
    for name, loop in cut.curves.items():
        lips[loop] |= name.startswith("mouth")
    for _ in range(_SMOOTHING):
        # Averaging across the commissure would glue the lips, so their own loops keep their weights.
        jaw = np.where(lips, jaw, average @ jaw)
    jaw = jaw * head
    weights = np.zeros((len(points), 5))
    weights[:, JAW] = jaw
    weights[:, HEAD] = head - jaw
    weights[:, NECK] = 1 - head
    weights = 0.5 * (weights + weights[cut.mirror])
    weights[weights < 1e-3] = 0
    return weights / weights.sum(1, keepdims=True)
