"""Show Photo: look through a photo's camera, with the expression in it."""

from __future__ import annotations

import bpy

from ..blender_addon.head.objects import head_of
from ..blender_addon.head.photos import look_through, show_photo_expression


class MIEN_OT_show_photo(bpy.types.Operator):
    bl_idname = "mien.show_photo"
    bl_label = "Show Photo"
    bl_description = "Look through the photo's camera and take its expression"
    bl_options = {"REGISTER", "UNDO"}

    camera: bpy.props.StringProperty(name="Camera", description="Name of the photo's camera", options={"HIDDEN"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        camera = context.scene.objects.get(self.camera)
        head = head_of(camera)
        if head is None:
            self.report({"ERROR"}, f"There is no photo camera called {self.camera}: import the head again.")
            return {"CANCELLED"}
        camera.hide_set(False)  # a hidden camera shows no photo
        show_photo_expression(head.head, camera)
        look_through(context.scene, camera)
        if context.space_data is not None and context.space_data.type == "VIEW_3D":
            context.space_data.region_3d.view_perspective = "CAMERA"
        return {"FINISHED"}


CLASSES = (MIEN_OT_show_photo,)
