"""Expression from Footage: a video or a folder of frames as one action of the head."""

from __future__ import annotations

import bpy

from ..blender_addon.capture_properties import NEUTRALS
from ..blender_addon.expression.takes import Take, TakeError
from ..blender_addon.expression.timeline import has_head_bone, put_on_timeline
from ..blender_addon.head.objects import HeadObjects, current_head
from ..blender_addon.work import Work
from ..neural_backend.protocol.errors import MienError
from .capture_operator import CaptureOperator
from .target_operator import target_of


def write_take(
    scene: bpy.types.Scene, head: HeadObjects, take: Take, first_frame: int, head_rotation: bool, set_range: bool
) -> str:
    """Put a take onto the timeline; the sentence that says what was done.

    Raises:
        TakeError: the rig has no head bone to turn.
    """
    if head_rotation and not has_head_bone(head):
        raise TakeError("The head's rotation cannot be taken, since the rig has no head bone: switch it off.")
    count = put_on_timeline(scene, head, take.name, take.levelled(), first_frame, head_rotation, set_range)
    bridged = ", ".join(f"{first:.1f} to {last:.1f} s" for first, last in take.gaps)
    done = f"{count} frames of {take.name}" + (f"; no face from {bridged}, bridged" if bridged else "")
    return done + (f"; the video's last {take.missing} frames could not be read" if take.missing else "")


class MIEN_OT_expression_from_footage(CaptureOperator, bpy.types.Operator):
    bl_idname = "mien.expression_from_footage"
    bl_label = "Expression from Footage"
    bl_description = (
        "Capture a video or a folder of frames of this person as one action; Blender stays usable meanwhile"
    )

    # A script may set these; a button leaves them unset and the panel's hold.
    footage: bpy.props.StringProperty(name="Footage", subtype="FILE_PATH", options={"SKIP_SAVE"})
    first_frame: bpy.props.IntProperty(name="First Frame", default=1, options={"SKIP_SAVE"})
    frame_rate: bpy.props.FloatProperty(name="Frame Rate", default=25.0, min=1.0, max=1000.0, options={"SKIP_SAVE"})
    stride: bpy.props.IntProperty(name="Every", default=1, min=1, options={"SKIP_SAVE"})
    smoothing: bpy.props.FloatProperty(name="Smoothing", default=1.0, min=0.0, max=10.0, options={"SKIP_SAVE"})
    neutral: bpy.props.EnumProperty(name="Rest", items=NEUTRALS, options={"SKIP_SAVE"})
    head_rotation: bpy.props.BoolProperty(name="Head Rotation", options={"SKIP_SAVE"})
    set_range: bpy.props.BoolProperty(name="Set Scene Range", default=True, options={"SKIP_SAVE"})

    def start(self, context: bpy.types.Context) -> Work:
        if self.setting(context, "head_rotation") and not has_head_bone(current_head(context)):
            raise MienError("bad_option", "The rig has no head bone to turn: switch Head Rotation off.")
        return self.submit(
            context,
            self.setting(context, "footage"),
            "a video or a folder of frames",
            frame_rate=self.setting(context, "frame_rate"),
            stride=self.setting(context, "stride"),
            smoothing=self.setting(context, "smoothing"),
        )

    def finish(self, context: bpy.types.Context, work: Work) -> None:
        names = ("first_frame", "head_rotation", "set_range")
        options = {name: self.setting(context, name) for name in names}
        done = write_take(context.scene, target_of(context, work), work.package, **options)
        self.report({"INFO"}, done)


CLASSES = (MIEN_OT_expression_from_footage,)
