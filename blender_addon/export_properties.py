"""How the scene's heads are exported for engines: `Scene.mien_export`, and the same settings for the operator."""

from __future__ import annotations

import bpy

from .export.presets import PRESETS

_PRESETS = tuple(
    (preset.key, preset.label, preset.description, number) for number, preset in enumerate(PRESETS.values())
)
_MAP_SIZES = (
    ("0", "As They Are", "The size that the head was fitted with", 0),
    ("4096", "4096 at Most", "", 1),
    ("2048", "2048 at Most", "", 2),
    ("1024", "1024 at Most", "", 3),
    ("512", "512 at Most", "", 4),
)


def preset_property() -> object:
    return bpy.props.EnumProperty(name="Engine", items=_PRESETS, default="UNREAL")


def levels_property() -> object:
    return bpy.props.BoolProperty(
        name="Levels of Detail", description="Three meshes in the one file, finest first", default=True
    )


def map_size_property() -> object:
    return bpy.props.EnumProperty(
        name="Maps", description="Pixels a side; no map is enlarged", items=_MAP_SIZES, default="0"
    )


class MienExport(bpy.types.PropertyGroup):
    """`Scene.mien_export`."""

    preset: preset_property()
    levels: levels_property()
    map_size: map_size_property()


CLASSES = (MienExport,)


def register() -> None:
    bpy.types.Scene.mien_export = bpy.props.PointerProperty(type=MienExport)


def unregister() -> None:
    del bpy.types.Scene.mien_export
