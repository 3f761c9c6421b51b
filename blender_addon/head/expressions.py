"""Shape keys: the 52 ARKit expressions of a head, by Apple's names."""

from __future__ import annotations

import re
from collections.abc import Iterator

import bpy
import numpy as np

from ...neural_backend.protocol.arkit import ARKIT_NAMES
from .frames import to_blender
from .package import Level

#: Region of the face -> its shapes, for the panel. The region is the first word of Apple's name: every name is in one.
REGIONS: dict[str, tuple[str, ...]] = {
    label: tuple(name for name in ARKIT_NAMES if re.match(r"[a-z]+", name).group() in words)
    for label, words in {
        "Eyes": ("eye",),
        "Brows": ("brow",),
        "Cheeks and Nose": ("cheek", "nose"),
        "Jaw and Tongue": ("jaw", "tongue"),
        "Mouth": ("mouth",),
    }.items()
}


def add_shape_keys(head: bpy.types.Object, level: Level) -> Iterator[None]:
    """Add Basis and the 52 shapes to a mesh object whose vertices are those of `level`, in slices."""
    basis = head.shape_key_add(name="Basis", from_mix=False)
    rest = to_blender(level.vertices)  # [V, 3]
    head.data.shape_keys.name = head.name
    basis.points.foreach_set("co", rest.astype(np.float32).ravel())
    for name, displacement in zip(ARKIT_NAMES, level.arkit, strict=True):
        key = head.shape_key_add(name=name, from_mix=False)
        key.slider_min, key.slider_max = 0.0, 1.0
        key.points.foreach_set("co", (rest + to_blender(displacement)).astype(np.float32).ravel())
        key.value = 0.0
        yield


def follow_sliders(lod: bpy.types.Object, head: bpy.types.Object) -> None:
    """Let the shapes of a coarser level take their values from the head's sliders (drivers without Python)."""
    source = head.data.shape_keys
    for name in ARKIT_NAMES:
        driver = lod.data.shape_keys.key_blocks[name].driver_add("value").driver
        driver.type = "SUM"
        variable = driver.variables.new()
        variable.type = "SINGLE_PROP"
        target = variable.targets[0]
        target.id_type, target.id = "KEY", source
        target.data_path = f'key_blocks["{name}"].value'


def set_expression(head: bpy.types.Object, weights: dict[str, float]) -> None:
    """Show exactly this expression: shapes that `weights` does not name go to zero."""
    blocks = head.data.shape_keys.key_blocks
    for name in ARKIT_NAMES:
        if name in blocks:
            blocks[name].value = min(max(float(weights.get(name, 0.0)), 0.0), 1.0)


def set_values(head: bpy.types.Object, weights: dict[str, float]) -> None:
    """Set these sliders; the others stay."""
    blocks = head.data.shape_keys.key_blocks
    for name, value in weights.items():
        if name in blocks:
            blocks[name].value = min(max(float(value), 0.0), 1.0)


def region_id(label: str) -> str:
    """How operators name a region: "Jaw and Tongue" is JAW_AND_TONGUE."""
    return label.upper().replace(" ", "_")


def names_in(region: str) -> tuple[str, ...]:
    """The shapes of a region by its identifier; all 52 for ALL.

    Raises:
        KeyError: there is no such region.
    """
    return ARKIT_NAMES if region == "ALL" else {region_id(label): names for label, names in REGIONS.items()}[region]


def expression_of(head: bpy.types.Object) -> dict[str, float]:
    """The weights that are not zero."""
    blocks = head.data.shape_keys.key_blocks
    return {name: blocks[name].value for name in ARKIT_NAMES if name in blocks and blocks[name].value != 0.0}
