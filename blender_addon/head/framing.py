"""Bring a new head before the artist's eyes, where it would be a dot or out of sight."""

from __future__ import annotations

import bpy
from bpy_extras.view3d_utils import location_3d_to_region_2d
from mathutils import Vector

LEAST_SHARE = 0.2  # of the view's height: a head that fills less is framed


def frame_head(context: bpy.types.Context, area: bpy.types.Area | None, head: bpy.types.Object) -> None:
    """Frame the selected head in a 3D view, unless it is seen well already or the view is a camera's."""
    if area is None or area.type != "VIEW_3D":
        return
    region = next((region for region in area.regions if region.type == "WINDOW"), None)
    view = area.spaces.active.region_3d
    if region is None or view.view_perspective == "CAMERA" or is_seen_well(region, view, head):
        return
    with context.temp_override(area=area, region=region):
        bpy.ops.view3d.view_selected()


def is_seen_well(region: bpy.types.Region, view: bpy.types.RegionView3D, head: bpy.types.Object) -> bool:
    corners = (head.matrix_world @ Vector(corner) for corner in head.bound_box)
    places = [location_3d_to_region_2d(region, view, corner) for corner in corners]
    if None in places:
        return False
    heights = [place.y for place in places]
    inside = all(0 <= place.x <= region.width and 0 <= place.y <= region.height for place in places)
    return inside and max(heights) - min(heights) >= LEAST_SHARE * region.height
