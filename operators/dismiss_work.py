"""Take a work off the list."""

from __future__ import annotations

import bpy

from ..blender_addon import session
from ..blender_addon.work import Work
from .work_operator import WorkOperator


class MIEN_OT_dismiss_work(WorkOperator, bpy.types.Operator):
    bl_idname = "mien.dismiss_work"
    bl_label = "Dismiss"
    bl_description = "Take it off the list; a finished head stays in its folder"
    bl_options = {"INTERNAL"}

    def act(self, context: bpy.types.Context, work: Work) -> set[str]:
        session.get().client.cancel(work.job)
        session.dismiss(work)
        return {"FINISHED"}


CLASSES = (MIEN_OT_dismiss_work,)
