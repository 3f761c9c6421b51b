"""Expression from Photo: the face in a photo onto the sliders, at the current frame."""

from __future__ import annotations

import shutil

import bpy

from ..blender_addon.capture_properties import NEUTRALS
from ..blender_addon.expression.keyframes import auto_key, insert_keys
from ..blender_addon.work import Work
from ..neural_backend.protocol.arkit import ARKIT_NAMES
from .capture_operator import CaptureOperator
from .target_operator import target_of


class MIEN_OT_expression_from_photo(CaptureOperator, bpy.types.Operator):
    bl_idname = "mien.expression_from_photo"
    bl_label = "Expression from Photo"
    bl_description = "Set the sliders to the face in a photo of this person"

    # A script may set these; a button leaves them unset and the panel's hold.
    photo: bpy.props.StringProperty(name="Photo", subtype="FILE_PATH", options={"SKIP_SAVE"})
    neutral: bpy.props.EnumProperty(name="Rest", items=NEUTRALS, options={"SKIP_SAVE"})
    key: bpy.props.BoolProperty(
        name="Keyframe", description="Insert keyframes at the current frame", options={"SKIP_SAVE"}
    )

    def start(self, context: bpy.types.Context) -> Work:
        return self.submit(context, self.setting(context, "photo"), "a photo")

    def finish(self, context: bpy.types.Context, work: Work) -> None:
        head = target_of(context, work).head
        blocks = head.data.shape_keys.key_blocks
        for name, value in zip(ARKIT_NAMES, work.package.recording.weights[0], strict=True):
            if name in blocks:
                blocks[name].value = float(value)
        if self.key:
            insert_keys(head, ARKIT_NAMES, context.scene.frame_current_final)
        else:
            auto_key(context, head, ARKIT_NAMES)
        shutil.rmtree(work.package.path, ignore_errors=True)  # one pose: it is on the sliders now
        self.report({"INFO"}, f"The sliders show {work.name}")


CLASSES = (MIEN_OT_expression_from_photo,)
