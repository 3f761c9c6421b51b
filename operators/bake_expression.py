"""Bake to Action: whatever moves the sliders becomes keyframes of all 52, which exporters understand."""

from __future__ import annotations

import bpy

from ..blender_addon.expression.keyframes import bake
from ..blender_addon.head.objects import current_head
from .head_operator import HeadOperator


class MIEN_OT_bake_expression(HeadOperator, bpy.types.Operator):
    bl_idname = "mien.bake_expression"
    bl_label = "Bake to Action"
    bl_description = "Key all 52 sliders at every frame of the range, in a new action; drivers and tracks give way"

    first: bpy.props.IntProperty(name="First Frame", default=1)
    last: bpy.props.IntProperty(name="Last Frame", default=250)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        self.first, self.last = context.scene.frame_start, context.scene.frame_end
        return context.window_manager.invoke_props_dialog(self)

    def execute(self, context: bpy.types.Context) -> set[str]:
        if self.last < self.first:
            self.report({"ERROR"}, f"The last frame, {self.last}, lies before the first, {self.first}: swap them.")
            return {"CANCELLED"}
        head = current_head(context).head
        bake(context, head, self.first, self.last, f"{head.name} Expression")
        return {"FINISHED"}


CLASSES = (MIEN_OT_bake_expression,)
