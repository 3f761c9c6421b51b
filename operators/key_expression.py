"""Insert and delete keyframes of one slider, of a region, or of all."""

from __future__ import annotations

import bpy

from ..blender_addon.expression.keyframes import delete_keys, insert_keys
from ..blender_addon.head.expressions import names_in
from ..blender_addon.head.objects import current_head
from .head_operator import HeadOperator, region_property


class _KeyExpression(HeadOperator):
    region: region_property()
    shape: bpy.props.StringProperty(name="Shape", description="One shape alone", options={"SKIP_SAVE"})

    def names(self) -> tuple[str, ...]:
        return (self.shape,) if self.shape else names_in(self.region)


class MIEN_OT_insert_expression_keys(_KeyExpression, bpy.types.Operator):
    bl_idname = "mien.insert_expression_keys"
    bl_label = "Keyframe Expression"
    bl_description = "Insert keyframes of the sliders at the current frame"

    def execute(self, context: bpy.types.Context) -> set[str]:
        if not insert_keys(current_head(context).head, self.names(), context.scene.frame_current_final):
            self.report({"ERROR"}, "Nothing was keyed: the sliders are driven, or their action is locked or linked.")
            return {"CANCELLED"}
        return {"FINISHED"}


class MIEN_OT_delete_expression_keys(_KeyExpression, bpy.types.Operator):
    bl_idname = "mien.delete_expression_keys"
    bl_label = "Delete Expression Keyframes"
    bl_description = "Remove the sliders' keyframes at the current frame"

    def execute(self, context: bpy.types.Context) -> set[str]:
        frame = context.scene.frame_current_final
        if not delete_keys(current_head(context).head, self.names(), frame):
            self.report({"WARNING"}, f"There are no such keyframes at frame {frame:g}.")
            return {"CANCELLED"}
        return {"FINISHED"}


CLASSES = (MIEN_OT_insert_expression_keys, MIEN_OT_delete_expression_keys)
