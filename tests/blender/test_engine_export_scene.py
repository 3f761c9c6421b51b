"""What an export for an engine leaves in the scene as it was, writes on demand, and refuses in one sentence."""

from __future__ import annotations

import json

import bpy
import engine_trip
import numpy as np
import pytest
import round_trip


def _state(head):
    kinds = ("objects", "meshes", "armatures", "materials", "images", "shape_keys", "collections", "node_groups")
    units = bpy.context.scene.unit_settings
    return (
        {name: sorted(entry.name for entry in getattr(bpy.data, name)) for name in kinds},
        [entry.name for entry in bpy.context.selected_objects],
        bpy.context.view_layer.objects.active.name,
        (units.system, units.scale_length),
        [slot.material.name for slot in head.head.material_slots],
        {block.name: block.value for block in head.head.data.shape_keys.key_blocks},
        tuple(head.rig.pose.bones["head"].rotation_euler),
        tuple(head.rig.location),
        [image.filepath for image in bpy.data.images],
    )


@pytest.mark.parametrize("key", ["UNREAL", "UNITY", "GLB"])
def test_the_scene_stays_as_it_was(built, load, tmp_path, key):
    head, _ = built
    head.head.data.shape_keys.key_blocks["jawOpen"].value = 0.4
    head.rig.pose.bones["head"].rotation_euler = (0.1, 0.2, 0.3)
    presets = load("blender_addon.export.presets")
    name = presets.engine_name(head.head.name)
    # The artist's own things may have the very names that the file needs.
    for taken in ("root", f"{name}_Rig", f"{name}_LOD1", f"{name}_LodGroup"):
        bpy.data.objects.new(taken, None)
    for taken in (f"M_{name}_Skin", f"{name}_Skin"):
        bpy.data.materials.new(taken)
    bpy.data.node_groups.new("glTF Material Output", "ShaderNodeTree")
    before = _state(head)
    preset = presets.PRESETS[key]
    options = presets.ExportOptions(map_size=64)
    path = load("blender_addon.export.engine").export_for_engine(bpy.context, head, preset, tmp_path / "a", options)
    assert _state(head) == before
    assert not bpy.data.node_groups["glTF Material Output"].interface.items_tree
    expected = ["a.glb"] if key == "GLB" else ["a.fbx", "a_textures"]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == expected
    if key == "GLB":
        assert {node["name"] for node in round_trip.read_glb(path)["nodes"]} >= {f"{name}_LOD1", f"{name}_Rig"}
    else:
        for file in (tmp_path / "a_textures").iterdir():
            assert engine_trip.stored(file).shape[:2] == (64, 64)


def test_what_was_sculpted_is_on_every_level(built, load, tmp_path):
    head, package = built
    ids = engine_trip.level_ids()[2]
    vertex = int(ids[np.argmax(package.levels[-1].vertices[ids][:, 1])])
    for block in head.head.data.shape_keys.key_blocks:
        block.data[vertex].co.z += 0.02
    presets = load("blender_addon.export.presets")
    path = load("blender_addon.export.engine").export_for_engine(
        bpy.context, head, presets.UNITY, tmp_path / "a.fbx", presets.ExportOptions(map_size=64)
    )
    top = float(head.head.data.shape_keys.key_blocks[0].data[vertex].co.z)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.import_scene.fbx(filepath=str(path))
    bpy.context.view_layer.update()
    for index in range(3):
        (mesh,) = [thing for thing in bpy.data.objects if thing.name.endswith(f"_LOD{index}")]
        assert max((mesh.matrix_world @ point.co).z for point in mesh.data.vertices) == pytest.approx(top, abs=1e-5)


@pytest.mark.parametrize("key", ["UNREAL", "UNITY", "GLB"])
def test_one_level_alone(built, load, tmp_path, key):
    head, package = built
    presets = load("blender_addon.export.presets")
    path = load("blender_addon.export.engine").export_for_engine(
        bpy.context, head, presets.PRESETS[key], tmp_path / "a", presets.ExportOptions(levels=False, map_size=64)
    )
    if key == "GLB":
        document = round_trip.read_glb(path)
        assert len(document["meshes"]) == 1 and "MSFT_lod" not in json.dumps(document)
    else:
        models = [
            e
            for e in engine_trip.child(engine_trip.parsed_fbx(path), b"Objects").elems
            if e.id == b"Model" and e.props[2] == b"Mesh"
        ]
        assert len(models) == 1 and not models[0].props[1].split(b"\x00")[0].endswith(b"_LOD0")


def test_a_changed_mesh_is_refused_in_one_sentence_and_goes_without_levels(built, load, tmp_path):
    head, _ = built
    engine, presets = load("blender_addon.export.engine"), load("blender_addon.export.presets")
    error = load("blender_addon.head.export").ExportError
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.select_all(action="DESELECT")
    bpy.ops.object.mode_set(mode="OBJECT")
    head.head.data.vertices[0].select = True
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.delete(type="VERT")
    with pytest.raises(error, match="leave the edit mode"):
        engine.export_for_engine(bpy.context, head, presets.UNREAL, tmp_path / "a.fbx")
    bpy.ops.object.mode_set(mode="OBJECT")
    with pytest.raises(error, match="without levels of detail"):
        engine.export_for_engine(bpy.context, head, presets.UNREAL, tmp_path / "a.fbx")
    assert not list(tmp_path.iterdir())
    options = presets.ExportOptions(levels=False, map_size=64)
    assert engine.export_for_engine(bpy.context, head, presets.UNREAL, tmp_path / "a.fbx", options).is_file()


@pytest.mark.parametrize("key", ["UNREAL", "GLB"])
def test_a_place_that_cannot_be_written_is_said(built, load, tmp_path, key):
    head, _ = built
    presets, error = load("blender_addon.export.presets"), load("blender_addon.head.export").ExportError
    export = load("blender_addon.export.engine").export_for_engine
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(error, match="choose another folder"):
        export(bpy.context, head, presets.PRESETS[key], tmp_path / "file" / "head")
    ending = presets.PRESETS[key].extension
    (tmp_path / f"b{ending}").mkdir()  # fails at the very last step
    before = _state(head)
    with pytest.raises(error, match="choose another folder"):
        export(bpy.context, head, presets.PRESETS[key], tmp_path / "b", presets.ExportOptions(map_size=64))
    assert _state(head) == before
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / "file"]


def test_a_damaged_level_file_is_said(load, tmp_path):
    levels = load("blender_addon.export.levels")
    with pytest.raises(levels.LevelError, match="missing: install"):
        levels.coarser_levels.__wrapped__(lod2=tmp_path / "none.safetensors")
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(engine_trip.LOD2.read_bytes()[:5000])
    with pytest.raises(levels.LevelError, match="damaged"):
        levels.coarser_levels.__wrapped__(lod2=cut)


def test_operator_writes_what_it_is_told(built, tmp_path):
    file = tmp_path / "head.fbx"
    told = {"preset": "UNITY", "levels": True, "map_size": "512"}
    assert bpy.ops.mien.export_engine(filepath=str(file), **told) == {"FINISHED"}
    assert file.is_file() and len(list((tmp_path / "head_textures").iterdir())) >= 5
    (tmp_path / "wall").write_text("")
    with pytest.raises(RuntimeError, match="choose another folder"):
        bpy.ops.mien.export_engine(filepath=str(tmp_path / "wall" / "head.fbx"), **told)
