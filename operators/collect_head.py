"""Put a finished head into the scene."""

from __future__ import annotations

import bpy

from ..blender_addon.jobs import State
from ..blender_addon.work import Work
from ..neural_backend.protocol.errors import MienError
from .head_job_operator import HeadJobOperator
from .work_operator import WorkOperator


class MIEN_OT_collect_head(HeadJobOperator, WorkOperator, bpy.types.Operator):
    bl_idname = "mien.collect_head"
    bl_label = "Add to Scene"
    bl_description = "Put this finished head into the scene"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if context.mode != "OBJECT":
            cls.poll_message_set("Go to Object Mode first")
            return False
        return True

    def start(self, context: bpy.types.Context) -> Work:
        work = self.found()
        if work is None:
            raise MienError("gone", "This head is not on the list any more: import its package instead.")
        if work.kind != "head":
            raise MienError("not_a_head", f"{work.name} is no head: use Put on Timeline.")
        if work.job.view.state is not State.DONE:
            raise MienError("not_done", f"{work.name} is not finished: wait for it.")
        return work


CLASSES = (MIEN_OT_collect_head,)
