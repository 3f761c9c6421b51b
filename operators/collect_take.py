"""Put a finished take onto the timeline."""

from __future__ import annotations

import bpy

from ..blender_addon import session
from ..blender_addon.expression.takes import read_take
from ..blender_addon.head.package import PackageError
from ..blender_addon.work import Work
from .expression_from_footage import write_take
from .target_operator import target_of
from .work_operator import WorkOperator


class MIEN_OT_collect_take(WorkOperator, bpy.types.Operator):
    bl_idname = "mien.collect_take"
    bl_label = "Put on Timeline"
    bl_description = "Put this finished take onto the timeline of the head it was captured for"
    bl_options = {"UNDO"}

    def act(self, context: bpy.types.Context, work: Work) -> set[str]:
        if work.kind != "take" or work.path is None:
            self.report({"ERROR"}, f"{work.name} is no finished take: wait for it.")
            return {"CANCELLED"}
        settings = context.scene.mien_capture
        try:
            done = write_take(
                context.scene, target_of(context, work), read_take(work.path),
                settings.first_frame, settings.head_rotation, settings.set_range,
            )  # fmt: skip
        except PackageError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        session.dismiss(work)
        self.report({"INFO"}, done)
        return {"FINISHED"}


CLASSES = (MIEN_OT_collect_take,)
