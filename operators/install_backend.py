"""The backend's environment: install it after consent, stop that, check it, look at its logs, open the preferences."""

from __future__ import annotations

import sys
from pathlib import Path

import bpy

from ..blender_addon import paths, session
from ..blender_addon.preferences import preferences

OFFLINE = "Allow online access first: Preferences, System, Network"
OFFLINE_BY_COMMAND = "Blender was started in offline mode: start it without --offline-mode"


def offline_reason() -> str:
    """Why nothing may be downloaded, or nothing."""
    if bpy.app.online_access:
        return ""
    return OFFLINE_BY_COMMAND if bpy.app.online_access_override else OFFLINE


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


class MIEN_OT_check_backend(bpy.types.Operator):
    bl_idname = "mien.check_backend"
    bl_label = "Check"
    bl_description = "Look whether the backend's Python has all that it needs"
    bl_options = {"INTERNAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        session.check_backend()
        return {"FINISHED"}


class MIEN_OT_show_log(bpy.types.Operator):
    bl_idname = "mien.show_log"
    bl_label = "Show Log"
    bl_description = "Open the folder with the backend's logs"
    bl_options = {"INTERNAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        bpy.ops.wm.path_open(filepath=str(paths.backend_log().parent))
        return {"FINISHED"}


class MIEN_OT_open_preferences(bpy.types.Operator):
    bl_idname = "mien.open_preferences"
    bl_label = "Open Preferences"
    bl_description = "Mien's preferences: backend, device, folders"
    bl_options = {"INTERNAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        bpy.ops.preferences.addon_show(module=paths.ROOT_PACKAGE)
        return {"FINISHED"}


CLASSES = (
    MIEN_OT_install_backend,
    MIEN_OT_cancel_install,
    MIEN_OT_check_backend,
    MIEN_OT_show_log,
    MIEN_OT_open_preferences,
)
