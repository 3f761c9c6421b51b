"""FBX and GLB out and in again: names, shapes, weights, bones and pictures, measured after Blender's own importers."""

from __future__ import annotations

import importlib

import addon_utils
import bpy
import numpy as np
import pytest
import round_trip
from conftest import MODULE, REPOSITORY, _mount_folder

TENTH_MILLIMETRE = 1e-4


@pytest.fixture(scope="module", params=["fbx", "glb"])
def trip(request, package_path, tmp_path_factory):
    """One export and import for all the measures; a test that uses it must not use what empties the scene."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    repository = bpy.context.preferences.extensions.repos.new(
        name=REPOSITORY, module=REPOSITORY, custom_directory=str(_mount_folder())
    )
    repository.use_custom_directory = True
    assert addon_utils.enable(MODULE, default_set=True)
    folder = tmp_path_factory.mktemp(request.param)
    yield round_trip.make(request.param, package_path, folder, lambda name: importlib.import_module(f"{MODULE}.{name}"))


def test_names_are_exact(trip):
    assert trip.found_names == list(trip.names) and len(trip.names) == 52
    if trip.kind == "glb":
        (mesh,) = round_trip.read_glb(trip.path)["meshes"]
        assert mesh["extras"]["targetNames"] == list(trip.names)
        assert all(len(primitive["targets"]) == 52 for primitive in mesh["primitives"])


def test_positions_survive(trip):
    assert trip.position_error() < 0.01 * TENTH_MILLIMETRE


def test_shapes_survive_and_move_something(trip):
    assert trip.shape_error() < 0.1 * TENTH_MILLIMETRE
    reach, name = trip.weakest_shape()
    assert reach > 5 * TENTH_MILLIMETRE, f"{name} moves nothing"


def test_left_mirrors_right(trip):
    partner = round_trip.mirror_of_level(len(trip.level.vertices))
    if partner is None:
        pytest.skip("the package given by MIEN_TEST_PACKAGE was made with another template")
    assert trip.mirror_error(partner) < TENTH_MILLIMETRE


def test_bones_and_weights_survive(trip):
    bones = trip.rig.data.bones
    assert set(bones.keys()) == set(trip.package.joint_names)
    assert trip.bone_error() < TENTH_MILLIMETRE
    for index, parent in enumerate(trip.package.joint_parents):
        if parent >= 0:
            assert bones[trip.package.joint_names[index]].parent.name == trip.package.joint_names[parent]
    assert trip.weight_error() < 0.01
    assert any(modifier.type == "ARMATURE" and modifier.object == trip.rig for modifier in trip.mesh.modifiers)


def test_maps_travel_along(trip):
    package = trip.package
    worn = {package.texture_sets[part] for part in set(package.levels[-1].part.tolist())}
    unused = {("skin", "confidence"), ("eye", "specular")}
    expected = [(s, name) for s in worn for name in package.maps.get(s, {}) if (s, name) not in unused]
    assert len(trip.pictures()) == len(expected), trip.pictures()
    slots = {slot.material.name for slot in trip.mesh.material_slots}
    assert len(slots) == len(worn)
    assert any(name.endswith("Skin") for name in slots) and any(name.endswith("Eye") for name in slots)
    if trip.kind == "glb":
        materials = {entry["name"].split()[-1]: entry for entry in round_trip.read_glb(trip.path)["materials"]}
        skin = materials["Skin"]
        assert {"baseColorTexture", "metallicRoughnessTexture"} <= set(skin["pbrMetallicRoughness"])
        assert "normalTexture" in skin and "specularTexture" in skin["extensions"]["KHR_materials_specular"]
        assert skin.get("alphaMode", "OPAQUE") == "OPAQUE"
        for name in {"Lashes", "Cornea"} & set(materials):
            assert materials[name]["alphaMode"] == "BLEND"


def test_gltf_roughness_is_in_green(trip):
    if trip.kind != "glb":
        pytest.skip("glTF only")
    image = next(image for image in bpy.data.images if "skin" in image.name and "roughness" in image.name)
    pixels = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(pixels)
    red, green, blue, _ = pixels.reshape(-1, 4).T
    source = bpy.data.images.load(str(trip.package.maps["skin"]["roughness"]))
    original = np.empty(len(source.pixels), np.float32)
    source.pixels.foreach_get(original)
    np.testing.assert_allclose(green, original.reshape(-1, 4)[:, 0], atol=1 / 250)
    assert blue.max() < 1 / 250 and red.min() > 0.99


def test_fbx_nodes_carry_no_scale_but_the_unit(trip):
    if trip.kind != "fbx":
        pytest.skip("FBX only")
    # The importer turns the file's centimetres into metres on the top node; everything below is at scale one.
    np.testing.assert_allclose(trip.rig.scale, 0.01, rtol=1e-5)
    np.testing.assert_allclose(trip.mesh.scale, 1.0, rtol=1e-5)


@pytest.mark.parametrize("kind", ["fbx", "glb"])
def test_export_leaves_the_scene_as_it_was(built, load, tmp_path, kind):
    head, _ = built
    head.head.data.shape_keys.key_blocks["jawOpen"].value = 0.4
    head.rig.pose.bones["head"].rotation_euler = (0.1, 0.2, 0.3)

    def state():
        kinds = ("objects", "meshes", "armatures", "materials", "images", "shape_keys", "collections")
        units = bpy.context.scene.unit_settings
        return (
            {name: sorted(entry.name for entry in getattr(bpy.data, name)) for name in kinds},
            [entry.name for entry in bpy.context.selected_objects],
            bpy.context.view_layer.objects.active.name,
            (units.system, units.scale_length),
            [slot.material.name for slot in head.head.material_slots],
            head.head.data.shape_keys.key_blocks["jawOpen"].value,
            tuple(head.rig.pose.bones["head"].rotation_euler),
        )

    before = state()
    getattr(load("blender_addon.head.export"), f"export_{kind}")(bpy.context, head, tmp_path / f"a.{kind}")
    assert state() == before
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [f"a.{kind}"]


def test_a_place_that_cannot_be_written_is_said(built, load, tmp_path):
    head, _ = built
    (tmp_path / "file").write_text("in the way")
    export = load("blender_addon.head.export")
    for write in (export.export_fbx, export.export_glb):
        with pytest.raises(export.ExportError, match="choose another folder"):
            write(bpy.context, head, tmp_path / "file" / "head")


def test_blend_is_complete_by_itself(built, load, tmp_path):
    head, package = built
    path = load("blender_addon.head.export").save_blend(tmp_path / "head.blend")
    name = head.head.name
    bpy.ops.wm.open_mainfile(filepath=str(path))
    found = bpy.data.objects[name]
    assert len(found.data.vertices) == len(package.levels[-1].vertices)
    assert len(found.data.shape_keys.key_blocks) == 53
    used = [image for image in bpy.data.images if "mien_map" in image]
    assert used and all(image.packed_file is not None for image in used)
