"""A recording onto the timeline: one action of the sliders, and of the head bone where it is asked for."""

from __future__ import annotations

import bpy
import numpy as np

from ..compat import action_serves_both
from ..head.objects import HeadObjects
from .keyframes import new_action, write_expression, write_rotation
from .recording import Recording, resampled

HEAD_BONE = "head"


def has_head_bone(head: HeadObjects) -> bool:
    return HEAD_BONE in head.rig.pose.bones


def put_on_timeline(
    scene: bpy.types.Scene,
    head: HeadObjects,
    name: str,
    recording: Recording,
    first_frame: int,
    head_rotation: bool,
    set_range: bool,
) -> int:
    """Key all 52 sliders at every frame of the scene's rate; how many frames that were. Earlier actions are kept.

    `head_rotation` needs the recording's angles and `has_head_bone`.
    """
    weights, angles = resampled(recording, scene.render.fps / scene.render.fps_base)
    action = new_action(name)
    write_expression(head.head, action, first_frame, weights)
    if head_rotation:
        if not action_serves_both():
            action = new_action(f"{name} head")
        yaw, pitch, roll = angles.T
        # The head bone's axes: X to the subject's left, Y up, Z out of the face.
        write_rotation(head.rig, HEAD_BONE, action, first_frame, np.stack([pitch, yaw, roll], 1))
    if set_range:
        scene.frame_start = min(scene.frame_start, first_frame)
        scene.frame_end = first_frame + len(weights) - 1
    return len(weights)
