"""What every export shares: from the file browser the file is written beside Blender, from a script at once."""

from __future__ import annotations

import contextlib
from pathlib import Path

import bpy
from bpy_extras.io_utils import ExportHelper

from ..blender_addon.export import beside
from ..blender_addon.export.beside import Exporting, ExportRequest
from ..blender_addon.head.export import ExportError
from ..blender_addon.head.objects import current_head
from .beat import Beat

BEAT_S = 0.1

#: The operator that writes now; one at a time.
_running: MIEN_OT_write_export | None = None


class ExportOperator(ExportHelper):
    """Mixin: the file browser and what scripts call. A browser cannot hand over to a modal operator by itself."""

    bl_options = {"REGISTER"}

    _in_browser = False

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if current_head(context) is None:
            cls.poll_message_set("Select a head first")
        elif _running is not None:
            cls.poll_message_set("A head is being exported")
        elif context.mode != "OBJECT":
            cls.poll_message_set("Go to Object Mode first")
        else:
            return True
        return False

    def request(self) -> ExportRequest:
        """What the artist or the script wants."""
        raise NotImplementedError

    def write(self, context: bpy.types.Context) -> Path:
        """Write it here and now. Raises ExportError."""
        raise NotImplementedError

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        self._in_browser = True
        return ExportHelper.invoke(self, context, event)

    def execute(self, context: bpy.types.Context) -> set[str]:
        if self._in_browser:
            self._in_browser = False
            try:
                bpy.ops.mien.write_export("INVOKE_DEFAULT", **vars(self.request()))
            except RuntimeError as error:  # how Blender hands on what an operator reports
                self.report({"ERROR"}, str(error).removeprefix("Error: ").strip())
                return {"CANCELLED"}
            return {"FINISHED"}
        try:
            path = self.write(context)
        except ExportError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.report({"INFO"}, f"Wrote {path}")
        return {"FINISHED"}


class MIEN_OT_write_export(Beat, bpy.types.Operator):
    bl_idname = "mien.write_export"
    bl_label = "Write Export"
    bl_description = "Write a head to a file while Blender goes on"
    bl_options = {"INTERNAL"}

    kind: bpy.props.StringProperty(options={"HIDDEN", "SKIP_SAVE"})
    path: bpy.props.StringProperty(options={"HIDDEN", "SKIP_SAVE"})
    preset: bpy.props.StringProperty(options={"HIDDEN", "SKIP_SAVE"})
    levels: bpy.props.BoolProperty(options={"HIDDEN", "SKIP_SAVE"})
    map_size: bpy.props.IntProperty(options={"HIDDEN", "SKIP_SAVE"})

    _exporting: Exporting | None = None

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        global _running
        request = ExportRequest(
            kind=self.kind, path=self.path, preset=self.preset, levels=self.levels, map_size=self.map_size
        )
        try:
            self._exporting = beside.start(current_head(context), request)
        except ExportError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        _running = self
        self.set_beat(context, BEAT_S)
        context.window_manager.modal_handler_add(self)
        self.say(context, f"Writing {Path(self.path).name} ... Esc stops")
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if event.type == "ESC" and event.value == "PRESS":
            self.cancel(context)
            self.report({"INFO"}, f"Stopped: {Path(self.path).name} is not written.")
            return {"CANCELLED"}
        if event.type != "TIMER" or not self._exporting.poll():
            return {"PASS_THROUGH"}
        try:
            path = self._exporting.take()
        except ExportError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        finally:
            self.cancel(context)
        self.report({"INFO"}, f"Wrote {path}")
        return {"FINISHED"}

    def cancel(self, context: bpy.types.Context) -> None:
        """Also when Blender ends the operator: another file, a closed window, the end."""
        global _running
        _running = None
        self.stop_beat(context)
        with contextlib.suppress(OSError):  # a file that somebody else holds
            self._exporting.close()
        self.hush(context)


CLASSES = (MIEN_OT_write_export,)
