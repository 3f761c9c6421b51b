"""One camera per photo, standing where the photo was taken, with the photo behind its view."""

from __future__ import annotations

import bpy
import numpy as np
from mathutils import Matrix

from .expressions import set_expression
from .frames import camera_world
from .package import Photo

EXPRESSION_PROPERTY = "mien_expression"
SIZE_PROPERTY = "mien_photo_size"


def build_camera(
    name: str, photo: Photo, collection: bpy.types.Collection, rig: bpy.types.Object, pack: bool
) -> bpy.types.Object:
    """Make the camera of one photo: same view, same picture plane. The expression in the photo rides on it."""
    data = bpy.data.cameras.new(name)
    camera = bpy.data.objects.new(name, data)
    collection.objects.link(camera)
    set_intrinsics(data, photo.intrinsics, photo.width, photo.height)
    data.clip_start, data.clip_end = 0.01, 100.0
    camera.matrix_world = Matrix(camera_world(photo.camera_from_head).tolist())
    camera.parent = rig  # the rig stands at the origin when this is called, so the camera's place stays
    camera[SIZE_PROPERTY] = [photo.width, photo.height]
    camera[EXPRESSION_PROPERTY] = {key: float(value) for key, value in photo.expression.items()}
    data.show_background_images = True
    if photo.file is not None and photo.file.is_file():
        image = bpy.data.images.load(str(photo.file), check_existing=False)
        image.name = name
        if pack:
            image.pack()
        background = data.background_images.new()
        background.image = image
        background.alpha = 1.0
        background.display_depth = "BACK"
        background.frame_method = "STRETCH"  # the photo fills the frame exactly
    return camera


def set_intrinsics(data: bpy.types.Camera, intrinsics: np.ndarray, width: int, height: int) -> None:
    """Give a Blender camera the [3, 3] OpenCV intrinsics of a picture of width x height pixels."""
    # Always fitted by width: then lens and both shifts have one unit, whatever the picture's format.
    data.sensor_fit = "HORIZONTAL"
    data.sensor_width = 36.0
    data.lens = float(intrinsics[0, 0] / width * data.sensor_width)
    data.shift_x = float((width / 2 - intrinsics[0, 2]) / width)
    data.shift_y = float((intrinsics[1, 2] - height / 2) / width)


def intrinsics_of(camera: bpy.types.Object) -> tuple[float, tuple[float, float]]:
    """(focal length, principal point) of the camera in pixels of its photo: `set_intrinsics` the way back."""
    (width, height), data = photo_size(camera), camera.data
    centre = width / 2 - data.shift_x * width, height / 2 + data.shift_y * width
    return data.lens / data.sensor_width * width, centre


def photo_size(camera: bpy.types.Object) -> tuple[int, int]:
    """(width, height) of the camera's photo in pixels."""
    width, height = camera[SIZE_PROPERTY]
    return int(width), int(height)


def show_photo_expression(head: bpy.types.Object, camera: bpy.types.Object) -> None:
    """Set the head's sliders to the expression of the camera's photo."""
    set_expression(head, camera[EXPRESSION_PROPERTY].to_dict())


def look_through(scene: bpy.types.Scene, camera: bpy.types.Object) -> None:
    """Make `camera` the scene's camera and give the render the photo's format."""
    scene.camera = camera
    scene.render.resolution_x, scene.render.resolution_y = photo_size(camera)
    scene.render.resolution_percentage = 100
    scene.render.pixel_aspect_x = scene.render.pixel_aspect_y = 1.0
