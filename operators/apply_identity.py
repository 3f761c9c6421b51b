"""Apply Identity: make the edited identity the head's own, finished like a fit. A few seconds, in a process beside."""

from __future__ import annotations

import bpy

from ..blender_addon.head.objects import UUID_PROPERTY, HeadObjects, current_head, heads_in
from ..blender_addon.identity import finish
from ..blender_addon.identity.live import is_edited
from ..blender_addon.identity.model import IdentityError
from .head_operator import IdentityOperator

#: The process of the operator that runs in the window. Blender may drop that operator (file load); once its process has
#: ended, the next one may begin all the same.
_running: finish.Finishing | None = None


class MIEN_OT_apply_identity(IdentityOperator, bpy.types.Operator):
    bl_idname = "mien.apply_identity"
    bl_label = "Apply Identity"
    bl_description = "Make the sliders' identity the head's own: eyes, lids, lashes, teeth and all 52 shapes are fitted"

    @classmethod
    def poll_head(cls, context: bpy.types.Context, head: HeadObjects) -> bool:
        if _running is not None and not _running.poll():
            cls.poll_message_set("A head is being finished")
            return False
        if not super().poll_head(context, head):
            return False
        if not is_edited(head.head):
            cls.poll_message_set("Nothing to apply: move an identity slider first")
            return False
        if context.mode != "OBJECT":
            cls.poll_message_set("Leave the edit mode first")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Wait: scripts, tests and the background."""
        try:
            self._start(context)
            self._finishing.wait()
            return self._put(context)
        except IdentityError as error:
            return self._fail(str(error))
        finally:
            self._close(context)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        global _running
        if context.window is None:
            return self.execute(context)
        try:
            self._start(context)
        except IdentityError as error:
            return self._fail(str(error))
        _running = self._finishing
        self._timer = context.window_manager.event_timer_add(0.05, window=context.window)
        context.window_manager.modal_handler_add(self)
        context.workspace.status_text_set("Finishing the head ... Esc stops")
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if event.type == "ESC":
            self._close(context)
            self.report({"INFO"}, "Stopped: the head is as it was.")
            return {"CANCELLED"}
        if event.type != "TIMER" or not self._finishing.poll():
            return {"PASS_THROUGH"}
        try:
            return self._put(context)
        except IdentityError as error:
            return self._fail(str(error))
        finally:
            self._close(context)

    def cancel(self, context: bpy.types.Context) -> None:
        """Blender ends the operator: another file is loaded, or it quits."""
        self._close(context)

    def _start(self, context: bpy.types.Context) -> None:
        head = current_head(context)
        self._timer = self._finishing = None
        self._rig = head.rig.name  # names and ids, no references: undo may come in between
        self._uuid = str(head.rig[UUID_PROPERTY])
        self._finishing = finish.start(head)

    def _put(self, context: bpy.types.Context) -> set[str]:
        result = self._finishing.take()
        head = next((head for head in heads_in(context.scene) if head.rig.name == self._rig), None)
        if head is None or head.uuid != self._uuid:
            raise IdentityError("The head was removed while it was being finished: undo, then apply again.")
        if context.mode != "OBJECT":
            raise IdentityError("The head cannot be changed in this mode: go to object mode and apply again.")
        finish.put(context, head, self._finishing.codes, result)
        return {"FINISHED"}

    def _fail(self, sentence: str) -> set[str]:
        self.report({"ERROR"}, sentence)
        return {"CANCELLED"}

    def _close(self, context: bpy.types.Context) -> None:
        global _running
        if self._finishing is not None:
            self._finishing.close()
        if self._timer is not None:
            context.window_manager.event_timer_remove(self._timer)
            context.workspace.status_text_set(None)
            self._timer = _running = None


CLASSES = (MIEN_OT_apply_identity,)
