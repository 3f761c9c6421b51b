"""The sidebar "Mien" of the 3D view: import, expressions, photos, export."""

from __future__ import annotations

import bpy

from .head.expressions import REGIONS
from .head.objects import current_head


class _Sidebar:
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Mien"


class MIEN_PT_head(_Sidebar, bpy.types.Panel):
    bl_idname = "MIEN_PT_head"
    bl_label = "Mien"

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.operator("mien.import_head", icon="IMPORT")
        head = current_head(context)
        if head is None:
            layout.label(text="Import or select a head", icon="INFO")
            return
        layout.label(text=head.head.name, icon="USER")
        for camera in head.cameras:
            row = layout.row(align=True)
            row.operator("mien.show_photo", text=camera.name, icon="CAMERA_DATA").camera = camera.name


class _HeadPanel(_Sidebar):
    """A child panel that needs a head."""

    bl_parent_id = "MIEN_PT_head"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return current_head(context) is not None


class MIEN_PT_expressions(_HeadPanel, bpy.types.Panel):
    bl_idname = "MIEN_PT_expressions"
    bl_label = "Expressions"

    def draw(self, context: bpy.types.Context) -> None:
        self.layout.operator("mien.reset_expression", icon="LOOP_BACK")


class MIEN_PT_export(_HeadPanel, bpy.types.Panel):
    bl_idname = "MIEN_PT_export"
    bl_label = "Export"

    def draw(self, context: bpy.types.Context) -> None:
        column = self.layout.column(align=True)
        column.operator("mien.export_fbx", icon="EXPORT")
        column.operator("mien.export_glb", icon="EXPORT")


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
    return type(identifier, (_HeadPanel, bpy.types.Panel), members)


CLASSES: tuple[type, ...] = (
    MIEN_PT_head,
    MIEN_PT_expressions,
    *(_region_panel(label, names) for label, names in REGIONS.items()),
    MIEN_PT_export,
)
