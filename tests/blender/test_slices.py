"""A head that comes into the scene in slices: what undo, saving, loading and a purge do to it meanwhile."""

from __future__ import annotations

import time

import bpy
import pytest
from window_double import Window, beats, double


@pytest.fixture
def build(load, package_path):
    """A head half built: its mesh is there, its shapes are not all."""
    builds = load("blender_addon.head.build")
    package = load("blender_addon.head.package").read_package(package_path)
    build = builds.HeadBuild(bpy.context, package, builds.BuildOptions())
    while not (shaped := [mesh for mesh in bpy.data.meshes if mesh.shape_keys is not None]):
        assert not build.advance(1e-6)
    assert len(shaped[0].shape_keys.key_blocks) < 53
    return build


def everything():
    kinds = ("collections", "objects", "meshes", "armatures", "cameras", "materials", "images")
    return {thing.name for kind in kinds for thing in getattr(bpy.data, kind) if thing.name != "Render Result"}


def finish(build):
    while not build.advance(0.008):
        pass


def test_nothing_is_in_the_scene_before_the_end(build):
    while not build.advance(1e-6):
        assert not [thing for thing in bpy.context.scene.objects if thing.get("mien_role") == "head"] or (
            bpy.context.view_layer.objects.active.get("mien_role") == "head"  # the last slice is left
        )
    assert build.head.head.name in bpy.context.scene.objects
    assert len(build.head.head.data.shape_keys.key_blocks) == 53
    assert not [thing for thing in (*bpy.data.collections, *bpy.data.images) if thing.use_fake_user]


def test_abandoned_it_leaves_nothing(build, load):
    load("blender_addon.slices").abandon_all()
    assert build.abandoned and not everything()


def test_a_purge_takes_nothing_of_it(build):
    bpy.ops.outliner.orphans_purge(do_recursive=True)
    finish(build)
    materials = build.head.head.data.materials
    assert all(material is not None for material in materials) and len(materials) > 1


def test_a_saved_file_holds_no_half_head(build, tmp_path):
    saved = tmp_path / "saved.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(saved), copy=True)
    assert build.abandoned
    with bpy.data.libraries.load(str(saved)) as (source, _):
        assert not source.objects and not source.collections


def test_undo_in_the_middle_abandons_it(build):
    bpy.ops.ed.undo_push(message="half a head is in this step")
    bpy.context.scene.frame_current = 7
    bpy.ops.ed.undo_push(message="later")
    bpy.ops.ed.undo()
    assert build.abandoned and not everything()
    bpy.ops.ed.redo()
    assert not everything()


def test_loading_in_the_middle_abandons_it(build, tmp_path):
    bpy.ops.wm.read_homefile(use_empty=True)
    assert build.abandoned and not everything()


def test_a_part_removed_meanwhile_is_said(build, load):
    armature = next(thing for thing in bpy.data.objects if thing.type == "ARMATURE")
    bpy.data.objects.remove(armature)
    with pytest.raises(load("blender_addon.head.package").PackageError, match="removed while it was being built"):
        finish(build)
    assert not everything()


def test_how_long_a_slice_takes(build):
    slowest = 0.0
    over = False
    while not over:
        started = time.perf_counter()
        over = build.advance(0.008)
        slowest = max(slowest, time.perf_counter() - started)
    print(f"longest slice of the test head: {slowest * 1e3:.1f} ms")


def importing(load, package_path):
    """(operator, window): Import Head as it goes on after the file browser, begun."""
    operator = double(load("operators.import_head").MIEN_OT_build_head, load("operators.beat").Beat)
    operator.package, operator.lods, operator.cameras, operator.pack_images = str(package_path), True, True, True
    window = Window()
    assert operator.invoke(window, None) == {"RUNNING_MODAL"}
    return operator, window


def heads():
    return [thing for thing in bpy.context.scene.objects if thing.get("mien_role") == "head"]


def test_import_from_the_browser(load, package_path):
    operator, window = importing(load, package_path)
    assert beats(operator, window, lambda: operator._build is not None) == {"PASS_THROUGH"}
    load("blender_addon.slices").abandon_all()  # as undo does: it begins again
    assert beats(operator, window) == {"FINISHED"} and not window.timers
    assert len(heads()) == 1


def test_import_of_what_is_no_head_is_said(load, tmp_path):
    operator, window = importing(load, tmp_path / "none.head")
    assert beats(operator, window) == {"CANCELLED"} and not window.timers and not everything()
    ((kind, sentence),) = operator.reports
    assert kind == {"ERROR"} and "none.head" in sentence


def test_import_that_blender_ends_leaves_nothing(load, package_path):
    operator, window = importing(load, package_path)
    beats(operator, window, lambda: operator._build is not None)
    operator.cancel(window)
    assert not everything() and not window.timers


def test_a_script_imports_at_once_in_one_undo_step(load, package_path, tmp_path):
    bpy.ops.ed.undo_push(message="before")
    assert bpy.ops.mien.import_head("EXEC_DEFAULT", True, filepath=str(package_path)) == {"FINISHED"}
    assert len(heads()) == 1
    bpy.ops.ed.undo()
    assert not heads()
    with pytest.raises(RuntimeError, match="none.head"):
        bpy.ops.mien.import_head(filepath=str(tmp_path / "none.head"))
