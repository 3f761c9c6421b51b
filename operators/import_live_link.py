"""Import Live Link Face: a take of the phone as one action of the head."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
from bpy_extras.io_utils import ImportHelper

from ..blender_addon.compat import action_serves_both
from ..blender_addon.expression.keyframes import new_action, write_expression, write_rotation
from ..blender_addon.expression.live_link import TIMECODE_RATES, LiveLinkError, read_recording, resampled
from ..blender_addon.head.objects import current_head
from .head_operator import HeadOperator

HEAD_BONE = "head"


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
        head, scene = current_head(context), context.scene
        path = Path(bpy.path.abspath(self.filepath))
        try:
            recording = read_recording(path, int(self.timecode_rate))
        except LiveLinkError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        if self.head_rotation and (recording.head is None or HEAD_BONE not in head.rig.pose.bones):
            what = "the file has no head angles" if recording.head is None else "the rig has no head bone"
            self.report({"ERROR"}, f"The head's rotation cannot be taken, since {what}: switch Head Rotation off.")
            return {"CANCELLED"}
        weights, angles = resampled(recording, scene.render.fps / scene.render.fps_base)
        action = new_action(path.stem)
        write_expression(head.head, action, self.first_frame, weights)
        if self.head_rotation:
            if not action_serves_both():
                action = new_action(f"{path.stem} head")
            yaw, pitch, roll = (angles * np.where(self.invert, -1.0, 1.0)).T
            # The head bone's axes: X to the subject's left, Y up, Z out of the face.
            write_rotation(head.rig, HEAD_BONE, action, self.first_frame, np.stack([pitch, yaw, roll], 1))
        if self.set_range:
            scene.frame_start = min(scene.frame_start, self.first_frame)
            scene.frame_end = self.first_frame + len(weights) - 1
        lacking = f"; without {', '.join(recording.missing)}" if recording.missing else ""
        self.report({"INFO"}, f"{len(weights)} frames of {path.name}{lacking}")
        return {"FINISHED"}


CLASSES = (MIEN_OT_import_live_link,)
