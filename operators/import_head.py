"""Import Head: a head package into the scene, in one undo step."""

from __future__ import annotations

import bpy
from bpy_extras.io_utils import ImportHelper

from ..blender_addon.head.build import BuildOptions, build_head
from ..blender_addon.head.package import PackageError


class MIEN_OT_import_head(bpy.types.Operator, ImportHelper):
    bl_idname = "mien.import_head"
    bl_label = "Import Head"
    bl_description = "Build the head of a package: choose the folder NAME.head, or the head.json in it"
    bl_options = {"REGISTER", "UNDO"}

    filename_ext = ".json"
    filter_glob: bpy.props.StringProperty(default="head.json", options={"HIDDEN"})
    pack_images: bpy.props.BoolProperty(
        name="Pack Images", description="Keep maps and photos inside the .blend", default=True
    )
    lods: bpy.props.BoolProperty(
        name="Levels of Detail", description="Also build the coarser meshes, hidden", default=True
    )
    cameras: bpy.props.BoolProperty(
        name="Photo Cameras", description="One camera for each photo, with the photo behind it", default=True
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return context.mode == "OBJECT"

    def execute(self, context: bpy.types.Context) -> set[str]:
        options = BuildOptions(lods=self.lods, cameras=self.cameras, pack_images=self.pack_images)
        try:
            build_head(context, bpy.path.abspath(self.filepath), options)
        except PackageError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


CLASSES = (MIEN_OT_import_head,)
