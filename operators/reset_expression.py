"""Reset Expression: all sliders, or those of one region, to zero."""

from __future__ import annotations

import bpy

from ..blender_addon.expression.keyframes import auto_key
from ..blender_addon.head.expressions import names_in, set_values
from ..blender_addon.head.objects import current_head
from .head_operator import HeadOperator, region_property


class MIEN_OT_reset_expression(HeadOperator, bpy.types.Operator):
    bl_idname = "mien.reset_expression"
    bl_label = "Reset Expression"
    bl_description = "Set the sliders to zero"

    region: region_property()

    def execute(self, context: bpy.types.Context) -> set[str]:
        head, names = current_head(context).head, names_in(self.region)
        set_values(head, dict.fromkeys(names, 0.0))
        auto_key(context, head, names)
        return {"FINISHED"}


CLASSES = (MIEN_OT_reset_expression,)
