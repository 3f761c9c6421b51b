"""Package -> Blender objects, measured against the package's own numbers."""

from __future__ import annotations

import bpy
import numpy as np
import pytest
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Vector

ARKIT_COUNT = 52


def to_blender(points):
    return np.asarray(points) @ np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])  # (x, y, z) -> (x, -z, y)


def positions(collection, attribute="co"):
    values = np.empty(len(collection) * 3, np.float32)
    collection.foreach_get(attribute, values)
    return values.reshape(-1, 3)


def test_mesh_keeps_quads_parts_and_uv(built):
    head, package = built
    mesh, level = head.head.data, package.levels[-1]
    np.testing.assert_allclose(positions(mesh.vertices), to_blender(level.vertices), atol=1e-7)
    assert len(mesh.polygons) == len(level.quads)
    assert [slot.material.name.split()[-1].lower() for slot in head.head.material_slots] == [
        texture_set.split("_")[-1] for texture_set in package.set_names
    ]
    uv = mesh.uv_layers.active.uv
    for face in np.linspace(0, len(level.quads) - 1, 400).astype(int):
        polygon, quad = mesh.polygons[face], level.quads[face]
        assert polygon.use_smooth
        assert package.set_names[polygon.material_index] == package.texture_sets[level.part[face]]
        corners = [corner for corner in range(4) if quad[corner] != quad[(corner + 1) % 4]]
        assert list(polygon.vertices) == quad[corners].tolist()
        stored = [tuple(uv[loop].vector) for loop in polygon.loop_indices]
        np.testing.assert_allclose(stored, level.uv[level.face_uv[face][corners]], atol=1e-6)


def test_triangles_are_triangles(built):
    head, package = built
    quads = package.levels[-1].quads
    distinct = (quads != np.roll(quads, -1, 1)).sum(1)
    sizes = np.array([polygon.loop_total for polygon in head.head.data.polygons])
    np.testing.assert_array_equal(sizes, distinct)
    assert set(np.unique(sizes)) <= {3, 4}


def test_faces_look_outwards(built):
    """The enclosed volume of the skin is positive and the foremost point's normal looks to the front."""
    head, package = built
    mesh = head.head.data
    mesh.calc_loop_triangles()
    triangles = np.array([triangle.vertices for triangle in mesh.loop_triangles])
    materials = np.array([triangle.material_index for triangle in mesh.loop_triangles])
    points = positions(mesh.vertices).astype(float)
    a, b, c = points[triangles[materials == package.set_names.index("skin")]].transpose(1, 0, 2) - points.mean(0)
    assert np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6 > 1e-3  # cubic metres: a head has about five litres
    nose = points[:, 1].argmin()
    assert mesh.vertices[nose].normal.y < -0.5


def test_shape_keys_are_apples(built, load):
    head, package = built
    names = load("neural_backend.protocol.arkit").ARKIT_NAMES
    blocks = head.head.data.shape_keys.key_blocks
    assert blocks.keys() == ["Basis", *names]
    rest = positions(blocks["Basis"].data)
    for index, name in enumerate(names):
        moved = positions(blocks[name].data) - rest
        np.testing.assert_allclose(moved, to_blender(package.levels[-1].arkit[index]), atol=2e-7)
        assert (blocks[name].slider_min, blocks[name].slider_max, blocks[name].value) == (0.0, 1.0, 0.0)


def test_a_slider_moves_the_evaluated_head(built):
    head, package = built
    blocks = head.head.data.shape_keys.key_blocks
    blocks["jawOpen"].value = 0.5
    bpy.context.view_layer.update()
    evaluated = head.head.evaluated_get(bpy.context.evaluated_depsgraph_get())
    moved = positions(evaluated.data.vertices) - to_blender(package.levels[-1].vertices)
    expected = 0.5 * to_blender(package.levels[-1].arkit[list(blocks.keys()).index("jawOpen") - 1])
    np.testing.assert_allclose(moved, expected, atol=1e-6)
    assert np.abs(expected).max() > 0.002


def test_weights_and_bones(built):
    head, package = built
    level = package.levels[-1]
    groups = {group.index: group.name for group in head.head.vertex_groups}
    sampled = np.linspace(0, len(level.vertices) - 1, 500).astype(int)
    for vertex in sampled:
        stored = {groups[entry.group]: entry.weight for entry in head.head.data.vertices[vertex].groups}
        got = [stored.get(joint, 0.0) for joint in package.joint_names]
        np.testing.assert_allclose(got, level.joint_weights[vertex], atol=1e-4)
    bones = head.rig.data.bones
    assert {bone.name for bone in bones if bone.use_deform} == set(package.joint_names)
    for index, name in enumerate(package.joint_names):
        np.testing.assert_allclose(bones[name].head_local, to_blender(package.joint_positions[index]), atol=1e-6)
        parent = package.joint_parents[index]
        assert (bones[name].parent.name if bones[name].parent else None) == (
            package.joint_names[parent] if parent >= 0 else None
        )
        assert bones[name].length > 0.01
    for index, part in enumerate(package.part_names):
        members = np.unique(level.quads[level.part == index])
        group = head.head.vertex_groups.get(f"part_{part}")
        assert (group is None) == (len(members) == 0)


def test_turning_the_head_bone_turns_the_head(built):
    """Linear blend skinning by hand against the Armature modifier."""
    head, package = built
    bone = head.rig.pose.bones["head"]
    bone.rotation_mode = "XYZ"
    bone.rotation_euler = (0.0, 0.4, 0.0)
    bpy.context.view_layer.update()
    level = package.levels[-1]
    rest = to_blender(level.vertices)
    expected = np.zeros_like(rest)
    for index, name in enumerate(package.joint_names):
        pose = head.rig.pose.bones[name]
        matrix = np.array(pose.matrix @ pose.bone.matrix_local.inverted())
        weight = level.joint_weights[:, index : index + 1] / level.joint_weights.sum(1, keepdims=True)
        expected += weight * (rest @ matrix[:3, :3].T + matrix[:3, 3])
    evaluated = head.head.evaluated_get(bpy.context.evaluated_depsgraph_get())
    np.testing.assert_allclose(positions(evaluated.data.vertices), expected, atol=2e-5)
    assert np.abs(expected - rest).max() > 0.02


@pytest.mark.parametrize("index", [0, 1])
def test_photo_cameras_see_what_the_photo_saw(built, load, index):
    head, package = built
    photo, camera = package.photos[index], head.cameras[index]
    load("blender_addon.head.photos").look_through(bpy.context.scene, camera)
    bpy.context.view_layer.update()
    points = package.levels[-1].fitted[index][::97].astype(float)
    in_camera = points @ photo.camera_from_head[:3, :3].T + photo.camera_from_head[:3, 3]
    expected = in_camera @ photo.intrinsics.T
    expected = expected[:, :2] / expected[:, 2:]
    seen = np.array([world_to_camera_view(bpy.context.scene, camera, Vector(p)) for p in to_blender(points)])
    pixels = np.stack([seen[:, 0] * photo.width, (1 - seen[:, 1]) * photo.height], 1)
    assert np.abs(pixels - expected).max() < 0.02
    background = camera.data.background_images[0]
    assert tuple(background.image.size) == (photo.width, photo.height)


def test_photo_expression_is_at_hand(built, load):
    head, package = built
    load("blender_addon.head.photos").show_photo_expression(head.head, head.cameras[1])
    shown = load("blender_addon.head.expressions").expression_of(head.head)
    assert shown == pytest.approx(package.photos[1].expression, abs=1e-6) and shown


def test_maps_have_their_colour_spaces(built):
    for image in bpy.data.images:
        if "mien_map" in image:
            expected = "sRGB" if image["mien_map"] == "diffuse" else "Non-Color"
            assert image.colorspace_settings.name == expected
            assert image.packed_file is not None


def test_coarse_level_is_there_and_hidden(built):
    head, package = built
    (lod,) = head.lods
    assert len(lod.data.vertices) == len(package.levels[0].vertices)
    assert not lod.visible_get()
    assert lod.data.shape_keys.key_blocks.keys() == head.head.data.shape_keys.key_blocks.keys()


def test_two_heads_keep_apart_and_a_copy_is_a_head(built, load, package_path):
    first, _ = built
    second = load("blender_addon.head.build").build_head(bpy.context, package_path)
    objects = load("blender_addon.head.objects")
    assert first.uuid != second.uuid
    assert len(objects.heads_in(bpy.context.scene)) == 2
    assert objects.head_of(first.cameras[0]).head == first.head
    assert objects.head_of(second.rig).head == second.head
    bpy.ops.object.select_all(action="DESELECT")
    for thing in (first.head, first.rig):
        thing.select_set(True)
    bpy.ops.object.duplicate()
    copy = next(thing for thing in bpy.context.selected_objects if thing.type == "MESH")
    assert copy != first.head and objects.head_of(copy).rig != first.rig


def test_a_failed_import_leaves_nothing_behind(load, copied_package):
    build = load("blender_addon.head.build")
    (copied_package / "maps" / "roughness.png").write_bytes(b"not a picture")
    kinds = ("objects", "meshes", "armatures", "materials", "images", "collections", "cameras", "shape_keys")
    before = {kind: len(getattr(bpy.data, kind)) for kind in kinds}
    with pytest.raises(load("blender_addon.head.package").PackageError, match="roughness.png"):
        build.build_head(bpy.context, copied_package)
    assert {kind: len(getattr(bpy.data, kind)) for kind in kinds} == before


def test_files_stay_files_when_asked(load, package_path):
    build = load("blender_addon.head.build")
    build.build_head(bpy.context, package_path, build.BuildOptions(pack_images=False, cameras=False, lods=False))
    images = [image for image in bpy.data.images if "mien_map" in image]
    assert images and all(image.packed_file is None for image in images)
    assert not bpy.data.cameras and len(bpy.data.meshes) == 1
