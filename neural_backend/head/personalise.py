"""From a fitted identity to one person's head: eyes that fit their lids, blinks that close, teeth behind the lips.

The linear model carries all of this only on average. Here each head is finished by itself, in well under two seconds on
one core, with numpy alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..protocol.arkit import ARKIT_INDEX, ARKIT_NAMES
from ..protocol.cancellation import checkpoint
from .eye_contact import EyeRegion, conform_lids, fit_ball
from .eyes import gaze_of
from .lids import FRONT_EDGE, REAR_EDGE, bind, carry, lid_curves, lid_frames
from .mouth_contact import keep_teeth_behind_lips
from .template import JOINT_NAMES, HeadTemplate

_REACH = 25e-3  # the skin within this distance of an eye's centre belongs to it
_SKIN_PARTS = ("skin", "eye_socket_left", "eye_socket_right")


@dataclass(frozen=True)
class PersonalHead:
    """One person: neutral and shapes of all parts at level 1, metres."""

    vertices: np.ndarray  # [V, 3] float32
    arkit: np.ndarray  # [52, V, 3] float32
    joint_positions: np.ndarray  # [5, 3] float32
    eye_scale: tuple[float, float]  # left, right: size relative to 24 mm


def personalise(
    template: HeadTemplate,
    identity: np.ndarray,  # [<=K]
    skin_offset: np.ndarray | None = None,  # [V, 3] metres, added to the skin alone
    arkit_offset: np.ndarray | None = None,  # [52, V, 3] metres, added to the template's shapes
) -> PersonalHead:
    """The finished head of one identity.

    Raises:
        ValueError: `identity` has more coefficients than the template has modes, or an array is not finite, or
            an offset has not one row per vertex.
    """
    identity = np.asarray(identity, np.float32)
    if identity.ndim != 1 or len(identity) > len(template.identity) or not np.isfinite(identity).all():
        raise ValueError(
            f"An identity is up to {len(template.identity)} finite numbers; got an array of shape {identity.shape}."
        )
    vertices = template.shape(identity).astype(np.float64)
    if skin_offset is not None:
        skin_offset = np.asarray(skin_offset, np.float64)
        if skin_offset.shape != vertices.shape or not np.isfinite(skin_offset).all():
            raise ValueError(f"skin_offset must be finite and of shape {vertices.shape}, not {skin_offset.shape}.")
        skin = template.part_vertices("skin", "mouth_bag", "eye_socket_left", "eye_socket_right", "nostril")
        vertices[skin] += skin_offset[skin]
    arkit = template.arkit.astype(np.float32).copy()
    if arkit_offset is not None:
        arkit_offset = np.asarray(arkit_offset, np.float32)
        if arkit_offset.shape != arkit.shape or not np.isfinite(arkit_offset).all():
            raise ValueError(f"arkit_offset must be finite and of shape {arkit.shape}, not {arkit_offset.shape}.")
        arkit += arkit_offset
    joints = template.joints(identity).astype(np.float64)
    scales = []
    for side in ("left", "right"):
        region = _fit_eye(template, vertices, joints, side)
        conform_lids(vertices, arkit, region)
        _place_eye(template, vertices, arkit, region)
        _carry_on_lids(template, vertices, arkit, region)
        checkpoint()
        joints[JOINT_NAMES.index(f"eye_{side}")] = region.ball.centre
        scales.append(region.ball.scale)
    keep_teeth_behind_lips(template, vertices, arkit)
    return PersonalHead(
        vertices=vertices.astype(np.float32),
        arkit=arkit,
        joint_positions=joints.astype(np.float32),
        eye_scale=(scales[0], scales[1]),
    )


def _fit_eye(template: HeadTemplate, vertices: np.ndarray, joints: np.ndarray, side: str) -> EyeRegion:
    curves = lid_curves(template.vertices, template.levels[1].curves, side)
    joint = JOINT_NAMES.index(f"eye_{side}")
    skin = template.part_vertices(*_SKIN_PARTS)
    near = np.linalg.norm(template.vertices[skin] - template.joint_positions[joint], axis=1) < _REACH
    ids = skin[near]
    quads = template.levels[1].quads
    faces = np.searchsorted(ids, quads[np.isin(quads, ids).all(1)])
    edge = np.unique(np.concatenate([curves.upper[REAR_EDGE], curves.lower[REAR_EDGE]]))
    return EyeRegion(side, ids, curves, fit_ball(vertices[edge], joints[joint]), faces)


def _ball_vertices(template: HeadTemplate, side: str) -> np.ndarray:
    """[n] vertices of the eyeball and cornea of one side: those its joint turns."""
    part = template.part_vertices(f"eye_{side}", f"cornea_{side}")
    return part[template.joint_weights[part, JOINT_NAMES.index(f"eye_{side}")] > 0.5]


def _place_eye(template: HeadTemplate, vertices: np.ndarray, arkit: np.ndarray, region: EyeRegion) -> None:
    """Set the rigid ball at its fitted centre and size, in neutral and in the shapes that turn it."""
    ids = _ball_vertices(template, region.side)
    mean_centre = template.joint_positions[JOINT_NAMES.index(f"eye_{region.side}")]
    vertices[ids] = region.ball.centre + (template.vertices[ids] - mean_centre) * region.ball.scale
    for name in ARKIT_NAMES:
        if gaze_of(name) is not None:
            arkit[ARKIT_INDEX[name]][ids] = template.arkit[ARKIT_INDEX[name]][ids] * region.ball.scale


def _carry_on_lids(template: HeadTemplate, vertices: np.ndarray, arkit: np.ndarray, region: EyeRegion) -> None:
    """Lashes, tear line and caruncle of one eye, carried from the mean head to this one's lids."""
    riders = _rider_vertices(template, region)
    lashes = np.isin(riders, template.part_vertices("lashes"))
    for ids, loop in ((riders[lashes], FRONT_EDGE), (riders[~lashes], REAR_EDGE)):
        if len(ids):
            _carry(template, vertices, arkit, region, ids, loop)


def _carry(
    template: HeadTemplate,
    vertices: np.ndarray,
    arkit: np.ndarray,
    region: EyeRegion,
    ids: np.ndarray,  # [n] vertices that ride on the lids' loop `loop`
    loop: int,
) -> None:
    frames = lambda points: tuple(lid_frames(points, region.curves, upper, loop) for upper in (True, False))  # noqa: E731
    mean = template.vertices.astype(np.float64)
    rest = frames(mean)
    binding = bind(mean[ids], rest, mean[_roots(template, ids)])
    vertices[ids] = carry(mean[ids], binding, rest, frames(vertices))
    margin = np.unique(np.concatenate([region.curves.upper[10], region.curves.lower[10]]))
    for shape in arkit:
        checkpoint()
        if np.abs(shape[margin]).max() < 2e-5:
            shape[ids] = 0
            continue
        shape[ids] = carry(mean[ids], binding, rest, frames(vertices + shape)) - vertices[ids]


def _rider_vertices(template: HeadTemplate, region: EyeRegion) -> np.ndarray:
    part = template.part_vertices("lashes", "tear_line", f"eye_{region.side}")
    part = part[(template.vertices[part, 0] > 0) == (region.side == "left")]
    return np.setdiff1d(part, _ball_vertices(template, region.side))


def _roots(template: HeadTemplate, ids: np.ndarray) -> np.ndarray:
    """[n] the vertex whose place on the lid decides for each vertex: a lash's root for all of it, else itself."""
    level = template.levels[1]
    result = ids.copy()
    quads = level.quads[level.faces_of("lashes")]
    # Label the strands: the smallest vertex id spreads through the quads of a strand (at most a few quads long).
    label = np.arange(len(template.vertices))
    for _ in range(8):
        least = label[quads].min(1)
        np.minimum.at(label, quads.reshape(-1), np.repeat(least, 4))
    lashes = np.isin(ids, np.unique(quads))
    result[lashes] = label[ids[lashes]]
    return result
