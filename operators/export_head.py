"""Export Head: plain FBX and GLB of the current head."""

from __future__ import annotations

from pathlib import Path

import bpy

from ..blender_addon.export.beside import ExportRequest
from ..blender_addon.head.export import export_fbx, export_glb
from ..blender_addon.head.objects import current_head
from .write_export import ExportOperator


class MIEN_OT_export_fbx(ExportOperator, bpy.types.Operator):
    bl_idname = "mien.export_fbx"
    bl_label = "Export FBX"
    bl_description = "Write the head with its rig, its 52 shapes and its maps for Unreal, Unity and others"
    filename_ext = ".fbx"
    filter_glob: bpy.props.StringProperty(default="*.fbx", options={"HIDDEN"})

    def request(self) -> ExportRequest:
        return ExportRequest("fbx", self.filepath)

    def write(self, context: bpy.types.Context) -> Path:
        return export_fbx(context, current_head(context), self.filepath)


class MIEN_OT_export_glb(ExportOperator, bpy.types.Operator):
    bl_idname = "mien.export_glb"
    bl_label = "Export GLB"
    bl_description = "Write the head with its rig, its 52 shapes and its maps as glTF 2.0"
    filename_ext = ".glb"
    filter_glob: bpy.props.StringProperty(default="*.glb", options={"HIDDEN"})

    def request(self) -> ExportRequest:
        return ExportRequest("glb", self.filepath)

    def write(self, context: bpy.types.Context) -> Path:
        return export_glb(context, current_head(context), self.filepath)


CLASSES = (MIEN_OT_export_fbx, MIEN_OT_export_glb)
