"""The armature: one bone per joint of the package, by the joint's own name."""

from __future__ import annotations

import bpy
import numpy as np
from mathutils import Vector

from .followers import SUFFIX, add_followers
from .frames import to_blender
from .package import Package

#: The joints of a package by Mien, in its order.
JOINTS = ("neck", "head", "jaw", "eye_left", "eye_right")
_TIP_LENGTH = 0.04  # metres, of bones that no other bone continues


def build_armature(context: bpy.types.Context, package: Package, collection: bpy.types.Collection) -> bpy.types.Object:
    """Make the armature object. `context` must be in object mode; the active object is given back afterwards.

    A bone turns about its head, so only the heads matter for deformation; the tails say where things point: the neck up
    to the head, the jaw to the chin, the eyes along the gaze.
    """
    armature = bpy.data.armatures.new(f"{package.name} Rig")
    rig = bpy.data.objects.new(f"{package.name} Rig", armature)
    collection.objects.link(rig)
    armature.display_type = "STICK"
    layer = context.view_layer
    before = layer.objects.active
    layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    try:
        heads = to_blender(package.joint_positions)  # [J, 3]
        bones = []
        for index, name in enumerate(package.joint_names):
            bone = armature.edit_bones.new(name)
            bone.head = Vector(heads[index])
            bone.tail = Vector(_tail(package, heads, index))
            bone.align_roll(_up_axis(name))
            if package.joint_parents[index] >= 0:
                bone.parent = bones[package.joint_parents[index]]
            bones.append(bone)
        add_followers(armature)
    finally:
        bpy.ops.object.mode_set(mode="OBJECT")
        layer.objects.active = before
    for pose_bone in rig.pose.bones:
        pose_bone.rotation_mode = "XYZ"
    return rig


def move_joints(context: bpy.types.Context, rig: bpy.types.Object, positions: np.ndarray) -> None:
    """Put the heads of the joints' bones at `positions` [5, 3] (Blender's axes); tails and followers move along.

    `context` must be in object mode; selection and visibility are given back afterwards.
    """
    layer = context.view_layer
    before, hidden = layer.objects.active, (rig.hide_get(), rig.hide_viewport)
    rig.hide_set(False)
    rig.hide_viewport = False
    layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    try:
        for index, name in enumerate(JOINTS):
            for bone in (rig.data.edit_bones.get(name), rig.data.edit_bones.get(name + SUFFIX)):
                if bone is not None:
                    change = Vector(positions[index]) - bone.head
                    bone.head, bone.tail = bone.head + change, bone.tail + change
    finally:
        bpy.ops.object.mode_set(mode="OBJECT")
        layer.objects.active = before
        rig.hide_set(hidden[0])
        rig.hide_viewport = hidden[1]


def bind(head: bpy.types.Object, rig: bpy.types.Object) -> None:
    """Deform `head` by `rig` through the vertex groups and make it the rig's child."""
    head.parent = rig
    modifier = head.modifiers.new("Armature", "ARMATURE")
    modifier.object = rig


def _tail(package: Package, heads: np.ndarray, index: int) -> np.ndarray:
    name = package.joint_names[index]
    if name == "jaw":
        chin = _chin(package)
        if np.linalg.norm(chin - heads[index]) > 0.01:
            return chin
    if name.startswith("eye"):
        return heads[index] + np.array([0.0, -_TIP_LENGTH, 0.0])  # along the gaze
    if name == "neck" and "head" in package.joint_names:
        return heads[package.joint_names.index("head")]
    if name == "head":
        top = to_blender(package.levels[-1].vertices)[:, 2].max()
        return np.array([heads[index][0], heads[index][1], max(top, heads[index][2] + _TIP_LENGTH)])
    return heads[index] + np.array([0.0, 0.0, _TIP_LENGTH])


def _chin(package: Package) -> np.ndarray:
    """[3] the foremost point of the lowest part of what the jaw moves, on the middle."""
    level = package.levels[-1]
    weight = level.joint_weights[:, package.joint_names.index("jaw")]
    if weight.max() <= 0.5:  # this head has no skinned jaw: the jawOpen shape shows where the chin is
        moved = np.linalg.norm(level.arkit, axis=2).max(0) * (np.abs(level.vertices[:, 0]) < 0.01)
        weight = moved / max(float(moved.max()), 1e-9)
    points = to_blender(level.vertices)[(weight > 0.5) & (np.abs(level.vertices[:, 0]) < 0.01)]
    if not len(points):
        return to_blender(package.joint_positions)[package.joint_names.index("jaw")]
    low = points[points[:, 2] < points[:, 2].min() + 0.015]
    return low[low[:, 1].argmin()] * np.array([0.0, 1.0, 1.0])


def _up_axis(name: str) -> Vector:
    """Where a bone's Z points: up for those that lie along the gaze, to the front for those that stand."""
    return Vector((0.0, 0.0, 1.0)) if name == "jaw" or name.startswith("eye") else Vector((0.0, -1.0, 0.0))
