"""Look whether the backend's environment is whole."""

from __future__ import annotations

import bpy

from ..blender_addon import session


class MIEN_OT_check_backend(bpy.types.Operator):
    bl_idname = "mien.check_backend"
    bl_label = "Check"
    bl_description = "Look whether the backend's Python has all that it needs"
    bl_options = {"INTERNAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        session.check_backend()
        return {"FINISHED"}


CLASSES = (MIEN_OT_check_backend,)
