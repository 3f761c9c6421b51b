"""The scene's list of photos: add from a dialog or by dropping files, remove."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy_extras.io_utils import ImportHelper

from ..blender_addon import inspections
from ..blender_addon.preferences import preferences
from ..blender_addon.properties import absolute

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp")


class MIEN_OT_add_photos(bpy.types.Operator, ImportHelper):
    bl_idname = "mien.add_photos"
    bl_label = "Add Photos"
    bl_description = "Add photos of one person: the front, and more sides if there are any"
    bl_options = {"UNDO"}

    filter_glob: bpy.props.StringProperty(default=";".join(f"*{ending}" for ending in ENDINGS), options={"HIDDEN"})
    directory: bpy.props.StringProperty(subtype="DIR_PATH", options={"HIDDEN", "SKIP_SAVE"})
    files: bpy.props.CollectionProperty(type=bpy.types.OperatorFileListElement, options={"HIDDEN", "SKIP_SAVE"})

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if self.files:  # dropped
            return self.execute(context)
        return ImportHelper.invoke(self, context, event)

    def execute(self, context: bpy.types.Context) -> set[str]:
        names = [entry.name for entry in self.files if entry.name]
        chosen = [Path(bpy.path.abspath(self.directory)) / name for name in names] or [
            Path(bpy.path.abspath(self.filepath))
        ]
        missing = [path for path in chosen if not path.is_file()]
        if missing:
            self.report({"ERROR"}, f"{missing[0]} is not a file: choose image files.")
            return {"CANCELLED"}
        settings = context.scene.mien_fit
        known = {absolute(photo) for photo in settings.photos}
        for path in map(str, chosen):
            if path in known:
                continue
            known.add(path)
            photo = settings.photos.add()
            photo.name, photo.path = Path(path).name, path
            settings.active_photo = len(settings.photos) - 1
            if preferences().inspect_photos and not bpy.app.background:
                inspections.inspect(path)
        return {"FINISHED"}


class MIEN_OT_remove_photo(bpy.types.Operator):
    bl_idname = "mien.remove_photo"
    bl_label = "Remove Photo"
    bl_description = "Take a photo off the list; the file stays"
    bl_options = {"UNDO"}

    path: bpy.props.StringProperty(
        name="File", description="Which photo. Empty: the active one", options={"HIDDEN", "SKIP_SAVE"}
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not context.scene.mien_fit.photos:
            cls.poll_message_set("There is no photo to remove")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        settings = context.scene.mien_fit
        at = settings.active_photo
        if self.path:
            at = next((index for index, photo in enumerate(settings.photos) if absolute(photo) == self.path), -1)
        if not 0 <= at < len(settings.photos):
            self.report({"WARNING"}, "This photo is not in the list any more")
            return {"CANCELLED"}
        inspections.forget_photo(absolute(settings.photos[at]))
        settings.photos.remove(at)
        settings.active_photo = max(min(settings.active_photo, len(settings.photos) - 1), 0)
        return {"FINISHED"}


class MIEN_FH_photos(bpy.types.FileHandler):
    """Image files dropped onto the 3D view."""

    bl_idname = "MIEN_FH_photos"
    bl_label = "Photos for Mien"
    bl_import_operator = "mien.add_photos"
    bl_file_extensions = ";".join(ENDINGS)

    @classmethod
    def poll_drop(cls, context: bpy.types.Context) -> bool:
        return context.area is not None and context.area.type == "VIEW_3D"


CLASSES = (MIEN_OT_add_photos, MIEN_OT_remove_photo, MIEN_FH_photos)
