"""The 52 sliders by region of the face."""

from __future__ import annotations

import bpy

from ..head.expressions import REGIONS
from ..head.objects import current_head
from .sidebar import HeadPanel


class MIEN_PT_expressions(HeadPanel, bpy.types.Panel):
    bl_idname = "MIEN_PT_expressions"
    bl_label = "Expressions"

    def draw(self, context: bpy.types.Context) -> None:
        self.layout.operator("mien.reset_expression", icon="LOOP_BACK")


def _region_panel(label: str, names: tuple[str, ...]) -> type:
    """The panel of one region: a slider per shape, which is the shape key's own value."""

    def draw(self: bpy.types.Panel, context: bpy.types.Context) -> None:
        column = self.layout.column(align=True)
        blocks = current_head(context).head.data.shape_keys.key_blocks
        for name in names:
            if name in blocks:
                column.prop(blocks[name], "value", text=name, slider=True)

    identifier = "MIEN_PT_region_" + label.lower().replace(" ", "_")
    members = {"bl_idname": identifier, "bl_label": label, "bl_parent_id": "MIEN_PT_expressions", "draw": draw}
    return type(identifier, (HeadPanel, bpy.types.Panel), members)


CLASSES: tuple[type, ...] = (
    MIEN_PT_expressions,
    *(_region_panel(label, names) for label, names in REGIONS.items()),
)
