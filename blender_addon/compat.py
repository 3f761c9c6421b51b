"""What differs between Blender 4.2 and the newest: everything version-dependent is decided here and nowhere else."""

from __future__ import annotations

import logging

import bpy

log = logging.getLogger(__name__)


def is_at_least(major: int, minor: int = 0) -> bool:
    return bpy.app.version >= (major, minor, 0)


def enable_nodes(data: bpy.types.ID) -> None:
    """Give a material or world its node tree. From 5.0 on it always has one and `use_nodes` only warns."""
    if not is_at_least(5, 0):
        data.use_nodes = True


def set_file_format(settings: bpy.types.ImageFormatSettings, file_format: str) -> None:
    """Choose a still-image format; 5.0 put a media type in front of it."""
    if hasattr(settings, "media_type"):
        settings.media_type = "IMAGE"
    settings.file_format = file_format


def call_known(operator, **arguments: object) -> set[str]:
    """Call an operator with the arguments that this version has; the others are named in the log.

    The FBX and glTF exporters gain and rename options between releases. Only pass this function options whose absence
    means that the older version behaves that way anyway.
    """
    known = operator.get_rna_type().properties.keys()
    missing = sorted(set(arguments) - set(known))
    if missing:
        log.info("%s of Blender %s has no option %s", operator.idname(), bpy.app.version_string, ", ".join(missing))
    return operator(**{name: value for name, value in arguments.items() if name in known})


def assigned_fcurves(animated: bpy.types.ID, action: bpy.types.Action):
    """Assign `action` to `animated` and return the collection of its F-curves that animate it.

    Since 4.4 an action has a slot for each thing that it animates; before, one action served one kind of thing.
    """
    data = animated.animation_data or animated.animation_data_create()
    data.action = action
    if not is_at_least(4, 4):
        return action.fcurves
    if data.action_slot is None:
        data.action_slot = action.slots.new(id_type=animated.id_type, name=animated.name)
    layer = action.layers[0] if action.layers else action.layers.new("Layer")
    strip = layer.strips[0] if layer.strips else layer.strips.new(type="KEYFRAME")
    return strip.channelbag(data.action_slot, ensure=True).fcurves


def fcurves_of(animated: bpy.types.ID) -> list[bpy.types.FCurve]:
    """The F-curves of the action that animates a thing now."""
    data = animated.animation_data
    if data is None or data.action is None:
        return []
    if not is_at_least(4, 4):
        return list(data.action.fcurves)
    for layer in data.action.layers:
        for strip in layer.strips:
            bag = strip.channelbag(data.action_slot) if data.action_slot is not None else None
            if bag is not None:
                return list(bag.fcurves)
    return []


def action_serves_both() -> bool:
    """Whether one action can animate shape keys and an armature together."""
    return is_at_least(4, 4)


def save_copy(image: bpy.types.Image, filepath: str) -> None:
    """Write a changed image to a file; it stays as it is. Before 4.3 it is packed too, since `save` calls it saved.

    Raises:
        RuntimeError: the file cannot be written.
    """
    if is_at_least(4, 3):
        image.save(filepath=filepath, save_copy=True)
    else:
        image.save(filepath=filepath)
        image.pack()
