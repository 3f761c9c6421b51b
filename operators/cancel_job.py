"""Stop a fit."""

from __future__ import annotations

import bpy

from ..blender_addon import session
from ..blender_addon.work import Work
from .work_operator import WorkOperator


class MIEN_OT_cancel_job(WorkOperator, bpy.types.Operator):
    bl_idname = "mien.cancel_job"
    bl_label = "Cancel"
    bl_description = "Stop this fit; nothing of it is kept"
    bl_options = {"INTERNAL"}

    def act(self, context: bpy.types.Context, work: Work) -> set[str]:
        session.get().client.cancel(work.job)
        return {"FINISHED"}


CLASSES = (MIEN_OT_cancel_job,)
