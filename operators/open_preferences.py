"""Open Mien's preferences."""

from __future__ import annotations

import bpy

from ..blender_addon import paths


class MIEN_OT_open_preferences(bpy.types.Operator):
    bl_idname = "mien.open_preferences"
    bl_label = "Open Preferences"
    bl_description = "Mien's preferences: backend, device, folders"
    bl_options = {"INTERNAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        bpy.ops.preferences.addon_show(module=paths.ROOT_PACKAGE)
        return {"FINISHED"}


CLASSES = (MIEN_OT_open_preferences,)
