"""Materials for Cycles and EEVEE, one per texture set of the package."""

from __future__ import annotations

from collections.abc import Iterator

import bpy
import numpy as np

from ..images import load_map
from ..objects import UNFINISHED_PROPERTY
from ..package import Package, PackageError
from .eye import build_cornea, build_eyeball, build_tear_line
from .mouth import build_lashes, build_mouth
from .nodes import principled
from .skin import build_skin

__all__ = ["SET_PROPERTY", "build_materials", "map_image", "principled"]

SET_PROPERTY = "mien_texture_set"


def build_materials(package: Package, head_name: str, pack: bool) -> Iterator[bpy.types.Material | None]:
    """One material per entry of `package.set_names`, in that order, in slices: None where one is not yet ready.

    Raises:
        PackageError: a map is missing or damaged, or the package names a texture set that this version does not know.
    """
    for texture_set in package.set_names:
        images = {}
        for map_name, file in package.maps.get(texture_set, {}).items():
            images[map_name] = load_map(file, texture_set, map_name, head_name, pack)
            images[map_name].use_fake_user = True  # no purge takes it before its material is there
            images[map_name][UNFINISHED_PROPERTY] = True
            yield None
        name = f"{head_name} {texture_set.replace('_', ' ').title()}"
        if texture_set == "skin":
            material = build_skin(name, images)
        elif texture_set == "eye":
            material = build_eyeball(name, images, _cornea_radius(package))
        elif texture_set == "cornea":
            material = build_cornea(name)
        elif texture_set == "mouth":
            material = build_mouth(name, images)
        elif texture_set == "lashes":
            material = build_lashes(name, images)
        elif texture_set == "tear_line":
            material = build_tear_line(name)
        else:
            raise PackageError(
                f"{package.path.name} has the unknown texture set {texture_set}: update Mien to open it."
            )
        for image in images.values():
            image.use_fake_user = False
            del image[UNFINISHED_PROPERTY]
        material[SET_PROPERTY] = texture_set
        yield material


def _cornea_radius(package: Package) -> float:
    """How far the cornea reaches from the middle of its UV, which is laid over the eye's."""
    level = package.levels[-1]
    corneas = [index for index, texture_set in enumerate(package.texture_sets) if texture_set == "cornea"]
    uv = level.uv[level.face_uv[np.isin(level.part, corneas)]]
    return float(np.linalg.norm(uv - 0.5, axis=-1).max()) if len(uv) else 0.0


def map_image(material: bpy.types.Material, map_name: str) -> bpy.types.Image | None:
    """The image that a material of ours uses as this map, whatever the artist has put there since."""
    node = material.node_tree.nodes.get(map_name)
    return node.image if node is not None and node.type == "TEX_IMAGE" else None
