"""Export for Engine: the current head as Unreal, Unity or glTF takes it, with levels of detail and packed maps."""

from __future__ import annotations

from pathlib import Path

import bpy

from ..blender_addon.export.beside import ExportRequest
from ..blender_addon.export.engine import export_for_engine
from ..blender_addon.export.presets import PRESETS, ExportOptions
from ..blender_addon.export_properties import levels_property, map_size_property, preset_property
from ..blender_addon.head.objects import current_head
from .write_export import ExportOperator


class MIEN_OT_export_engine(ExportOperator, bpy.types.Operator):
    bl_idname = "mien.export_engine"
    bl_label = "Export for Engine"
    bl_description = "Write the head with rig, shapes, levels of detail and maps packed the engine's way"

    filename_ext = ""  # the preset's
    check_extension = None
    filter_glob: bpy.props.StringProperty(default="*.fbx;*.glb", options={"HIDDEN"})
    preset: preset_property()
    levels: levels_property()
    map_size: map_size_property()

    def check(self, context: bpy.types.Context) -> bool:
        """Keep the file's ending that of the preset while the artist chooses."""
        if not bpy.path.basename(self.filepath):  # a folder is no file yet
            return False
        stem = self.filepath
        if stem.lower().endswith((".fbx", ".glb")):  # no other dot begins an ending: Anna.001
            stem = stem[:-4]
        wanted = stem + PRESETS[self.preset].extension
        changed = wanted != self.filepath
        if changed:
            self.filepath = wanted
        return changed

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if not self.filepath:
            self.filepath = f"{current_head(context).head.name}{PRESETS[self.preset].extension}"
        self._in_browser = True
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def request(self) -> ExportRequest:
        return ExportRequest("engine", self.filepath, self.preset, self.levels, int(self.map_size))

    def write(self, context: bpy.types.Context) -> Path:
        options = ExportOptions(levels=self.levels, map_size=int(self.map_size))
        return export_for_engine(context, current_head(context), PRESETS[self.preset], self.filepath, options)


CLASSES = (MIEN_OT_export_engine,)
