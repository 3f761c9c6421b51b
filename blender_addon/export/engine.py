"""A head into an engine's file: presets.py says what it looks like, docs/export.md how to import it."""

from __future__ import annotations

import shutil
from pathlib import Path

import bpy

from ..compat import call_known
from ..head.export import FBX_OPTIONS, GLB_OPTIONS, ExportError, centimetre_scene, not_written, unfinished, with_suffix
from ..head.materials import SET_PROPERTY
from ..head.objects import HeadObjects
from .gltf_levels import tie_levels
from .levels import LevelError, LevelTopology, coarser_levels
from .maps import EngineMap, write_maps
from .materials import GLTF_OUTPUT, engine_material, new_gltf_output
from .occlusion import bake_occlusion
from .presets import EnginePreset, ExportOptions, engine_name
from .staging import Stage, add_level, dress, set_up, staged


def export_for_engine(
    context: bpy.types.Context,
    head: HeadObjects,
    preset: EnginePreset,
    path: Path | str,
    options: ExportOptions | None = None,
) -> Path:
    """Write `path`, and for FBX the maps beside it in `<name>_textures/`; returns the file.

    The head is written neutral, at the origin, with what was sculpted on it. Files of the same names are replaced, each
    when it is whole. The scene stays as it is.

    Raises:
        ExportError: the head cannot be exported so, or a file cannot be written.
    """
    options = options or ExportOptions()
    path = with_suffix(path, preset.extension)
    topologies = _checked(context, head, options)
    name = engine_name(head.head.name)
    file, partial = unfinished(path), unfinished_maps(path)
    try:
        partial.mkdir(parents=True, exist_ok=True)
        with staged(context, head) as stage:
            maps = _write_maps(partial, preset, name, stage, topologies, options)
            _fill(context, preset, name, stage, topologies, maps, options)
            if preset.extension == ".glb":
                _write_glb(file)
                if len(stage.meshes) > 1:
                    tie_levels(file, [mesh.name for mesh in stage.meshes])
                finals = {}
            else:
                finals = {entry.path: path.with_name(f"{path.stem}_textures") / entry.path.name for entry in maps}
                for image in bpy.data.images:
                    if Path(image.filepath) in finals:
                        image.filepath = str(finals[Path(image.filepath)])  # where the file will say that the map is
                with centimetre_scene(context.scene):
                    _write_fbx(file)
        _publish({**finals, file: path})
    except (OSError, RuntimeError, ValueError) as error:
        raise not_written(path, error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        if file.is_file():
            file.unlink()
    return path


def unfinished_maps(path: Path) -> Path:
    """Where the maps of a file are until all is whole."""
    return path.with_name(f".{path.stem}.partial")


def _checked(
    context: bpy.types.Context, head: HeadObjects, options: ExportOptions
) -> tuple[LevelTopology, LevelTopology]:
    """The coarser levels, once it is sure that the head can be exported."""
    if context.mode != "OBJECT":
        raise ExportError("The head can be exported in object mode only: leave the edit mode first.")
    if head.head.data.shape_keys is None:
        raise ExportError(f"{head.head.name} has lost its shape keys: import it again.")
    try:
        topologies = coarser_levels()
    except LevelError as error:
        raise ExportError(str(error)) from error
    expected = topologies[0].head_vertices
    if options.levels and len(head.head.data.vertices) != expected:
        raise ExportError(
            f"{head.head.name} has {len(head.head.data.vertices)} vertices instead of Mien's {expected}: export it "
            "without levels of detail."
        )
    return topologies


def _write_maps(
    folder: Path,
    preset: EnginePreset,
    name: str,
    stage: Stage,
    topologies: tuple[LevelTopology, LevelTopology],
    options: ExportOptions,
) -> list[EngineMap]:
    arrays = stage.arrays
    occlusion = {}
    if len(arrays.rest) == topologies[0].head_vertices:  # other vertices: no known UVs, and the channel stays white
        occlusion = bake_occlusion(arrays.rest, arrays.shapes, topologies[0])
    materials = [slot.material for slot in stage.meshes[0].material_slots if slot.material is not None]
    return write_maps(folder, preset, name, materials, occlusion, options.map_size)


def _fill(
    context: bpy.types.Context,
    preset: EnginePreset,
    name: str,
    stage: Stage,
    topologies: tuple[LevelTopology, LevelTopology],
    maps: list[EngineMap],
    options: ExportOptions,
) -> None:
    fbx = preset.extension == ".fbx"
    gltf_output = None if fbx else new_gltf_output()
    if gltf_output is not None:
        stage.names.take("node_groups", gltf_output, GLTF_OUTPUT)

    def material_for(source: bpy.types.Material) -> bpy.types.Material:
        made = engine_material(source, maps, gltf_output)
        words = "".join(word.capitalize() for word in str(source.get(SET_PROPERTY, source.name)).split("_"))
        stage.names.take("materials", made, preset.material.format(head=name, set=engine_name(words)))
        return made

    dress(stage, material_for)
    if options.levels:
        for topology in topologies:
            add_level(stage, topology, own_normals=fbx)
    grouped = preset.levels == "lod_group" and options.levels
    set_up(context, stage, name, preset.rig.format(head=name), grouped, y_up=fbx)


def _write_fbx(path: Path) -> None:
    call_known(
        bpy.ops.export_scene.fbx,
        filepath=str(path),
        **FBX_OPTIONS,
        object_types={"ARMATURE", "MESH", "EMPTY"},
        use_tspace=False,  # engines make their own tangents, and need all faces to be triangles or quads for these
        path_mode="RELATIVE",
        embed_textures=False,
    )


def _write_glb(path: Path) -> None:
    call_known(
        bpy.ops.export_scene.gltf,
        filepath=str(path),
        **GLB_OPTIONS,
    )


def _publish(finals: dict[Path, Path]) -> None:
    """Rename whole files to their final names, the last one last; what was not there before goes again on failure."""
    new = []
    try:
        for made, final in finals.items():
            if not made.is_file():
                raise OSError(f"{final.name} was not written")
            final.parent.mkdir(exist_ok=True)
            fresh = not final.exists()
            made.replace(final)
            if fresh:
                new.append(final)
    except OSError:
        for final in new:
            final.unlink(missing_ok=True)
        raise
