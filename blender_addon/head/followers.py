"""Bones that go where the shapes take jaw and eyes: `jaw_follow`, `eye_left_follow`, `eye_right_follow`.

The 52 shapes move jaw and eyeballs of the mesh; the deforming bones move them too. Were the deforming bones driven by
the same sliders, everything would turn twice. So each has a child that deforms nothing: drivers turn it by the sliders,
its parent by the artist's pose, and together it is always where the mesh is. Teeth, glasses, beards hang on it; what
reads the armature reads it. The drivers are plain sums, which Blender evaluates without running Python.
"""

from __future__ import annotations

from collections.abc import Iterator

import bpy
import numpy as np
from mathutils import Euler, Matrix

from ...neural_backend.protocol.arkit import ARKIT_NAMES

SUFFIX = "_follow"
#: Joint -> the vertex groups whose common vertices show where it goes.
FOLLOWED = {
    "jaw": ("part_teeth_lower",),
    "eye_left": ("part_eye_left", "eye_left"),
    "eye_right": ("part_eye_right", "eye_right"),
}
_LEAST = 2e-4  # metres; a shape that moves the part less does not count


def add_followers(armature: bpy.types.Armature) -> None:
    """Add the follower bones; `armature` must be in edit mode."""
    for name in FOLLOWED:
        source = armature.edit_bones.get(name)
        if source is not None and name + SUFFIX not in armature.edit_bones:
            bone = armature.edit_bones.new(name + SUFFIX)
            bone.head, bone.tail, bone.roll = source.head, source.tail, source.roll
            bone.parent = source
            bone.use_deform = False


def drive_followers(rig: bpy.types.Object, head: bpy.types.Object) -> Iterator[None]:
    """Let the followers of `rig` follow the sliders of `head`, in slices: measure each shape's rigid motion, set the
    drivers."""
    blocks = head.data.shape_keys.key_blocks
    found = yield from _parts(head)
    parts = {name: part for name, part in found.items() if name + SUFFIX in rig.pose.bones}
    rest = _positions(blocks[0])
    # bone -> shape -> [9]: translation and Euler angles at 1, how much more translation at 1/2; in the bone's frame
    moves: dict[str, dict[str, np.ndarray]] = {name: {} for name in parts}
    for shape in ARKIT_NAMES:
        if shape not in blocks:
            continue
        moved = _positions(blocks[shape])
        for name, part in parts.items():
            if np.abs(moved[part] - rest[part]).max() > _LEAST:
                frame = np.array(rig.data.bones[name + SUFFIX].matrix_local)  # armature space, at rest
                moves[name][shape] = _in_bone(rest[part], moved[part], frame)
        yield
    for name, of_shape in moves.items():
        bone = rig.pose.bones[name + SUFFIX]
        bone.rotation_mode = "XYZ"
        for index in range(3):
            straight = {shape: (move[index], move[6 + index]) for shape, move in of_shape.items()}
            turning = {shape: (move[3 + index], 0.0) for shape, move in of_shape.items()}
            _drive(bone, "location", index, head, straight, 1e-5)
            _drive(bone, "rotation_euler", index, head, turning, 1e-4)
            yield


def rigid_motion(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """[4, 4] the rotation and translation that best takes points [n, 3] to [n, 3] (Kabsch)."""
    middle_before, middle_after = before.mean(0), after.mean(0)
    u, _, vt = np.linalg.svd((before - middle_before).T @ (after - middle_after))
    flip = np.diag([1.0, 1.0, np.sign(np.linalg.det(vt.T @ u.T))])
    result = np.eye(4)
    result[:3, :3] = vt.T @ flip @ u.T
    result[:3, 3] = middle_after - result[:3, :3] @ middle_before
    return result


def _in_bone(before: np.ndarray, after: np.ndarray, frame: np.ndarray) -> np.ndarray:
    basis = Matrix((np.linalg.inv(frame) @ rigid_motion(before, after) @ frame).tolist())
    translation, angles = np.array(basis.translation), np.array(basis.to_euler("XYZ"))
    # A shape takes points along chords, a turning bone along arcs: at half the weight, the translation that keeps the
    # bone with the middle of the part makes up for it.
    inverse = np.linalg.inv(frame)
    middle, halfway = (
        inverse[:3, :3] @ point + inverse[:3, 3] for point in (before.mean(0), (before.mean(0) + after.mean(0)) / 2)
    )
    half_turn = np.array(Euler((angles / 2).tolist(), "XYZ").to_matrix())
    return np.concatenate([translation, angles, halfway - half_turn @ middle - translation / 2])


def _positions(block: bpy.types.ShapeKey) -> np.ndarray:
    values = np.empty(len(block.points) * 3, np.float32)
    block.points.foreach_get("co", values)  # `points`: a hundred times as fast as `data`
    return values.reshape(-1, 3).astype(np.float64)


def _parts(head: bpy.types.Object) -> Iterator[None]:
    """Returns joint -> [n] the vertices that show where it goes: of an eye those that turn with it, no caruncle."""
    index_of = {group.name: group.index for group in head.vertex_groups}
    asked = {
        name: {index_of[group] for group in groups}
        for name, groups in FOLLOWED.items()
        if all(group in index_of for group in groups)
    }
    found: dict[str, list[int]] = {name: [] for name in asked}
    every = set().union(*asked.values()) if asked else set()
    for number, vertex in enumerate(head.data.vertices):
        if number % 1000 == 0:
            yield
        of_vertex = {entry.group for entry in vertex.groups if entry.group in every and entry.weight > 0.5}
        if of_vertex:
            for name, groups in asked.items():
                if groups <= of_vertex:
                    found[name].append(vertex.index)
    return {name: np.array(members) for name, members in found.items() if len(members) >= 3}


def _drive(
    bone: bpy.types.PoseBone,
    channel: str,
    index: int,
    head: bpy.types.Object,
    factors: dict[str, tuple[float, float]],  # shape -> what it gives at 1, and at 1/2 beyond half of that
    least: float,
) -> None:
    bone.driver_remove(channel, index)
    getattr(bone, channel)[index] = 0.0
    terms = []
    used = {shape: factor for shape, factor in factors.items() if max(map(abs, factor)) > least}
    if not used:
        return
    driver = bone.driver_add(channel, index).driver
    driver.type = "SCRIPTED"
    for number, (shape, (whole, bend)) in enumerate(used.items()):
        variable = driver.variables.new()
        variable.name = f"w{number}"
        variable.type = "SINGLE_PROP"
        target = variable.targets[0]
        target.id_type, target.id = "KEY", head.data.shape_keys
        target.data_path = f'key_blocks["{shape}"].value'
        terms.append(f"{whole:+.5f}*w{number}")
        if abs(bend) > least:
            terms.append(f"{4 * bend:+.5f}*w{number}*(1-w{number})")
    driver.expression = "".join(terms)
