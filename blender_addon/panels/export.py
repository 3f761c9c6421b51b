"""Export for game engines, and plain FBX and GLB."""

from __future__ import annotations

import bpy

from ..export.presets import PRESETS
from .sidebar import HeadPanel


class MIEN_PT_export(HeadPanel, bpy.types.Panel):
    bl_idname = "MIEN_PT_export"
    bl_label = "Export"

    def draw(self, context: bpy.types.Context) -> None:
        settings = context.scene.mien_export
        column = self.layout.column()
        column.prop(settings, "preset")
        column.prop(settings, "map_size")
        column.prop(settings, "levels")
        button = column.operator("mien.export_engine", text=f"Export {PRESETS[settings.preset].label}", icon="EXPORT")
        button.preset, button.levels, button.map_size = settings.preset, settings.levels, settings.map_size
        row = self.layout.row(align=True)
        row.operator("mien.export_fbx", text="Plain FBX")
        row.operator("mien.export_glb", text="Plain GLB")


CLASSES = (MIEN_PT_export,)
