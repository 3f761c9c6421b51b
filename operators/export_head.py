"""Export Head: FBX and GLB of the current head."""

from __future__ import annotations

import bpy
from bpy_extras.io_utils import ExportHelper

from ..blender_addon.head.export import ExportError, export_fbx, export_glb
from ..blender_addon.head.objects import current_head


class _ExportHead(ExportHelper):
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if current_head(context) is None:
            cls.poll_message_set("Select a head first")
            return False
        return context.mode == "OBJECT"

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            path = type(self).write(context, current_head(context), self.filepath)
        except ExportError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.report({"INFO"}, f"Wrote {path}")
        return {"FINISHED"}


class MIEN_OT_export_fbx(_ExportHead, bpy.types.Operator):
    bl_idname = "mien.export_fbx"
    bl_label = "Export FBX"
    bl_description = "Write the head with its rig, its 52 shapes and its maps for Unreal, Unity and others"
    filename_ext = ".fbx"
    filter_glob: bpy.props.StringProperty(default="*.fbx", options={"HIDDEN"})
    write = staticmethod(export_fbx)


class MIEN_OT_export_glb(_ExportHead, bpy.types.Operator):
    bl_idname = "mien.export_glb"
    bl_label = "Export GLB"
    bl_description = "Write the head with its rig, its 52 shapes and its maps as glTF 2.0"
    filename_ext = ".glb"
    filter_glob: bpy.props.StringProperty(default="*.glb", options={"HIDDEN"})
    write = staticmethod(export_glb)


CLASSES = (MIEN_OT_export_fbx, MIEN_OT_export_glb)
