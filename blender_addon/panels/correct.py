"""Correct by hand, then solve again."""

from __future__ import annotations

import bpy

from ..head.objects import current_head
from ..pins.store import pins_of
from .sidebar import HeadPanel


class MIEN_PT_correct(HeadPanel, bpy.types.Panel):
    bl_idname = "MIEN_PT_correct"
    bl_label = "Correct by Hand"

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        head = current_head(context)
        for camera in head.cameras:
            count = len(pins_of(camera))
            row = layout.row(align=True)
            pins = f"{count} pin{'s' if count != 1 else ''}" if count else "Edit Pins"
            text = pins if len(head.cameras) == 1 else f"{camera.name}: {pins}"
            row.operator("mien.edit_pins", text=text, icon="PINNED" if count else "UNPINNED").camera = camera.name
            if count:
                row.operator("mien.clear_pins", text="", icon="X").camera = camera.name
        layout.operator("mien.solve_again", icon="FILE_REFRESH")


CLASSES = (MIEN_PT_correct,)
