"""Import Head: a head package into the scene, in one undo step."""

from __future__ import annotations

import bpy
from bpy_extras.io_utils import ImportHelper

from ..blender_addon.head.build import BuildOptions, HeadBuild, build_head, read_and_check
from ..blender_addon.head.framing import frame_head
from ..blender_addon.head.package import PackageError
from ..blender_addon.later import Later
from .beat import REST_S, Beat


class _ImportOptions:
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


class MIEN_OT_import_head(_ImportOptions, bpy.types.Operator, ImportHelper):
    """The file browser and what scripts call. A browser cannot hand over to a modal operator by itself."""

    bl_idname = "mien.import_head"
    bl_label = "Import Head"
    bl_description = "Build the head of a package: choose the folder NAME.head, or the head.json in it"
    bl_options = {"REGISTER"}  # the undo step is mien.build_head's

    filename_ext = ".json"
    filter_glob: bpy.props.StringProperty(default="*head.json", options={"HIDDEN"})

    _in_browser = False

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        self._in_browser = True
        return ImportHelper.invoke(self, context, event)

    def execute(self, context: bpy.types.Context) -> set[str]:
        how = "INVOKE_DEFAULT" if self._in_browser else "EXEC_DEFAULT"
        options = {"lods": self.lods, "cameras": self.cameras, "pack_images": self.pack_images}
        try:
            status = bpy.ops.mien.build_head(how, True, package=bpy.path.abspath(self.filepath), **options)
        except RuntimeError as error:  # how Blender hands on what an operator reports
            self.report({"ERROR"}, str(error).removeprefix("Error: ").strip())
            return {"CANCELLED"}
        return {"CANCELLED"} if status == {"CANCELLED"} else {"FINISHED"}


class MIEN_OT_build_head(_ImportOptions, Beat, bpy.types.Operator):
    bl_idname = "mien.build_head"
    bl_label = "Import Head"
    bl_description = "Build the head of a package"
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}

    package: bpy.props.StringProperty(options={"HIDDEN", "SKIP_SAVE"}, subtype="FILE_PATH")

    _reading: Later | None = None
    _build: HeadBuild | None = None

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Wait: scripts, and Adjust Last Operation."""
        try:
            build_head(context, self.package, self._options)
        except PackageError as error:
            return self._fail(str(error))
        return {"FINISHED"}

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        self._reading = Later(read_and_check, self.package)
        self.set_beat(context, REST_S)
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if event.type != "TIMER" or not self._reading.is_over or context.mode != "OBJECT":
            return {"PASS_THROUGH"}
        try:
            if self._build is None or self._build.abandoned:
                self._build = HeadBuild(context, self._reading.result(), self._options)
            if not self._build.advance(self.slice_s()):
                return {"PASS_THROUGH"}
        except PackageError as error:
            self.stop_beat(context)
            return self._fail(str(error))
        except Exception:
            self.cancel(context)
            raise
        self.stop_beat(context)
        frame_head(context, context.area, self._build.head.head)
        return {"FINISHED"}

    def cancel(self, context: bpy.types.Context) -> None:
        """Blender ends the operator: another file, a closed window, the end."""
        self.stop_beat(context)
        if self._build is not None:
            self._build.abandon()

    @property
    def _options(self) -> BuildOptions:
        return BuildOptions(lods=self.lods, cameras=self.cameras, pack_images=self.pack_images)

    def _fail(self, sentence: str) -> set[str]:
        self.report({"ERROR"}, sentence)
        return {"CANCELLED"}


CLASSES = (MIEN_OT_import_head, MIEN_OT_build_head)
