"""Exports from the file browser: written by a Blender of their own, like those of a script, and stopped by Esc."""

from __future__ import annotations

import bpy
import numpy as np
import pytest
import round_trip
from window_double import Window, beats, double, event


@pytest.fixture
def windowed(load):
    """(operator, window): the export as the window runs it."""
    cls = load("operators.write_export").MIEN_OT_write_export
    return double(cls, load("operators.beat").Beat), Window()


def begin(operator, window, load, kind, path, **more):
    request = load("blender_addon.export.beside").ExportRequest(kind, str(path), **more)
    for name, value in vars(request).items():
        setattr(operator, name, value)
    return operator.invoke(window, None)


def everything():
    kinds = ("objects", "meshes", "armatures", "materials", "images", "node_groups", "collections")
    return {kind: sorted(thing.name for thing in getattr(bpy.data, kind)) for kind in kinds}


def image_bytes(path):
    """name -> the bytes of each picture in a GLB."""
    content, document = path.read_bytes(), round_trip.read_glb(path)
    start = 20 + int.from_bytes(content[12:16], "little") + 8
    found = {}
    for image in document["images"]:
        view = document["bufferViews"][image["bufferView"]]
        at = start + view.get("byteOffset", 0)
        found[image["name"]] = content[at : at + view["byteLength"]]
    return found


def test_as_a_script_writes_it_with_paint_and_sculpting(built, load, windowed, tmp_path):
    head, _ = built
    head.head.data.shape_keys.key_blocks[0].data[100].co.z += 0.01  # sculpted
    image = load("blender_addon.head.materials").map_image(head.head.data.materials[0], "diffuse")
    image.pixels[:4000] = [0.9, 0.1, 0.1, 1.0] * 1000  # painted, and not saved
    image.update()
    assert image.is_dirty
    operator, window = windowed
    before = everything()
    assert begin(operator, window, load, "glb", tmp_path / "beside.glb") == {"RUNNING_MODAL"}
    assert "beside.glb" in load("blender_addon.status").words()[0] and window.timers
    assert not bpy.ops.mien.export_glb.poll()  # one at a time
    folder = operator._exporting.folder
    assert beats(operator, window) == {"FINISHED"}
    assert not load("blender_addon.status").words() and not window.timers and not folder.exists()
    assert everything() == before and image.is_dirty == (bpy.app.version >= (4, 3, 0))

    assert bpy.ops.mien.export_glb(filepath=str(tmp_path / "script.glb")) == {"FINISHED"}
    one, other = tmp_path / "beside.glb", tmp_path / "script.glb"
    here, there = round_trip.read_glb(one), round_trip.read_glb(other)
    for part in ("meshes", "nodes", "skins", "materials", "textures", "images", "accessors"):
        assert here[part] == there[part], part
    pictures = image_bytes(one), image_bytes(other)
    if bpy.app.version >= (4, 3, 0):  # before, Blender packs the painted picture anew, in other bytes
        assert pictures[0] == pictures[1]
        size = int.from_bytes(one.read_bytes()[12:16], "little")
        rest = [np.frombuffer(path.read_bytes()[28 + size :], np.uint8) for path in (one, other)]
        np.testing.assert_array_equal(*rest)
    else:
        assert pictures[0].keys() == pictures[1].keys()


def test_for_an_engine_with_its_maps(built, load, windowed, tmp_path):
    operator, window = windowed
    begin(operator, window, load, "engine", tmp_path / "head", preset="UNITY", levels=True, map_size=64)
    assert beats(operator, window) == {"FINISHED"}
    assert (tmp_path / "head.fbx").stat().st_size > 1e6
    maps = {path.name for path in (tmp_path / "head_textures").iterdir()}
    assert any(name.endswith("_MaskMap.png") for name in maps)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("seen", [False, True])
def test_esc_leaves_what_was_there(built, load, windowed, tmp_path, seen):
    path = tmp_path / "head.fbx"
    path.write_bytes(b"an older export")
    operator, window = windowed
    begin(operator, window, load, "engine", path, preset="UNREAL")
    folder, process = operator._exporting.folder, operator._exporting.process
    if seen:  # half-written files are there
        assert beats(operator, window, lambda: (tmp_path / ".head.partial").exists()) == {"PASS_THROUGH"}
    assert operator.modal(window, event("MOUSEMOVE")) == {"PASS_THROUGH"}
    assert operator.modal(window, event("ESC", "RELEASE")) == {"PASS_THROUGH"}  # of the press that closed something
    assert operator.modal(window, event("ESC")) == {"CANCELLED"}
    assert process.poll() is not None and not folder.exists() and not load("blender_addon.status").words()
    assert [each.name for each in tmp_path.iterdir()] == ["head.fbx"] and path.read_bytes() == b"an older export"
    assert bpy.ops.mien.export_fbx.poll()


def test_what_the_other_blender_cannot_do_is_said(built, load, windowed):
    operator, window = windowed
    begin(operator, window, load, "fbx", "/proc/head.fbx")
    assert beats(operator, window) == {"CANCELLED"}
    ((kind, sentence),) = operator.reports
    assert kind == {"ERROR"} and sentence.startswith("head.fbx could not be written (")
    assert sentence.endswith("choose another folder.") and bpy.ops.mien.export_fbx.poll()


def test_a_blender_that_dies_is_said(built, load, windowed, tmp_path):
    operator, window = windowed
    begin(operator, window, load, "fbx", tmp_path / "head.fbx")
    operator._exporting.process.kill()
    assert beats(operator, window) == {"CANCELLED"}
    assert operator.reports[0][1].startswith("The export failed (") and not list(tmp_path.iterdir())


def test_disabled_in_the_middle(built, load, windowed, tmp_path):
    operator, window = windowed
    operator.cancel = lambda context, cancel=operator.cancel: cancel(window)  # the double's window, not Blender's
    begin(operator, window, load, "fbx", tmp_path / "head.fbx")
    folder, process = operator._exporting.folder, operator._exporting.process
    load("operators.beat").cancel_all()
    assert process.poll() is not None and not folder.exists() and not window.timers
    assert not load("blender_addon.status").words()
    assert not list(tmp_path.iterdir()) and not load("operators.beat").staying
