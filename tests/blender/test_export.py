"""FBX and GLB out and in again: names, shapes, weights, bones and pictures, measured after Blender's own importers."""

from __future__ import annotations

import json
import re
import struct

import bpy
import numpy as np
import pytest
from conftest import ROOT
from mathutils.kdtree import KDTree

TENTH_MILLIMETRE = 1e-4


def read_glb(path):
    """The JSON chunk, read by hand."""
    content = path.read_bytes()
    magic, version, length = struct.unpack_from("<4sII", content)
    assert (magic, version, length) == (b"glTF", 2, len(content))
    size = struct.unpack_from("<I", content, 12)[0]
    return json.loads(content[20 : 20 + size])


def read_tensor(path, name):
    """One array of a safetensors file: this folder must not need the library."""
    content = path.read_bytes()
    size = struct.unpack_from("<Q", content)[0]
    entry = json.loads(content[8 : 8 + size])[name]
    start, end = entry["data_offsets"]
    kind = {"I64": np.int64, "I32": np.int32, "U16": np.uint16, "I16": np.int16, "U32": np.uint32}[entry["dtype"]]
    return np.frombuffer(content[8 + size + start : 8 + size + end], kind).reshape(entry["shape"])


def world_positions(thing, data):
    values = np.empty(len(data) * 3, np.float32)
    data.foreach_get("co", values)
    matrix = np.array(thing.matrix_world)
    return values.reshape(-1, 3).astype(float) @ matrix[:3, :3].T + matrix[:3, 3]


class Imported:
    """What one importer made of a file, in world space, and which imported vertex each of ours became."""

    def __init__(self, kind, path, rest, shapes, names):
        bpy.ops.wm.read_factory_settings(use_empty=True)
        {"fbx": bpy.ops.import_scene.fbx, "glb": bpy.ops.import_scene.gltf}[kind](filepath=str(path))
        bpy.context.view_layer.update()
        self.mesh = max((o for o in bpy.data.objects if o.type == "MESH"), key=lambda o: len(o.data.vertices))
        self.rig = next(o for o in bpy.data.objects if o.type == "ARMATURE")
        blocks = self.mesh.data.shape_keys.key_blocks
        self.names = [block.name for block in blocks][1:]
        self.rest = world_positions(self.mesh, blocks[0].data)
        self.shapes = {name: world_positions(self.mesh, blocks[name].data) - self.rest for name in self.names}
        # Formats split vertices at seams and merge equal ones: match by place, and by movement where places coincide.
        tree = KDTree(len(self.rest))
        for index, point in enumerate(self.rest):
            tree.insert(point, index)
        tree.balance()
        moved = np.stack([self.shapes[name] for name in names], 1)  # [V', 52, 3]
        self.match = np.empty(len(rest), int)
        self.distance = np.empty(len(rest))
        for index, point in enumerate(rest):
            near = [found for _, found, _ in tree.find_range(point, 2e-5)] or [tree.find(point)[1]]
            best = near[0] if len(near) == 1 else near[np.abs(moved[near] - shapes[index]).max((1, 2)).argmin()]
            self.match[index] = best
            self.distance[index] = np.linalg.norm(self.rest[best] - point)


@pytest.fixture(scope="module", params=["fbx", "glb"])
def round_trip(request, package_path, tmp_path_factory):
    """(kind, file, package, names, Imported). One export and import for all the measurements of this module."""
    import importlib

    import addon_utils
    from conftest import MODULE, REPOSITORY, _mount_folder

    bpy.ops.wm.read_factory_settings(use_empty=True)
    repositories = bpy.context.preferences.extensions.repos
    repository = repositories.new(name=REPOSITORY, module=REPOSITORY, custom_directory=str(_mount_folder()))
    repository.use_custom_directory = True
    assert addon_utils.enable(MODULE, default_set=True)
    load = lambda name: importlib.import_module(f"{MODULE}.{name}")  # noqa: E731
    kind = request.param
    package = load("blender_addon.head.package").read_package(package_path)
    arkit = load("neural_backend.protocol.arkit")
    names = arkit.ARKIT_NAMES
    head = load("blender_addon.head.build").build_head(bpy.context, package_path)
    head.head.data.shape_keys.key_blocks["jawOpen"].value = 0.7  # the file must be neutral all the same
    head.rig.location = (1.0, 2.0, 3.0)  # and at the origin
    export = load("blender_addon.head.export")
    path = tmp_path_factory.mktemp(kind) / f"head.{kind}"
    getattr(export, f"export_{kind}")(bpy.context, head, path)
    frames = load("blender_addon.head.frames")
    level = package.levels[-1]
    shapes = frames.to_blender(level.arkit).transpose(1, 0, 2)  # [V, 52, 3]
    imported = Imported(kind, path, frames.to_blender(level.vertices), shapes, names)
    imported.mirrored = arkit.mirrored
    # A test that uses this fixture must not use those that empty the scene.
    yield kind, path, package, names, imported


def test_names_are_exact(round_trip):
    kind, path, _, names, imported = round_trip
    assert imported.names == list(names)
    if kind == "glb":
        description = read_glb(path)
        (mesh,) = description["meshes"]
        assert mesh["extras"]["targetNames"] == list(names)
        assert all(len(primitive["targets"]) == 52 for primitive in mesh["primitives"])


def test_positions_survive(round_trip):
    *_, imported = round_trip
    assert imported.distance.max() < 0.01 * TENTH_MILLIMETRE


def test_shapes_survive(round_trip):
    _, _, package, names, imported = round_trip
    for index, name in enumerate(names):
        ours = package.levels[-1].arkit[index] @ np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])
        theirs = imported.shapes[name][imported.match]
        assert np.abs(ours - theirs).max() < 0.1 * TENTH_MILLIMETRE, name
        assert np.linalg.norm(theirs, axis=1).max() > 5 * TENTH_MILLIMETRE, f"{name} moves nothing"


def test_left_mirrors_right(round_trip):
    _, _, package, names, imported = round_trip
    template = ROOT / "neural_backend" / "weights" / "template.safetensors"
    mirror = read_tensor(template, "mirror").astype(int)
    ids = read_tensor(template, "vertex_ids_1").astype(int)
    if len(package.levels[-1].vertices) != len(ids):
        pytest.skip("the package given by MIEN_TEST_PACKAGE was made with another template")
    place = np.full(len(mirror), -1)
    place[ids] = np.arange(len(ids))
    partner = place[mirror[ids]]  # [V] within the level
    for name in names:
        here = imported.shapes[name][imported.match]
        there = imported.shapes[imported.mirrored(name)][imported.match][partner] * np.array([-1, 1, 1])
        assert np.linalg.norm(here - there, axis=1).max() < TENTH_MILLIMETRE, name


def test_bones_and_weights_survive(round_trip):
    _, _, package, _, imported = round_trip
    bones = imported.rig.data.bones
    assert set(bones.keys()) == set(package.joint_names)
    matrix = imported.rig.matrix_world
    for name, position in zip(package.joint_names, package.joint_positions, strict=True):
        found = np.array(matrix @ bones[name].head_local)
        x, y, z = position
        np.testing.assert_allclose(found, (x, -z, y), atol=TENTH_MILLIMETRE)
    for index, parent in enumerate(package.joint_parents):
        if parent >= 0:
            assert bones[package.joint_names[index]].parent.name == package.joint_names[parent]
    groups = {group.index: group.name for group in imported.mesh.vertex_groups}
    worst = 0.0
    for vertex in range(0, len(imported.match), 7):
        entries = imported.mesh.data.vertices[int(imported.match[vertex])].groups
        stored = {groups[entry.group]: entry.weight for entry in entries}
        got = np.array([stored.get(name, 0.0) for name in package.joint_names])
        worst = max(worst, float(np.abs(got - package.levels[-1].joint_weights[vertex]).max()))
    assert worst < 0.01
    assert any(modifier.type == "ARMATURE" and modifier.object == imported.rig for modifier in imported.mesh.modifiers)


def test_maps_travel_along(round_trip):
    kind, path, package, _, imported = round_trip
    worn = {package.texture_sets[part] for part in set(package.levels[-1].part.tolist())}
    # Importers load a map twice when it serves colour and alpha: count names without Blender's running number.
    found = {re.sub(r"\.\d{3}$", "", image.name) for image in bpy.data.images if image.size[0] > 0}
    expected = sum(len(set(package.maps.get(texture_set, {})) - {"confidence"}) for texture_set in worn)
    assert len(found) == expected, found
    slots = {slot.material.name for slot in imported.mesh.material_slots}
    assert any(name.endswith("Skin") for name in slots) and any(name.endswith("Eye") for name in slots)
    assert len(slots) == len(worn)
    if kind == "glb":
        skin = next(entry for entry in read_glb(path)["materials"] if entry["name"].endswith("Skin"))
        assert {"baseColorTexture", "metallicRoughnessTexture"} <= set(skin["pbrMetallicRoughness"])
        assert "normalTexture" in skin and "specularTexture" in skin["extensions"]["KHR_materials_specular"]


def test_gltf_roughness_is_in_green(round_trip):
    kind, _, package, *_ = round_trip
    if kind != "glb":
        pytest.skip("glTF only")
    image = next(image for image in bpy.data.images if "roughness" in image.name)
    pixels = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(pixels)
    red, green, blue, _ = pixels.reshape(-1, 4).T
    source = bpy.data.images.load(str(package.maps["skin"]["roughness"]))
    original = np.empty(len(source.pixels), np.float32)
    source.pixels.foreach_get(original)
    np.testing.assert_allclose(green, original.reshape(-1, 4)[:, 0], atol=1 / 250)
    assert blue.max() < 1 / 250 and red.min() > 0.99


def test_fbx_nodes_carry_no_scale_but_the_unit(round_trip):
    kind, *_, imported = round_trip
    if kind != "fbx":
        pytest.skip("FBX only")
    # The importer turns the file's centimetres into metres on the top node; everything below is at scale one.
    np.testing.assert_allclose(imported.rig.scale, 0.01, rtol=1e-5)
    np.testing.assert_allclose(imported.mesh.scale, 1.0, rtol=1e-5)


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
