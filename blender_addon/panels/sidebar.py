"""What every panel of the sidebar "Mien" shares."""

from __future__ import annotations

import bpy

from ..head.objects import current_head


class Sidebar:
    """A panel in the sidebar of the 3D view."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Mien"


class HeadPanel(Sidebar):
    """A child panel that needs a head."""

    bl_parent_id = "MIEN_PT_head"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return current_head(context) is not None
