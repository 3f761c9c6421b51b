"""Clear Pins: forget the pins of one photo or of all."""

from __future__ import annotations

import bpy

from ..blender_addon.head.objects import HeadObjects, current_head
from ..blender_addon.pins.store import clear_pins, pins_of
from .head_operator import HeadOperator


class MIEN_OT_clear_pins(HeadOperator, bpy.types.Operator):
    bl_idname = "mien.clear_pins"
    bl_label = "Clear Pins"
    bl_description = "Forget the pins; the head stays as it is until it is solved again"

    camera: bpy.props.StringProperty(
        name="Camera", description="Only of this photo's camera. Empty: of all", options={"HIDDEN", "SKIP_SAVE"}
    )

    @classmethod
    def poll_head(cls, context: bpy.types.Context, head: HeadObjects) -> bool:
        if not any(pins_of(camera) for camera in head.cameras):
            cls.poll_message_set("There are no pins")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        for camera in current_head(context).cameras:
            if self.camera in ("", camera.name):
                clear_pins(camera)
        return {"FINISHED"}


CLASSES = (MIEN_OT_clear_pins,)
