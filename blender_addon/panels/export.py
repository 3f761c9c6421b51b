"""Export for game engines."""

from __future__ import annotations

import bpy

from .sidebar import HeadPanel


class MIEN_PT_export(HeadPanel, bpy.types.Panel):
    bl_idname = "MIEN_PT_export"
    bl_label = "Export"

    def draw(self, context: bpy.types.Context) -> None:
        column = self.layout.column(align=True)
        column.operator("mien.export_fbx", icon="EXPORT")
        column.operator("mien.export_glb", icon="EXPORT")


CLASSES = (MIEN_PT_export,)
