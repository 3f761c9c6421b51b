"""Copy Pose and Paste Pose: the 52 values by way of the clipboard, as text, between heads and files."""

from __future__ import annotations

import bpy

from ..blender_addon.expression.keyframes import auto_key
from ..blender_addon.expression.poses import PoseError, mirrored_pose, pose_text, read_pose
from ..blender_addon.head.expressions import expression_of, set_expression
from ..blender_addon.head.objects import current_head
from ..neural_backend.protocol.arkit import ARKIT_NAMES
from .head_operator import HeadOperator


class MIEN_OT_copy_pose(HeadOperator, bpy.types.Operator):
    bl_idname = "mien.copy_pose"
    bl_label = "Copy Pose"
    bl_description = "Put the values of all sliders on the clipboard"
    bl_options = {"REGISTER"}  # nothing in the file changes

    def execute(self, context: bpy.types.Context) -> set[str]:
        context.window_manager.clipboard = pose_text(expression_of(current_head(context).head))
        return {"FINISHED"}


class MIEN_OT_paste_pose(HeadOperator, bpy.types.Operator):
    bl_idname = "mien.paste_pose"
    bl_label = "Paste Pose"
    bl_description = "Set all sliders to the values on the clipboard"

    mirror: bpy.props.BoolProperty(
        name="Mirrored", description="Swap left and right", default=False, options={"SKIP_SAVE"}
    )

    text: bpy.props.StringProperty(
        name="Text", description="A pose to take instead of the clipboard's", options={"HIDDEN", "SKIP_SAVE"}
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            weights = read_pose(self.text or context.window_manager.clipboard)
        except PoseError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        head = current_head(context).head
        set_expression(head, mirrored_pose(weights) if self.mirror else weights)
        auto_key(context, head, ARKIT_NAMES)
        return {"FINISHED"}


CLASSES = (MIEN_OT_copy_pose, MIEN_OT_paste_pose)
