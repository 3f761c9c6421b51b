"""Correct by hand: pins over a photo, painted texels, and the head solved again with both by the real backend."""

from __future__ import annotations

import json
from pathlib import Path

import bpy
import numpy as np
import pytest
from backend_helpers import add_portrait
from mathutils import Vector

NOSE_TIP, CHIN = 30, 8


@pytest.fixture
def shown(built, load):
    """(head, first camera), the photo's expression on the sliders."""
    head, _ = built
    assert bpy.ops.mien.show_photo(camera=head.cameras[0].name) == {"FINISHED"}
    return head, head.cameras[0]


def landmarks(load, head):
    bpy.context.view_layer.update()
    return load("blender_addon.head.landmarks").landmarks_of(head.head, bpy.context.evaluated_depsgraph_get())


def seen(load, head, camera):
    """[68, 2] the landmarks in the camera's photo."""
    pixel = load("blender_addon.pins.places").pixel_of_world
    return np.array([pixel(camera, Vector(point)) for point in landmarks(load, head)])


def test_landmarks_lie_where_the_package_saw_them(built, shown, load):
    head, camera = shown
    photo, level = built[1].photos[0], built[1].levels[-1]
    names = load("neural_backend.protocol.arkit").ARKIT_NAMES
    weights = np.array([photo.expression.get(name, 0.0) for name in names])
    vertices = level.vertices + np.tensordot(weights, level.arkit, 1)
    points = (vertices[built[1].landmark_corners] * built[1].landmark_weights[..., None]).sum(1)
    in_camera = points @ photo.camera_from_head[:3, :3].T + photo.camera_from_head[:3, 3]
    pixels = in_camera @ photo.intrinsics.T
    np.testing.assert_allclose(seen(load, head, camera), pixels[:, :2] / pixels[:, 2:], atol=0.05)


def test_a_pixel_goes_into_the_world_and_back(shown, load):
    places = load("blender_addon.pins.places")
    for place in ((10.0, 20.0), (300.5, 111.25)):
        back = places.pixel_of_world(shown[1], places.world_of_pixel(shown[1], place))
        np.testing.assert_allclose(back, place, atol=1e-2)


def test_pins_are_kept_undone_and_cleared(shown, load, tmp_path):
    head, camera = shown
    store = load("blender_addon.pins.store")
    bpy.ops.ed.undo_push(message="no pin")
    store.set_pin(camera, NOSE_TIP, (100.0, 50.5))
    store.set_pin(camera, CHIN, (1.0, 2.0))
    store.set_pin(camera, CHIN, (3.0, 4.0))
    bpy.ops.ed.undo_push(message="pins")
    assert store.pins_of(camera) == {NOSE_TIP: (100.0, 50.5), CHIN: (3.0, 4.0)}
    assert store.all_pins(head) == ((0.0, 8.0, 3.0, 4.0), (0.0, 30.0, 100.0, 50.5))
    name = camera.name
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "pins.blend"), copy=True)
    bpy.ops.ed.undo()
    assert not store.pins_of(bpy.data.objects[name])
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "pins.blend"))
    camera = bpy.data.objects[name]
    assert len(store.pins_of(camera)) == 2
    store.remove_pin(camera, CHIN)
    assert list(store.pins_of(camera)) == [NOSE_TIP]
    assert bpy.ops.mien.clear_pins(camera=name) == {"FINISHED"}
    assert not store.pins_of(camera)
    with pytest.raises(RuntimeError, match="There are no pins"):
        bpy.ops.mien.clear_pins()


def test_pins_belong_to_their_photo_when_another_camera_is_gone(shown, load):
    store = load("blender_addon.pins.store")
    head = shown[0]
    camera = head.cameras[0]
    camera["mien_photo"] = 2  # as if the cameras of the first two photos had been deleted
    store.set_pin(camera, NOSE_TIP, (3.0, 4.0))
    assert store.all_pins(head) == ((2.0, float(NOSE_TIP), 3.0, 4.0),)


def test_an_older_head_says_what_it_lacks(shown, load):
    del shown[0].head["mien_landmark_corners"]
    assert not load("blender_addon.head.landmarks").has_landmarks(shown[0].head)


def test_a_head_whose_mesh_was_changed_is_left_alone(built, load):
    head, package = built
    head.lods[0].shape_key_clear()
    head.lods[0].data.clear_geometry()
    before = [tuple(vertex.co) for vertex in head.head.data.vertices[:50]]
    with pytest.raises(load("blender_addon.head.package").PackageError, match="other vertices"):
        next(load("blender_addon.head.update").update_head(bpy.context, head, package))
    assert [tuple(vertex.co) for vertex in head.head.data.vertices[:50]] == before


def test_solved_again_through_pins_with_paint_kept(session, load, tmp_path):
    add_portrait()
    assert bpy.ops.mien.fit_photos(quality="DRAFT", map_size="1024", name="Again") == {"FINISHED"}
    head = load("blender_addon.head.objects").current_head(bpy.context)
    camera, mesh = head.cameras[0], head.head
    package = Path(head.rig["mien_package"])
    bpy.ops.mien.show_photo(camera=camera.name)
    key = mesh.data.shape_keys.key_blocks["jawOpen"]
    key.value = 0.5
    key.keyframe_insert("value", frame=3)
    before = seen(load, head, camera)
    height = np.ptp(before[:, 1])
    wanted = {NOSE_TIP: before[NOSE_TIP] + (0, -0.03 * height), CHIN: before[CHIN] + (0, 0.05 * height)}
    for landmark, place in wanted.items():
        load("blender_addon.pins.store").set_pin(camera, landmark, tuple(place))
    image = load("blender_addon.head.materials").map_image(mesh.data.materials[0], "diffuse")
    width, painted = image.size[0], paint(image)
    bpy.ops.ed.undo_push(message="pinned and painted")

    assert bpy.ops.mien.solve_again(quality="DRAFT") == {"FINISHED"}
    assert load("blender_addon.head.objects").current_head(bpy.context).head == mesh
    assert mesh.data.shape_keys.animation_data.action is not None
    solved = Path(head.rig["mien_package"])
    assert solved != package and package.is_dir()
    report = json.loads((solved / "head.json").read_text())["report"]
    assert report["photos"][0]["pins"] == 2 and report["locked_texels"] == {"diffuse": 40 * 40}
    load("blender_addon.head.photos").show_photo_expression(mesh, camera)  # an animated head keeps its sliders
    mesh.data.shape_keys.animation_data_clear()
    load("blender_addon.head.photos").show_photo_expression(mesh, camera)
    after = seen(load, head, camera)
    for landmark, place in wanted.items():
        assert np.linalg.norm(after[landmark] - place) < 0.01 * height
        assert np.linalg.norm(before[landmark] - place) > 0.025 * height
    image = load("blender_addon.head.materials").map_image(mesh.data.materials[0], "diffuse")
    now = np.empty(width * width * 4, np.float32)
    image.pixels.foreach_get(now)
    now, painted = (np.rint(pixels.reshape(width, width, 4) * 255).astype(np.uint8) for pixels in (now, painted))
    np.testing.assert_array_equal(now[500:540, 480:520, :3], painted[500:540, 480:520, :3])  # bit for bit
    assert (now[:400, :400] != painted[:400, :400]).any()  # the rest is new
    again = tmp_path / "again"
    again.mkdir()
    kept = dict(load("blender_addon.pins.painted").painted_maps(head, solved, again))
    assert set(kept) == {"diffuse"} and not list(again.iterdir())  # nothing painted since, and still locked


def paint(image):
    """A square into a map, as a brush would; all its texels."""
    width = image.size[0]
    pixels = np.empty(width * width * 4, np.float32)
    image.pixels.foreach_get(pixels)
    pixels = pixels.reshape(width, width, 4)
    pixels[500:540, 480:520, :3] = np.array([10, 200, 30], np.float32) / 255
    image.pixels.foreach_set(pixels.ravel())
    image.update()
    return pixels
