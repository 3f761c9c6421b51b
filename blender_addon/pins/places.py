"""Between pixels of a photo, the world, and a region of the window."""

from __future__ import annotations

import bpy
import numpy as np
from bpy_extras.view3d_utils import location_3d_to_region_2d, region_2d_to_origin_3d, region_2d_to_vector_3d
from mathutils import Vector

from ..head.photos import intrinsics_of


def world_of_pixel(camera: bpy.types.Object, place: tuple[float, float]) -> Vector:
    """A point of the world that the camera sees at that pixel of its photo, a metre away."""
    focal, centre = intrinsics_of(camera)
    x, y = (place[0] - centre[0]) / focal, (place[1] - centre[1]) / focal
    return camera.matrix_world @ Vector((x, -y, -1.0))


def pixel_of_world(camera: bpy.types.Object, point: Vector) -> tuple[float, float]:
    """Where the camera's photo shows a point of the world."""
    focal, centre = intrinsics_of(camera)
    seen = camera.matrix_world.inverted() @ Vector(point)
    return focal * seen.x / -seen.z + centre[0], focal * seen.y / seen.z + centre[1]


def region_of_world(
    region: bpy.types.Region, view: bpy.types.RegionView3D, points: np.ndarray
) -> list[tuple[float, float] | None]:
    """Region coordinates of [n, 3] points; None for one behind the viewer."""
    found = (location_3d_to_region_2d(region, view, Vector(point)) for point in points)
    return [None if place is None else (place.x, place.y) for place in found]


def pixel_of_region(
    region: bpy.types.Region, view: bpy.types.RegionView3D, camera: bpy.types.Object, mouse: tuple[float, float]
) -> tuple[float, float]:
    """The photo's pixel under the mouse; the view looks through `camera`."""
    origin = region_2d_to_origin_3d(region, view, mouse)
    return pixel_of_world(camera, origin + region_2d_to_vector_3d(region, view, mouse))
