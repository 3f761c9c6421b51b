"""Apply Identity: make the edited identity the head's own, finished like a fit. A few seconds, in a process beside."""

from __future__ import annotations

import contextlib

import bpy

from ..blender_addon.head.objects import UUID_PROPERTY, HeadObjects, current_head, heads_in
from ..blender_addon.identity import finish
from ..blender_addon.identity.live import is_edited
from ..blender_addon.identity.model import IdentityError
from ..blender_addon.later import Later
from ..blender_addon.slices import Removed, Slices
from .beat import REST_S, Beat
from .head_operator import IdentityOperator

_GONE = "The head was removed while it was being finished: undo, then apply again."
#: The operator that runs in the window.
_running: MIEN_OT_apply_identity | None = None


class MIEN_OT_apply_identity(Beat, IdentityOperator, bpy.types.Operator):
    bl_idname = "mien.apply_identity"
    bl_label = "Apply Identity"
    bl_description = "Make the sliders' identity the head's own: eyes, lids, lashes, teeth and all 52 shapes are fitted"

    @classmethod
    def poll_head(cls, context: bpy.types.Context, head: HeadObjects) -> bool:
        if _running is not None:
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
            self._begin(context)
            self._go_on(context, float("inf"))
            self._starting.result().wait()
            self._go_on(context, float("inf"))
        except IdentityError as error:
            return self._fail(str(error))
        finally:
            self._close(context)
        return {"FINISHED"}

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        global _running
        if context.window is None:
            return self.execute(context)
        self._begin(context)
        _running = self
        self.set_beat(context, REST_S)
        context.window_manager.modal_handler_add(self)
        self.say(context, "Finishing the head ... Esc stops")
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if event.type == "ESC" and event.value == "PRESS" and self._result is None:
            self._close(context)
            self.report({"INFO"}, "Stopped: the head is as it was.")
            return {"CANCELLED"}
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        try:
            if not self._go_on(context, self.slice_s()):
                return {"PASS_THROUGH"}
        except IdentityError as error:
            self._close(context)
            return self._fail(str(error))
        except Exception:
            self._close(context)
            raise
        self._close(context)
        return {"FINISHED"}

    def cancel(self, context: bpy.types.Context) -> None:
        """Blender ends the operator: another file is loaded, a window is closed, or it quits."""
        self._close(context)

    def _begin(self, context: bpy.types.Context) -> None:
        head = current_head(context)
        self._rig = head.rig.name  # names and ids, no references: undo may come in between
        self._uuid = str(head.rig[UUID_PROPERTY])
        self._slices = self._starting = self._finishing = self._result = None

    def _go_on(self, context: bpy.types.Context, seconds: float) -> bool:
        """Read the head, let the process finish it, write it; about so long of Blender's time. True when it is done.

        Raises:
            IdentityError: the head cannot be edited or is gone, the disk is full, or the process failed.
        """
        if self._starting is not None and self._result is None:
            if not self._starting.is_over:
                return False
            self._finishing = self._starting.result()
            if not self._finishing.poll():
                return False
            self._result, self._slices = self._finishing.take(), None
            self._hurry(context, REST_S)
        if _running is self and context.mode != "OBJECT":  # the artist comes back
            return False
        if self._slices is None or self._slices.abandoned:  # undo came in between: begin this part again
            head = self._head(context)
            writes = self._result is not None
            steps = finish.put(context, head, self._request, self._result) if writes else finish.gather(head)
            self._slices = Slices(steps)
        try:
            if not self._slices.advance(seconds):
                return False
        except Removed as error:
            raise IdentityError(_GONE) from error
        if self._result is not None:
            return True
        self._request = self._slices.result
        self._starting = Later(finish.start, self._request)
        self._hurry(context, 0.05)
        return False

    def _hurry(self, context: bpy.types.Context, seconds: float) -> None:
        if _running is self:  # in a window
            self.set_beat(context, seconds)

    def _head(self, context: bpy.types.Context) -> HeadObjects:
        head = next((head for head in heads_in(context.scene) if head.rig.name == self._rig), None)
        if head is None or head.uuid != self._uuid:
            raise IdentityError(_GONE)
        if context.mode != "OBJECT":
            raise IdentityError("The head cannot be changed in this mode: go to object mode and apply again.")
        return head

    def _fail(self, sentence: str) -> set[str]:
        self.report({"ERROR"}, sentence)
        return {"CANCELLED"}

    def _close(self, context: bpy.types.Context) -> None:
        global _running
        if self._slices is not None:
            self._slices.abandon()
        if self._starting is not None:
            with contextlib.suppress(IdentityError):  # it never began
                self._starting.result().close()
        if _running is self:
            _running = None
            self.stop_beat(context)
            self.hush(context)


CLASSES = (MIEN_OT_apply_identity,)
