"""Maps of a package -> Blender images, with the right colour space and packed or kept as files."""

from __future__ import annotations

from pathlib import Path

import bpy

from .package import PackageError

#: Maps that hold colours; every other map holds plain numbers.
_COLOUR_MAPS = ("diffuse",)
MAP_PROPERTY = "mien_map"


def load_map(file: Path, texture_set: str, map_name: str, head_name: str, pack: bool) -> bpy.types.Image:
    """Load one map. It is called `<head> <set> <map>`, since all heads' maps have the same file names.

    Args:
        pack: put the file into the .blend; otherwise the image goes on reading it from the package.

    Raises:
        PackageError: the file is missing. What is in it, `package.check_maps` has looked at: to ask Blender for the
            size of a picture would decode it, a tenth of a second each for nothing.
    """
    if not file.is_file():
        raise PackageError(f"The map {file.name} of {head_name} is missing: copy the whole package folder.")
    try:
        image = bpy.data.images.load(str(file), check_existing=False)
    except RuntimeError as error:
        raise PackageError(f"The map {file.name} of {head_name} cannot be read: fit the photo again.") from error
    image.name = f"{head_name} {texture_set} {map_name}"
    image.colorspace_settings.name = "sRGB" if map_name in _COLOUR_MAPS else "Non-Color"
    image.alpha_mode = "STRAIGHT"
    image[MAP_PROPERTY] = map_name
    if pack:
        image.pack()
    return image
