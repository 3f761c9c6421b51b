"""The scene as an engine's file wants it, for the moment of writing: copies under engine names, all undone later."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import bpy
import numpy as np
from mathutils import Matrix

from ..head.export import copy_at_rest, drop_unused_slots
from ..head.objects import HeadObjects
from .levels import LevelTopology

#: Kinds of data that an export may make, users before what they use.
_KINDS = ("objects", "meshes", "armatures", "materials", "images", "node_groups")
#: Blender's axes (Z up, facing -Y) to the files' (Y up, facing +Z).
Y_UP = Matrix.Rotation(-np.pi / 2, 4, "X")


@dataclass(frozen=True)
class HeadArrays:
    """The head as it is now, Blender's axes, metres, without the artist's pose."""

    rest: np.ndarray  # [V, 3]
    shapes: dict[str, np.ndarray]  # key -> [V, 3] displacement, in the order of the keys
    normals: np.ndarray  # [V, 3]
    weights: dict[str, np.ndarray]  # deforming bone -> [V]


class Names:
    """Gives copies their names, whoever has them now, and gives those back."""

    def __init__(self) -> None:
        self._aside: list[tuple[bpy.types.ID, str]] = []

    def take(self, kind: str, thing: bpy.types.ID, name: str) -> None:
        holder = getattr(bpy.data, kind).get(name)
        if holder is not None and holder != thing:
            self._aside.append((holder, name))
            holder.name = f"{name[:40]} (aside)"
        thing.name = name

    def give_back(self) -> None:
        for thing, name in reversed(self._aside):
            thing.name = name


@dataclass
class Stage:
    """What will be written."""

    names: Names
    rig: bpy.types.Object
    meshes: list[bpy.types.Object] = field(default_factory=list)  # finest first
    others: list[bpy.types.Object] = field(default_factory=list)
    arrays: HeadArrays | None = None

    @property
    def objects(self) -> list[bpy.types.Object]:
        return [self.rig, *self.others, *self.meshes]


@contextlib.contextmanager
def staged(context: bpy.types.Context, head: HeadObjects) -> Iterator[Stage]:
    """Copies of head and rig at rest at the origin; all that is made inside is removed at the end."""
    layer = context.view_layer
    selection, active = list(context.selected_objects), layer.objects.active
    before = {kind: set(getattr(bpy.data, kind)) for kind in _KINDS}
    names = Names()
    try:
        rig = copy_at_rest(head.rig, "rig", "rig")
        mesh = copy_at_rest(head.head, "head", "head")
        for bone in rig.pose.bones:
            bone.matrix_basis = Matrix.Identity(4)
        for block in mesh.data.shape_keys.key_blocks:
            block.value = 0.0
        for modifier in [modifier for modifier in mesh.modifiers if modifier.type != "ARMATURE"]:
            mesh.modifiers.remove(modifier)
        yield Stage(names, rig, [mesh], arrays=_arrays(mesh, rig))
    finally:
        for kind in _KINDS:
            collection = getattr(bpy.data, kind)
            for made in set(collection) - before[kind]:
                collection.remove(made)
        names.give_back()
        for thing in context.selected_objects:
            thing.select_set(False)
        for thing in selection:
            thing.select_set(True)
        layer.objects.active = active


def add_level(stage: Stage, topology: LevelTopology, own_normals: bool) -> None:
    """Add a coarser mesh over the staged head's vertices.

    Args:
        own_normals: let its corners have the full head's normals, which its normal map was made for. Not for glTF:
            Blender's exporter would take the difference to the faces' normals for part of every shape.
    """
    arrays, ids = stage.arrays, topology.vertex_ids
    mesh = bpy.data.meshes.new("level")
    corner = topology.faces != np.roll(topology.faces, -1, 1)  # [F, 4]
    sizes = corner.sum(1)
    mesh.vertices.add(len(ids))
    mesh.vertices.foreach_set("co", arrays.rest[ids].astype(np.float32).ravel())
    loops = topology.faces[corner]
    mesh.loops.add(len(loops))
    mesh.loops.foreach_set("vertex_index", loops.astype(np.int32))
    mesh.polygons.add(len(sizes))
    mesh.polygons.foreach_set("loop_start", np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int32))
    mesh.polygons.foreach_set("material_index", topology.texture_set.astype(np.int32))
    mesh.polygons.foreach_set("use_smooth", np.ones(len(sizes), bool))
    mesh.update(calc_edges=True)
    layer = mesh.uv_layers.new(name=stage.meshes[0].data.uv_layers[0].name)
    layer.uv.foreach_set("vector", topology.uv[topology.face_uv[corner]].ravel())
    for material in stage.meshes[0].data.materials:
        mesh.materials.append(material)
    if own_normals:
        mesh.normals_split_custom_set_from_vertices(arrays.normals[ids].tolist())

    thing = bpy.data.objects.new("level", mesh)
    thing.shape_key_add(name=stage.meshes[0].data.shape_keys.key_blocks[0].name, from_mix=False)
    for name, displacement in arrays.shapes.items():
        key = thing.shape_key_add(name=name, from_mix=False)
        key.points.foreach_set("co", (arrays.rest + displacement)[ids].astype(np.float32).ravel())
        key.value = 0.0
    for bone, weights in arrays.weights.items():
        group = thing.vertex_groups.new(name=bone)
        for vertex in np.flatnonzero(weights[ids] > 0.0).tolist():
            group.add([vertex], float(weights[ids[vertex]]), "REPLACE")
    stage.meshes.append(thing)


def dress(stage: Stage, material_for: Callable[[bpy.types.Material], bpy.types.Material]) -> None:
    """Give the staged head, before levels are added, materials for the file instead of the scene's."""
    for slot in stage.meshes[0].material_slots:
        if slot.material is not None:
            slot.material = material_for(slot.material)


def set_up(context: bpy.types.Context, stage: Stage, base_name: str, rig_name: str, group: bool, y_up: bool) -> None:
    """Name, place, scale, link and select everything.

    Args:
        base_name: meshes are `<base_name>_LOD0` ... when there are several.
        group: hang the meshes under an empty that FBX calls an LOD group.
        y_up: turn the data to the file's axes and measure them in centimetres, so that no node has to turn or scale.
    """
    turn = Y_UP if y_up else Matrix.Identity(4)
    back = turn.inverted()
    stage.rig.data.transform(Matrix.Scale(100.0, 4) @ turn if y_up else turn)
    stage.names.take("objects", stage.rig, rig_name)
    stage.names.take("armatures", stage.rig.data, rig_name)
    parent = stage.rig
    if group:
        parent = bpy.data.objects.new("group", None)
        parent["fbx_type"] = "LodGroup"  # Blender's FBX exporter makes it the type of the node
        stage.names.take("objects", parent, f"{base_name}_LodGroup")
        stage.others.append(parent)
    several = len(stage.meshes) > 1
    for index, thing in enumerate(stage.meshes):
        name = f"{base_name}_LOD{index}" if several else base_name
        stage.names.take("objects", thing, name)
        stage.names.take("meshes", thing.data, name)
        thing.data.shape_keys.name = f"{name}_morphs"
        if y_up:
            thing.data.transform(Matrix.Scale(100.0, 4) @ turn, shape_keys=True)
        drop_unused_slots(thing)
        for modifier in list(thing.modifiers):
            thing.modifiers.remove(modifier)
        thing.modifiers.new("Armature", "ARMATURE").object = stage.rig
        thing.parent = parent
        thing.matrix_parent_inverse = Matrix.Identity(4)
        thing.matrix_basis = Matrix.Identity(4)
    for top in {stage.rig, parent}:
        top.matrix_basis = back
    for thing in context.selected_objects:
        thing.select_set(False)
    for thing in stage.objects:
        context.scene.collection.objects.link(thing)
        thing.hide_viewport = False
        thing.select_set(True)
    context.view_layer.objects.active = stage.rig
    context.view_layer.update()


def _arrays(mesh: bpy.types.Object, rig: bpy.types.Object) -> HeadArrays:
    blocks = mesh.data.shape_keys.key_blocks
    count = len(mesh.data.vertices)

    def positions(block) -> np.ndarray:
        values = np.empty(count * 3, np.float32)
        block.points.foreach_get("co", values)
        return values.reshape(-1, 3).astype(float)

    rest = positions(blocks[0])
    normals = np.empty(count * 3, np.float32)
    mesh.data.vertex_normals.foreach_get("vector", normals)
    bones = {group.index: group.name for group in mesh.vertex_groups if group.name in rig.data.bones}
    weights = {name: np.zeros(count) for name in bones.values() if rig.data.bones[name].use_deform}
    for vertex in mesh.data.vertices:
        for entry in vertex.groups:
            if bones.get(entry.group) in weights:
                weights[bones[entry.group]][vertex.index] = entry.weight
    shapes = {block.name: positions(block) - rest for block in blocks[1:]}
    return HeadArrays(rest, shapes, normals.reshape(-1, 3).astype(float), weights)
