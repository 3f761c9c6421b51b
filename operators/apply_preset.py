"""Apply Preset: a ready expression."""

from __future__ import annotations

import bpy

from ..blender_addon.expression.keyframes import auto_key
from ..blender_addon.expression.presets import preset
from ..blender_addon.head.expressions import set_expression
from ..blender_addon.head.objects import current_head
from ..neural_backend.protocol.arkit import ARKIT_NAMES
from .head_operator import HeadOperator


class MIEN_OT_apply_preset(HeadOperator, bpy.types.Operator):
    bl_idname = "mien.apply_preset"
    bl_label = "Apply Preset"
    bl_description = "Set all sliders to a ready expression"

    name: bpy.props.StringProperty(name="Preset", options={"SKIP_SAVE"})
    strength: bpy.props.FloatProperty(
        name="Strength", description="1 is the preset as it is", default=1.0, min=0.0, soft_max=1.0, max=1.5,
        options={"SKIP_SAVE"},
    )  # fmt: skip

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            weights = preset(self.name)
        except KeyError:
            self.report({"ERROR"}, f"There is no preset called '{self.name}': choose one from the menu.")
            return {"CANCELLED"}
        head = current_head(context).head
        set_expression(head, {name: self.strength * value for name, value in weights.items()})
        auto_key(context, head, ARKIT_NAMES)
        return {"FINISHED"}


CLASSES = (MIEN_OT_apply_preset,)
