"""Keyframes of the sliders: single ones where the artist stands, whole curves for recordings and for bakes."""

from __future__ import annotations

import bpy
import numpy as np

from ...neural_backend.protocol.arkit import ARKIT_NAMES
from .. import compat

_LINEAR = 1  # BEZT_IPO_LIN, what foreach_set takes for "LINEAR"


def insert_keys(head: bpy.types.Object, names: tuple[str, ...], frame: float) -> int:
    """Key the present values of these shapes at `frame`; how many were keyed."""
    blocks = head.data.shape_keys.key_blocks
    return sum(
        blocks[name].keyframe_insert("value", frame=frame, group="Expression") for name in names if name in blocks
    )


def delete_keys(head: bpy.types.Object, names: tuple[str, ...], frame: float) -> int:
    """Remove the keys of these shapes at `frame`; how many there were."""
    keyed = {name for name in names if is_keyed_at(head, name, frame)}
    blocks = head.data.shape_keys.key_blocks
    return sum(blocks[name].keyframe_delete("value", frame=frame) for name in keyed)


def value_path(name: str) -> str:
    return f'key_blocks["{name}"].value'


def is_keyed_at(head: bpy.types.Object, name: str, frame: float) -> bool:
    for curve in compat.fcurves_of(head.data.shape_keys):
        if curve.data_path == value_path(name):
            return any(abs(point.co.x - frame) < 1e-3 for point in curve.keyframe_points)
    return False


def auto_key(context: bpy.types.Context, head: bpy.types.Object, names: tuple[str, ...]) -> None:
    """Key what a pose just set, if the artist has Blender's automatic keying on."""
    if context.scene.tool_settings.use_keyframe_insert_auto:
        insert_keys(head, names, context.scene.frame_current)


def new_action(name: str) -> bpy.types.Action:
    action = bpy.data.actions.new(name)
    action.use_fake_user = True  # a take is worth keeping when another one is chosen
    return action


def write_expression(
    head: bpy.types.Object,
    action: bpy.types.Action,
    first_frame: float,
    weights: np.ndarray,  # [F, 52]
) -> None:
    """Let `action` animate all 52 sliders of `head`, one linear key a frame. An action it had before is kept."""
    keys = head.data.shape_keys
    _keep_action(keys)
    curves = compat.assigned_fcurves(keys, action)
    for name, values in zip(ARKIT_NAMES, weights.T, strict=True):
        write_curve(curves, value_path(name), 0, first_frame, values)


def write_rotation(
    rig: bpy.types.Object,
    bone: str,
    action: bpy.types.Action,
    first_frame: float,
    angles: np.ndarray,  # [F, 3] Euler XYZ in the bone's frame
) -> None:
    """Let `action` animate a bone's rotation."""
    rig.pose.bones[bone].rotation_mode = "XYZ"
    _keep_action(rig)
    curves = compat.assigned_fcurves(rig, action)
    for index in range(3):
        write_curve(curves, f'pose.bones["{bone}"].rotation_euler', index, first_frame, angles[:, index])


def write_curve(curves, data_path: str, index: int, first_frame: float, values: np.ndarray) -> None:
    """Replace one F-curve by one linear key a frame."""
    old = curves.find(data_path, index=index)
    if old is not None:
        curves.remove(old)
    curve = curves.new(data_path, index=index)
    curve.keyframe_points.add(len(values))
    points = np.stack([first_frame + np.arange(len(values)), values], 1).astype(np.float32)
    curve.keyframe_points.foreach_set("co", points.ravel())
    curve.keyframe_points.foreach_set("interpolation", np.full(len(values), _LINEAR, np.int32))
    curve.update()


def bake(context: bpy.types.Context, head: bpy.types.Object, first: int, last: int, action_name: str) -> None:
    """Write what the sliders show over the frames first..last, wherever it comes from, as keys of all 52 shapes.

    Drivers and NLA tracks that gave the values give way to the keys.
    """
    scene, keys = context.scene, head.data.shape_keys
    before = scene.frame_current, scene.frame_subframe
    weights = np.empty((last - first + 1, len(ARKIT_NAMES)), np.float32)
    try:
        for row, frame in zip(weights, range(first, last + 1), strict=True):
            scene.frame_set(frame)
            row[:] = [keys.key_blocks[name].value for name in ARKIT_NAMES]
    finally:
        scene.frame_set(before[0], subframe=before[1])
    if keys.animation_data is not None:
        for name in ARKIT_NAMES:
            keys.key_blocks[name].driver_remove("value")
        for track in keys.animation_data.nla_tracks:
            track.mute = True
    write_expression(head, new_action(action_name), first, weights)
    scene.frame_set(before[0], subframe=before[1])


def _keep_action(animated: bpy.types.ID) -> None:
    data = animated.animation_data
    if data is not None and data.action is not None:
        data.action.use_fake_user = True
