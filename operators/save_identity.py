"""Save Identity: the face's shape as a small file, for other heads."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy_extras.io_utils import ExportHelper

from ..blender_addon.head.objects import current_head
from ..blender_addon.identity import saved
from ..blender_addon.identity.live import wanted_codes
from ..blender_addon.identity.model import IdentityError
from .head_operator import IdentityOperator


class MIEN_OT_save_identity(IdentityOperator, bpy.types.Operator, ExportHelper):
    bl_idname = "mien.save_identity"
    bl_label = "Save Identity"
    bl_description = "Write the identity that the sliders show; files in the folder that opens stand in the menu"
    bl_options = {"REGISTER"}  # nothing in the file changes

    filename_ext = saved.SUFFIX
    check_extension = None  # two dots are more than the helper understands
    filter_glob: bpy.props.StringProperty(default=f"*{saved.SUFFIX}", options={"HIDDEN"})

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        name = saved.file_name(current_head(context).head.name)
        where = saved.folder(create=True)
        self.filepath = str(where / name) if where is not None else name
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        path = Path(bpy.path.abspath(self.filepath))
        try:
            path = path.with_name(saved.file_name(saved.name_of(path).removesuffix(".json")))
            saved.save(path, saved.name_of(path), wanted_codes(current_head(context).head))
        except IdentityError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.report({"INFO"}, f"Wrote {path.name}")
        return {"FINISHED"}


CLASSES = (MIEN_OT_save_identity,)
