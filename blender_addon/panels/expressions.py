"""The 52 sliders by region of the face, and what can be done with them together."""

from __future__ import annotations

import bpy

from ..expression.presets import PRESETS
from ..head.expressions import REGIONS, region_id
from ..head.objects import current_head
from .sidebar import HeadPanel


class MIEN_MT_presets(bpy.types.Menu):
    bl_idname = "MIEN_MT_presets"
    bl_label = "Presets"

    def draw(self, context: bpy.types.Context) -> None:
        row = self.layout.row()
        for group, presets in PRESETS.items():
            column = row.column()
            column.label(text=group)
            column.separator()
            for name in presets:
                column.operator("mien.apply_preset", text=name).name = name


class MIEN_PT_expressions(HeadPanel, bpy.types.Panel):
    bl_idname = "MIEN_PT_expressions"
    bl_label = "Expressions"

    def draw(self, context: bpy.types.Context) -> None:
        layout, head = self.layout, current_head(context)
        row = layout.row(align=True)
        row.menu("MIEN_MT_presets", icon="PRESET")
        row.operator("mien.reset_expression", text="", icon="LOOP_BACK").region = "ALL"
        row = layout.row(align=True)
        row.prop(head.head.mien_expression, "symmetric", icon="MOD_MIRROR", toggle=True)
        row.operator("mien.mirror_expression", text="Mirror", icon="ARROW_LEFTRIGHT")
        row = layout.row(align=True)
        row.operator("mien.copy_pose", text="Copy", icon="COPYDOWN")
        row.operator("mien.paste_pose", text="Paste", icon="PASTEDOWN").mirror = False
        row.operator("mien.paste_pose", text="", icon="PASTEFLIPDOWN").mirror = True
        row = layout.row(align=True)
        row.operator("mien.insert_expression_keys", text="Keyframe All", icon="KEY_HLT").region = "ALL"
        row.operator("mien.delete_expression_keys", text="", icon="KEY_DEHLT").region = "ALL"
        row = layout.row(align=True)
        row.operator("mien.import_live_link", text="Live Link Face ...", icon="IMPORT")
        row.operator("mien.bake_expression", icon="ACTION")


def _region_panel(label: str, names: tuple[str, ...]) -> type:
    """The panel of one region: a slider per shape, which is the shape key's own value.

    While Symmetric is on, shapes that have a partner show a stand-in that sets both; it cannot be keyed by hovering,
    only by the diamond beside it.
    """

    def draw(self: bpy.types.Panel, context: bpy.types.Context) -> None:
        layout, head = self.layout, current_head(context)
        row = layout.row(align=True)
        row.operator("mien.insert_expression_keys", text="Keyframe", icon="KEY_HLT").region = region_id(label)
        row.operator("mien.delete_expression_keys", text="", icon="KEY_DEHLT").region = region_id(label)
        row.operator("mien.reset_expression", text="", icon="LOOP_BACK").region = region_id(label)
        column = layout.column(align=True)
        blocks, expression = head.head.data.shape_keys.key_blocks, head.head.mien_expression
        for name in names:
            if name not in blocks:
                continue
            row = column.row(align=True)
            if expression.symmetric and hasattr(expression, name):
                row.prop(expression, name, text=name, slider=True)
            else:
                row.prop(blocks[name], "value", text=name, slider=True)
            row.operator("mien.insert_expression_keys", text="", icon="DECORATE_KEYFRAME").shape = name

    identifier = "MIEN_PT_region_" + label.lower().replace(" ", "_")
    members = {"bl_idname": identifier, "bl_label": label, "bl_parent_id": "MIEN_PT_expressions", "draw": draw}
    return type(identifier, (HeadPanel, bpy.types.Panel), members)


CLASSES: tuple[type, ...] = (
    MIEN_MT_presets,
    MIEN_PT_expressions,
    *(_region_panel(label, names) for label, names in REGIONS.items()),
)
