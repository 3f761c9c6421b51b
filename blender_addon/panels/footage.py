"""From Footage, below the expressions: a photo or a clip in, and how the captures under way are."""

from __future__ import annotations

from pathlib import Path

import bpy

from .. import session
from ..head.objects import current_head
from .work import WorkWords, draw_work

WORDS = WorkWords(
    icon="ACTION",
    start="mien.expression_from_footage",
    stages={
        "look": "Looking for the face",
        "solve": "Finding the expressions",
        "smooth": "Smoothing",
        "write": "Writing the take",
    },
    finished="This take is finished",
    collect="mien.collect_take",
    collect_icon="ACTION",
    coming="Coming onto the timeline",
)


class MIEN_PT_footage(bpy.types.Panel):
    bl_idname = "MIEN_PT_footage"
    bl_label = "From Footage"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Mien"
    bl_parent_id = "MIEN_PT_expressions"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return current_head(context) is not None

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings = self.layout, context.scene.mien_capture
        column = layout.column(align=True)
        column.prop(settings, "photo", text="", icon="IMAGE_DATA")
        row = column.row(align=True)
        row.operator("mien.expression_from_photo", text="Set Sliders").key = False
        row.operator("mien.expression_from_photo", text="Keyframe", icon="KEY_HLT").key = True
        column = layout.column(align=True)
        column.prop(settings, "footage", text="", icon="FILE_MOVIE")
        column.operator("mien.expression_from_footage", text="Capture onto Timeline", icon="ACTION")
        column = layout.column(align=True)
        column.prop(settings, "neutral")
        column.prop(settings, "smoothing")
        row = column.row(align=True)
        row.prop(settings, "first_frame")
        row.prop(settings, "stride")
        if Path(bpy.path.abspath(settings.footage or "//")).suffix == "":
            column.prop(settings, "frame_rate")
        column.prop(settings, "head_rotation")
        column.prop(settings, "set_range")
        current = session.peek()
        for work in () if current is None else current.works:
            if work.kind == "take":
                draw_work(layout.box(), context, work, current.file, WORDS)


CLASSES = (MIEN_PT_footage,)
