"""Mirror Expression: swap what the two sides of the face do."""

from __future__ import annotations

import bpy

from ..blender_addon.expression.keyframes import auto_key
from ..blender_addon.expression.poses import mirrored_pose
from ..blender_addon.head.expressions import expression_of, set_expression
from ..blender_addon.head.objects import current_head
from ..neural_backend.protocol.arkit import ARKIT_NAMES
from .head_operator import HeadOperator


class MIEN_OT_mirror_expression(HeadOperator, bpy.types.Operator):
    bl_idname = "mien.mirror_expression"
    bl_label = "Mirror Expression"
    bl_description = "Swap the values of the left and the right side"

    def execute(self, context: bpy.types.Context) -> set[str]:
        head = current_head(context).head
        set_expression(head, mirrored_pose(expression_of(head)))
        auto_key(context, head, ARKIT_NAMES)
        return {"FINISHED"}


CLASSES = (MIEN_OT_mirror_expression,)
