"""Import Live Link Face: a take of the phone as one action of the head."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import bpy
import numpy as np
from bpy_extras.io_utils import ImportHelper

from ..blender_addon.expression.live_link import TIMECODE_RATES, LiveLinkError, read_recording
from ..blender_addon.expression.timeline import has_head_bone, put_on_timeline
from ..blender_addon.head.objects import current_head
from .head_operator import HeadOperator


class MIEN_OT_import_live_link(HeadOperator, bpy.types.Operator, ImportHelper):
    bl_idname = "mien.import_live_link"
    bl_label = "Import Live Link Face"
    bl_description = "Read a CSV file of the Live Link Face app onto the timeline, at the scene's frame rate"

    filename_ext = ".csv"
    filter_glob: bpy.props.StringProperty(default="*.csv", options={"HIDDEN"})
    first_frame: bpy.props.IntProperty(name="First Frame", description="Where the take begins", default=1)
    head_rotation: bpy.props.BoolProperty(
        name="Head Rotation", description="Turn the head bone as the head was turned", default=False
    )
    invert: bpy.props.BoolVectorProperty(
        name="Invert Yaw, Pitch, Roll",
        description="The app's angles change their sign with the way the phone is held",
        size=3,
    )
    timecode_rate: bpy.props.EnumProperty(
        name="Timecode",
        description="How many frames a second the timecode counts",
        items=[
            ("0", "Find Out", "From the highest frame number; 60 where nothing tells", 0),
            *[(str(rate), f"{rate} fps", "", rate) for rate in TIMECODE_RATES],
        ],
        default="0",
    )
    set_range: bpy.props.BoolProperty(
        name="Set Scene Range", description="Let the scene end where the take ends", default=True
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        head = current_head(context)
        path = Path(bpy.path.abspath(self.filepath))
        try:
            recording = read_recording(path, int(self.timecode_rate))
        except LiveLinkError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        if self.head_rotation and (recording.head is None or not has_head_bone(head)):
            what = "the file has no head angles" if recording.head is None else "the rig has no head bone"
            self.report({"ERROR"}, f"The head's rotation cannot be taken, since {what}: switch Head Rotation off.")
            return {"CANCELLED"}
        if self.head_rotation:
            recording = replace(recording, head=recording.head * np.where(self.invert, -1.0, 1.0))
        count = put_on_timeline(
            context.scene, head, path.stem, recording, self.first_frame, self.head_rotation, self.set_range
        )
        lacking = f"; without {', '.join(recording.missing)}" if recording.missing else ""
        self.report({"INFO"}, f"{count} frames of {path.name}{lacking}")
        return {"FINISHED"}


CLASSES = (MIEN_OT_import_live_link,)
