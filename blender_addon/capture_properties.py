"""What a scene keeps for expressions from footage: which, and how it comes onto the timeline."""

from __future__ import annotations

import bpy

NEUTRALS = (
    ("CLIP", "Calmest of Clip", "The calmest frames of the clip show the head's neutral face", 0),
    ("HEAD", "As Fitted", "Nothing is taken for neutral: the person may smile or frown all the time", 1),
    ("PHOTOS", "Face of Its Photos", "What the photos show that the head was fitted to is taken away", 2),
)


class MienCapture(bpy.types.PropertyGroup):
    """`Scene.mien_capture`."""

    photo: bpy.props.StringProperty(name="Photo", description="One photo of the person", subtype="FILE_PATH")
    footage: bpy.props.StringProperty(
        name="Footage", description="A video file, or a folder of frames", subtype="FILE_PATH"
    )
    first_frame: bpy.props.IntProperty(name="First Frame", description="Where the take begins", default=1)
    frame_rate: bpy.props.FloatProperty(
        name="Frame Rate",
        description="Frames a second of a folder of frames. A video knows its own",
        default=25.0,
        min=1.0,
        max=1000.0,
    )
    stride: bpy.props.IntProperty(
        name="Every", description="Look at every how many frames; those between are interpolated", default=1, min=1
    )
    smoothing: bpy.props.FloatProperty(
        name="Smoothing", description="0: every frame as it was seen. Blinks are kept", default=1.0, min=0.0, max=10.0
    )
    neutral: bpy.props.EnumProperty(name="Rest", items=NEUTRALS, default="CLIP")
    head_rotation: bpy.props.BoolProperty(
        name="Head Rotation", description="Turn the head bone as the head was turned", default=False
    )
    set_range: bpy.props.BoolProperty(
        name="Set Scene Range", description="Let the scene end where the take ends", default=True
    )


CLASSES = (MienCapture,)


def register() -> None:
    bpy.types.Scene.mien_capture = bpy.props.PointerProperty(type=MienCapture)


def unregister() -> None:
    del bpy.types.Scene.mien_capture
