"""Load Identity: let the sliders ask for a saved face."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
from bpy_extras.io_utils import ImportHelper

from ..blender_addon.head.objects import current_head
from ..blender_addon.identity import saved
from ..blender_addon.identity.controls import MODE_COUNT
from ..blender_addon.identity.live import show_codes
from ..blender_addon.identity.model import IdentityError
from .head_operator import IdentityOperator


class MIEN_OT_load_identity(IdentityOperator, bpy.types.Operator, ImportHelper):
    bl_idname = "mien.load_identity"
    bl_label = "Load Identity"
    bl_description = "Show the face of an identity file, or of a package's head.json, on this head"

    filename_ext = ".json"
    filter_glob: bpy.props.StringProperty(default="*.json", options={"HIDDEN"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            show_codes(current_head(context), saved.load(Path(bpy.path.abspath(self.filepath))))
        except IdentityError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class MIEN_OT_average_identity(IdentityOperator, bpy.types.Operator):
    bl_idname = "mien.average_identity"
    bl_label = "Average"
    bl_description = "Show the average of all faces that the model was made from"

    def execute(self, context: bpy.types.Context) -> set[str]:
        show_codes(current_head(context), np.zeros(MODE_COUNT, np.float32))
        return {"FINISHED"}


CLASSES = (MIEN_OT_load_identity, MIEN_OT_average_identity)
