"""The head itself: import, its name, the photos that it was fitted to."""

from __future__ import annotations

import bpy

from ..head.objects import current_head
from .sidebar import Sidebar


class MIEN_PT_head(Sidebar, bpy.types.Panel):
    bl_idname = "MIEN_PT_head"
    bl_label = "Head"

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


CLASSES = (MIEN_PT_head,)
