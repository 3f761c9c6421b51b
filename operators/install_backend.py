"""Install the backend's environment after consent, and stop that."""

from __future__ import annotations

import sys
from pathlib import Path

import bpy

from ..blender_addon import paths, session
from ..blender_addon.online import offline_reason
from ..blender_addon.preferences import preferences


class MIEN_OT_install_backend(bpy.types.Operator):
    bl_idname = "mien.install_backend"
    bl_label = "Install Backend"
    bl_description = "Download what fitting needs into a Python environment of its own; Blender itself is not changed"
    bl_options = {"INTERNAL"}

    consent: bpy.props.BoolProperty(
        name="Download and Install",
        description="PyTorch and a few small packages: one to several GB, depending on the system",
        options={"SKIP_SAVE"},
    )
    base_python: bpy.props.StringProperty(
        name="Made by", description="The Python that makes the environment. Empty: Blender's own", subtype="FILE_PATH"
    )
    wait: bpy.props.BoolProperty(name="Wait", description="For scripts", options={"HIDDEN", "SKIP_SAVE"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        current = session.peek()
        if current is not None and current.installer is not None and not current.installer.view.is_over:
            cls.poll_message_set("The backend is being installed")
        elif offline_reason():
            cls.poll_message_set(offline_reason())
        else:
            return True
        return False

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        return context.window_manager.invoke_props_dialog(self, width=420)

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.label(text="Fitting runs in a process of its own, with PyTorch.")
        layout.label(text="Its packages are downloaded once, one to several GB, to:")
        layout.label(text=str(paths.backend_folder()), icon="FILE_FOLDER")
        layout.label(text="Your photos never leave this computer.")
        layout.prop(self, "consent")
        layout.prop(self, "base_python")

    def execute(self, context: bpy.types.Context) -> set[str]:
        if not self.consent:
            self.report({"WARNING"}, "Nothing was installed: tick Download and Install to agree.")
            return {"CANCELLED"}
        base = Path(bpy.path.abspath(self.base_python) if self.base_python else sys.executable)
        installer = session.install(base, preferences().package_index)
        while self.wait and not installer.wait(0.2):
            session.pump()
        if self.wait and installer.view.problem:
            self.report({"ERROR"}, installer.view.problem)
            return {"CANCELLED"}
        return {"FINISHED"}


class MIEN_OT_cancel_install(bpy.types.Operator):
    bl_idname = "mien.cancel_install"
    bl_label = "Stop Installing"
    bl_description = "Stop; what was installed so far is removed"
    bl_options = {"INTERNAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        current = session.peek()
        if current is None or current.installer is None:
            return {"CANCELLED"}
        current.installer.cancel()
        return {"FINISHED"}


CLASSES = (MIEN_OT_install_backend, MIEN_OT_cancel_install)
