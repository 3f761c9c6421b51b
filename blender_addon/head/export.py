"""A head out of Blender: FBX for game engines, GLB for everything else, and the .blend itself.

Files hold the neutral head in its rest pose at the origin, with its skin and all 52 shapes; the scene's own head keeps
pose, sliders and place. Axes and units are those that each format's readers expect:

- FBX in centimetres, Y up, facing +Z, no scale on any node (Unreal and Unity both read 1:1).
- GLB in metres, Y up, facing +Z, as glTF demands.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import bpy
from mathutils import Matrix

from ..compat import call_known
from ..identity.live import basis_of, fold
from .export_materials import fbx_material, gltf_material
from .objects import HeadObjects

_CENTIMETRES_PER_METRE = 100.0
FBX_OPTIONS: Mapping[str, object] = MappingProxyType(
    {
        "use_selection": True,
        # Data are in centimetres already, so that no node carries the scale of 100 that breaks engines' rigs.
        "apply_unit_scale": True,
        "apply_scale_options": "FBX_SCALE_NONE",
        "axis_forward": "-Z",
        "axis_up": "Y",
        "use_mesh_modifiers": False,  # a modifier other than the armature would cost the shape keys
        "mesh_smooth_type": "FACE",
        "use_armature_deform_only": True,
        "add_leaf_bones": False,
        "bake_anim": False,
    }
)
GLB_OPTIONS: Mapping[str, object] = MappingProxyType(
    {
        "export_format": "GLB",
        "use_selection": True,
        "export_yup": True,
        "export_apply": False,  # applying modifiers would cost the shape keys
        "export_morph": True,
        "export_morph_normal": True,
        "export_skins": True,
        "export_def_bones": True,  # the followers (followers.py) are Blender's own
        "export_leaf_bone": False,
        "export_animations": False,
        "export_cameras": False,
        "export_lights": False,
        "export_extras": False,
        "export_image_format": "AUTO",
    }
)


class ExportError(Exception):
    """A head could not be exported; the message is one sentence for the artist."""


def export_fbx(context: bpy.types.Context, head: HeadObjects, path: Path | str) -> Path:
    """Write `path` as binary FBX with embedded maps.

    Raises:
        ExportError: the file cannot be written.
    """
    path = with_suffix(path, ".fbx")
    with _copy_for_export(context, head, fbx_material, _CENTIMETRES_PER_METRE), centimetre_scene(context.scene):
        write_with(
            path,
            bpy.ops.export_scene.fbx,
            **FBX_OPTIONS,
            object_types={"ARMATURE", "MESH"},
            path_mode="COPY",
            embed_textures=True,
        )
    return path


def export_glb(context: bpy.types.Context, head: HeadObjects, path: Path | str) -> Path:
    """Write `path` as one binary glTF 2.0 file.

    Raises:
        ExportError: the file cannot be written.
    """
    path = with_suffix(path, ".glb")
    with _copy_for_export(context, head, gltf_material, 1.0):
        write_with(
            path,
            bpy.ops.export_scene.gltf,
            **GLB_OPTIONS,
        )
    return path


def save_blend(path: Path | str, pack: bool = True) -> Path:
    """Save a copy of the open file as `path`, compressed; the open file keeps its own name.

    Raises:
        ExportError: the file cannot be written.
    """
    path = with_suffix(path, ".blend")
    if pack:
        for image in bpy.data.images:
            if image.source == "FILE" and image.packed_file is None and image.users:
                image.pack()
    write_with(path, bpy.ops.wm.save_as_mainfile, copy=True, compress=True, check_existing=False)
    return path


def with_suffix(path: Path | str, suffix: str) -> Path:
    """The absolute path, ending in `suffix`."""
    path = Path(bpy.path.abspath(str(path)))
    return path if path.suffix.lower() == suffix else path.with_name(path.name + suffix)


def unfinished(path: Path) -> Path:
    """Where a file is written before it gets its name."""
    return path.with_name(f".{path.stem}.partial{path.suffix}")


def write_with(path: Path, operator: Callable, **arguments: object) -> None:
    """Run one of Blender's writers into a neighbouring file and rename it: no half-written file under the real name.

    Raises:
        ExportError: the file cannot be written.
    """
    partial = unfinished(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        call_known(operator, filepath=str(partial), **arguments)
        if not partial.is_file():
            raise OSError("nothing was written")
        partial.replace(path)
    except (OSError, RuntimeError) as error:
        raise not_written(path, error) from error
    finally:
        if partial.is_file():
            partial.unlink()


def not_written(path: Path, error: Exception) -> ExportError:
    """The sentence for a file that could not be written, with the last line of the reason that says something."""
    lines = [line.strip() for line in (getattr(error, "strerror", None) or str(error)).splitlines()]
    lines = [line for line in lines if line and not line.startswith("Location:")]
    reason = lines[-1] if lines else type(error).__name__
    return ExportError(f"{path.name} could not be written ({reason}): choose another folder.")


@contextlib.contextmanager
def centimetre_scene(scene: bpy.types.Scene) -> Iterator[None]:
    """Inside, one unit of the scene is a centimetre."""
    units = scene.unit_settings
    before = units.system, units.scale_length
    units.system, units.scale_length = "METRIC", 0.01
    try:
        yield
    finally:
        units.system, units.scale_length = before


@contextlib.contextmanager
def _copy_for_export(
    context: bpy.types.Context,
    head: HeadObjects,
    material_for: Callable[[bpy.types.Material], bpy.types.Material],
    scale: float,
) -> Iterator[None]:
    """A selected copy of head and rig, at rest, at the origin, scaled in its data, under the originals' own names.

    The artist's data are only renamed for the moment and get their names back.
    """
    if context.mode != "OBJECT":
        raise ExportError("The head can be exported in object mode only: leave the edit mode first.")
    layer = context.view_layer
    selection, active = list(context.selected_objects), layer.objects.active
    originals: list[bpy.types.ID] = [head.head, head.rig, head.head.data, head.rig.data]
    originals += dict.fromkeys(slot.material for slot in head.head.material_slots if slot.material is not None)
    names = [thing.name for thing in originals]
    made_before = {kind: set(getattr(bpy.data, kind)) for kind in ("materials", "images")}
    for thing in originals:
        thing.name = f"{thing.name[:40]} (original)"
    name_of = dict(zip(originals, names, strict=True))
    copies: list[bpy.types.Object] = []
    try:
        rig = copy_at_rest(head.rig, name_of[head.rig], name_of[head.rig.data])
        copies.append(rig)
        mesh = copy_at_rest(head.head, name_of[head.head], name_of[head.head.data])
        copies.append(mesh)
        mesh.parent = rig
        for modifier in list(mesh.modifiers):
            if modifier.type == "ARMATURE":
                modifier.object = rig
            else:
                mesh.modifiers.remove(modifier)
        for thing in copies:
            context.scene.collection.objects.link(thing)
            thing.hide_viewport = False
        mesh.data.transform(Matrix.Scale(scale, 4), shape_keys=True)
        rig.data.transform(Matrix.Scale(scale, 4))
        for bone in rig.pose.bones:
            bone.matrix_basis = Matrix.Identity(4)
        for block in mesh.data.shape_keys.key_blocks:
            block.value = 0.0
        for slot in mesh.material_slots:
            if slot.material is not None:
                source = slot.material
                slot.material = material_for(source)
                slot.material.name = name_of[source]
        drop_unused_slots(mesh)
        for thing in selection:
            thing.select_set(False)
        for thing in copies:
            thing.select_set(True)
        layer.objects.active = rig
        layer.update()
        yield
    finally:
        for thing in copies[::-1]:
            data = thing.data
            bpy.data.objects.remove(thing)
            bpy.data.batch_remove([data])
        for kind in ("materials", "images"):
            collection = getattr(bpy.data, kind)
            for made in set(collection) - made_before[kind]:
                collection.remove(made)
        for thing, name in zip(originals, names, strict=True):
            thing.name = name
        for thing in selection:
            thing.select_set(True)
        layer.objects.active = active


def copy_at_rest(source: bpy.types.Object, name: str, data_name: str) -> bpy.types.Object:
    """A copy without animation, parent or place, with the unapplied identity folded in; in no collection yet."""
    copied = source.copy()
    copied.data = source.data.copy()
    copied.animation_data_clear()
    copied.data.animation_data_clear()
    if source.type == "MESH" and copied.data.shape_keys is not None:
        copied.data.shape_keys.animation_data_clear()
        fold(copied)  # what is seen is what is written
        # The FBX exporter reads the mesh's own vertices, which keys that were set by a script leave behind.
        copied.data.vertices.foreach_set("co", basis_of(copied))
        copied.data.update()
    copied.name, copied.data.name = name, data_name
    copied.parent = None
    copied.matrix_world = Matrix.Identity(4)
    copied.matrix_parent_inverse = Matrix.Identity(4)
    return copied


def drop_unused_slots(mesh: bpy.types.Object) -> None:
    """Remove materials that no face wears (a head without lashes has no use for their material)."""
    worn = {polygon.material_index for polygon in mesh.data.polygons}
    for index in range(len(mesh.data.materials) - 1, -1, -1):
        if index not in worn:
            mesh.data.materials.pop(index=index)
