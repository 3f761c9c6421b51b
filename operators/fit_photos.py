"""Fit from Photo: the photos of the scene's list into a head in the scene."""

from __future__ import annotations

from pathlib import Path

import bpy

from ..blender_addon import session
from ..blender_addon.properties import MAP_SIZES, QUALITIES, absolute
from ..blender_addon.work import Work
from ..neural_backend.protocol.errors import MienError
from .head_job_operator import HeadJobOperator


class MIEN_OT_fit_photos(HeadJobOperator, bpy.types.Operator):
    bl_idname = "mien.fit_photos"
    bl_label = "Fit from Photo"
    bl_description = "Make a head from the photos; Blender stays usable meanwhile"

    # A script may set these; a button leaves them unset and the panel's hold.
    name: bpy.props.StringProperty(name="Name", options={"SKIP_SAVE"})
    quality: bpy.props.EnumProperty(name="Quality", items=QUALITIES, default="STANDARD", options={"SKIP_SAVE"})
    map_size: bpy.props.EnumProperty(name="Maps", items=MAP_SIZES, default="AUTO", options={"SKIP_SAVE"})
    seed: bpy.props.IntProperty(name="Seed", min=0, options={"SKIP_SAVE"})
    keep_photos: bpy.props.BoolProperty(name="Keep Photos", default=True, options={"SKIP_SAVE"})
    folder: bpy.props.StringProperty(
        name="Folder",
        description="Where the head package goes. Empty: the folder of the preferences",
        subtype="DIR_PATH",
        options={"SKIP_SAVE"},
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not context.scene.mien_fit.photos:
            cls.poll_message_set("Add a photo first")
            return False
        return cls.can_start(context)

    def start(self, context: bpy.types.Context) -> Work:
        photos = tuple(absolute(photo) for photo in context.scene.mien_fit.photos)
        for photo in photos:
            if not Path(photo).is_file():
                raise MienError("missing", f"{photo} is not there any more: remove it from the list or put it back.")
        name = self._setting(context, "name", "head_name") or Path(photos[0]).stem
        map_size = self._setting(context, "map_size")
        return session.submit_fit(
            photos=photos,
            name=name,
            quality=self._setting(context, "quality").lower(),
            map_size=None if map_size == "AUTO" else int(map_size),
            seed=self._setting(context, "seed"),
            keep_photos=self._setting(context, "keep_photos"),
            folder=Path(bpy.path.abspath(self.folder)) if self.folder else None,
        )

    def _setting(self, context: bpy.types.Context, name: str, of_scene: str | None = None):
        if self.properties.is_property_set(name):
            return getattr(self, name)
        return getattr(context.scene.mien_fit, of_scene or name)


CLASSES = (MIEN_OT_fit_photos,)
