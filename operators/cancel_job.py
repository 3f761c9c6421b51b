"""What can be done with a work in the panel: stop it, put its finished head into the scene, take it off the list."""

from __future__ import annotations

import bpy

from ..blender_addon import session
from ..blender_addon.head.build import build_head
from ..blender_addon.head.package import PackageError
from ..blender_addon.work import Work
from .job_operator import read_and_check


class _WithWork:
    work: bpy.props.StringProperty(name="Work", description="Its id", options={"HIDDEN", "SKIP_SAVE"})

    def found(self) -> Work | None:
        """The work named, or without a name the newest; None, and a report, if there is none."""
        current = session.peek()
        works = [] if current is None else current.works
        work = session.find(self.work) if self.work else (works[-1] if works else None)
        if work is None:
            self.report({"WARNING"}, "It is over already")
        return work


class MIEN_OT_cancel_job(_WithWork, bpy.types.Operator):
    bl_idname = "mien.cancel_job"
    bl_label = "Cancel"
    bl_description = "Stop this fit; nothing of it is kept"
    bl_options = {"INTERNAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        work = self.found()
        if work is None:
            return {"CANCELLED"}
        session.get().client.cancel(work.job)
        return {"FINISHED"}


class MIEN_OT_collect_head(_WithWork, bpy.types.Operator):
    bl_idname = "mien.collect_head"
    bl_label = "Add to Scene"
    bl_description = "Put this finished head into the scene"
    bl_options = {"UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if context.mode != "OBJECT":
            cls.poll_message_set("Go to Object Mode first")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        work = self.found()
        if work is None:
            return {"CANCELLED"}
        if work.path is None:
            self.report({"ERROR"}, f"{work.name} is not finished: wait for it.")
            return {"CANCELLED"}
        try:
            build_head(context, read_and_check(work.path))
        except PackageError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        session.dismiss(work)
        return {"FINISHED"}


class MIEN_OT_dismiss_work(_WithWork, bpy.types.Operator):
    bl_idname = "mien.dismiss_work"
    bl_label = "Dismiss"
    bl_description = "Take it off the list; a finished head stays in its folder"
    bl_options = {"INTERNAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        work = self.found()
        if work is None:
            return {"CANCELLED"}
        session.get().client.cancel(work.job)
        session.dismiss(work)
        return {"FINISHED"}


CLASSES = (MIEN_OT_cancel_job, MIEN_OT_collect_head, MIEN_OT_dismiss_work)
