"""Open the folder of the backend's logs."""

from __future__ import annotations

import bpy

from ..blender_addon import paths


class MIEN_OT_show_log(bpy.types.Operator):
    bl_idname = "mien.show_log"
    bl_label = "Show Log"
    bl_description = "Open the folder with the backend's logs"
    bl_options = {"INTERNAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        bpy.ops.wm.path_open(filepath=str(paths.backend_log().parent))
        return {"FINISHED"}


CLASSES = (MIEN_OT_show_log,)
