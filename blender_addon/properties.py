"""What a scene keeps for fitting: the list of photos and how to fit them. Never the state of a job."""

from __future__ import annotations

import bpy

QUALITIES = (
    ("DRAFT", "Draft", "For a first look: about half the time", 0),
    ("STANDARD", "Standard", "For most uses", 1),
    ("HIGH", "High", "More of the skin is compared, in more steps", 2),
)
MAP_SIZES = (
    ("AUTO", "By Quality", "1024 for a draft, 2048 as standard, 4096 for high", 0),
    ("1024", "1024", "", 1),
    ("2048", "2048", "", 2),
    ("4096", "4096", "", 3),
)


class MienPhoto(bpy.types.PropertyGroup):
    """One photo of the list; `name` is the file's."""

    path: bpy.props.StringProperty(name="File", subtype="FILE_PATH")


class MienFit(bpy.types.PropertyGroup):
    """`Scene.mien_fit`."""

    photos: bpy.props.CollectionProperty(type=MienPhoto)
    active_photo: bpy.props.IntProperty(name="Active Photo")
    head_name: bpy.props.StringProperty(name="Name", description="Of the head. Empty: the first photo's file name")
    quality: bpy.props.EnumProperty(name="Quality", items=QUALITIES, default="STANDARD")
    map_size: bpy.props.EnumProperty(name="Maps", items=MAP_SIZES, default="AUTO")
    seed: bpy.props.IntProperty(
        name="Seed", description="Same photos, settings and seed: same head", default=0, min=0, max=2**31 - 1
    )
    keep_photos: bpy.props.BoolProperty(
        name="Keep Photos",
        description="Put the photos into the head package, so that it can be shown over them anywhere",
        default=True,
    )


CLASSES = (MienPhoto, MienFit)


def absolute(photo: MienPhoto) -> str:
    return bpy.path.abspath(photo.path)


def register() -> None:
    bpy.types.Scene.mien_fit = bpy.props.PointerProperty(type=MienFit)


def unregister() -> None:
    del bpy.types.Scene.mien_fit
