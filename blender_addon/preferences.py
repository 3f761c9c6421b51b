"""The extension's preferences: the backend's state and Install Backend, its device, an own Python, folders."""

from __future__ import annotations

from dataclasses import dataclass

import bpy

from .paths import ROOT_PACKAGE

DEVICES = (
    ("AUTO", "Automatic", "CUDA where there is one, else the processor", 0),
    ("CPU", "Processor", "Always the processor", 1),
    ("CUDA", "CUDA", "A graphics card by NVIDIA, for the face networks", 2),
)


@dataclass(frozen=True)
class Defaults:
    """What holds where there are no preferences: Mien's code used without being enabled as an extension."""

    python_path: str = ""
    package_index: str = ""
    device: str = "AUTO"
    heads_folder: str = ""
    inspect_photos: bool = True


def _python_changed(self: bpy.types.AddonPreferences, context: bpy.types.Context) -> None:
    from . import session

    session.get().client.close()  # the next action starts the other one
    session.check_backend()


class MienPreferences(bpy.types.AddonPreferences):
    bl_idname = ROOT_PACKAGE

    python_path: bpy.props.StringProperty(
        name="Existing Python",
        description="A Python that already has the backend's packages; it is used as it is. Empty: the installed one",
        subtype="FILE_PATH",
        update=_python_changed,
    )
    package_index: bpy.props.StringProperty(
        name="Package Index",
        description="Where Install Backend takes packages from. Empty: what pip is configured for",
    )
    device: bpy.props.EnumProperty(name="Device", items=DEVICES, default="AUTO")
    heads_folder: bpy.props.StringProperty(
        name="Heads",
        description="Where fitted heads are kept. Empty: a folder of the extension",
        subtype="DIR_PATH",
    )
    inspect_photos: bpy.props.BoolProperty(
        name="Check Photos When Added",
        description="Look for the face in a photo as soon as it is added",
        default=True,
    )

    def draw(self, context: bpy.types.Context) -> None:
        from . import session
        from .panels.backend_state import draw_backend_state, draw_installation

        layout = self.layout
        box = layout.box()
        draw_backend_state(box, details=True)
        current = session.peek()
        if current is not None and current.installer is not None:
            draw_installation(box, current.installer.view)
        row = box.row(align=True)
        row.operator("mien.install_backend", icon="IMPORT")
        row.operator("mien.check_backend", icon="FILE_REFRESH")
        row.operator("mien.show_log", icon="TEXT")
        column = layout.column()
        column.use_property_split = True
        column.prop(self, "python_path")
        column.prop(self, "package_index")
        column.prop(self, "device")
        column.prop(self, "heads_folder")
        column.prop(self, "inspect_photos")


def preferences() -> MienPreferences | Defaults:
    addon = bpy.context.preferences.addons.get(ROOT_PACKAGE)
    return Defaults() if addon is None or addon.preferences is None else addon.preferences


CLASSES = (MienPreferences,)
