"""The head's maps, named and packed for one engine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np

from ..head.export_materials import stored_pixels
from ..head.materials import SET_PROPERTY, map_image
from ..preview.pictures import resize
from .png import write_png
from .presets import DETAIL, METALLIC, OCCLUSION, ROUGHNESS, SMOOTHNESS, EnginePreset

BASE, NORMAL, PACKED, SPECULAR = "base", "normal", "packed", "specular"


@dataclass(frozen=True)
class EngineMap:
    """One map file of an engine."""

    texture_set: str
    role: str  # BASE, NORMAL, PACKED or SPECULAR
    path: Path


def write_maps(
    folder: Path,
    preset: EnginePreset,
    head_name: str,
    materials: list[bpy.types.Material],
    occlusion: dict[str, np.ndarray],  # texture set -> [n, n] 0..1, row 0 at the bottom
    map_size: int,
) -> list[EngineMap]:
    """Write every map that the materials have into `folder`, which exists.

    Maps keep their own size up to `map_size` (0: any); none is enlarged. A packed map is as large as its roughness.

    Raises:
        OSError: a file cannot be written.
    """
    naming, written = preset.maps, []

    def write(texture_set: str, role: str, suffix: str, values: np.ndarray) -> None:
        path = folder / f"{naming.name(head_name, texture_set, suffix)}.png"
        write_png(path, np.round(np.clip(values, 0.0, 1.0) * 255.0).astype(np.uint8)[::-1])
        written.append(EngineMap(texture_set, role, path))

    for material in materials:
        texture_set = material.get(SET_PROPERTY, "")
        base = _limited(material, "diffuse", map_size)
        if base is not None:
            write(texture_set, BASE, naming.base, base if texture_set == "lashes" else base[..., :3])
        normal = _limited(material, "normal", map_size)
        if normal is not None:
            write(texture_set, NORMAL, naming.normal, _normals(normal[..., :3], naming.green_down))
        roughness = _limited(material, "roughness", map_size)
        if roughness is not None:
            write(texture_set, PACKED, naming.packed, _packed(naming.channels, roughness, occlusion.get(texture_set)))
        specular = _limited(material, "specular", map_size)
        if specular is not None and naming.specular:
            grey = np.clip(specular[..., :1] * naming.specular_scale, 0.0, 1.0)
            write(texture_set, SPECULAR, naming.specular, grey)
    return written


def _limited(material: bpy.types.Material, map_name: str, map_size: int) -> np.ndarray | None:
    """[H, W, 4] stored values of one map, no larger than `map_size`; None when the material has none."""
    image = map_image(material, map_name)
    if image is None or image.size[0] == 0:
        return None
    pixels = stored_pixels(image)
    height, width = pixels.shape[:2]
    shrink = min(1.0, map_size / max(height, width)) if map_size else 1.0
    return pixels if shrink == 1.0 else resize(pixels, max(1, round(height * shrink)), max(1, round(width * shrink)))


def _normals(values: np.ndarray, green_down: bool) -> np.ndarray:
    """Unit normals again after resizing, green turned round for DirectX."""
    vectors = values * 2.0 - 1.0
    vectors /= np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-6)
    if green_down:
        vectors[..., 1] *= -1.0
    return vectors * 0.5 + 0.5


def _packed(channels: tuple[str, ...], roughness: np.ndarray, occlusion: np.ndarray | None) -> np.ndarray:
    height, width = roughness.shape[:2]
    blank = np.ones((height, width), np.float32)
    content = {
        ROUGHNESS: roughness[..., 0],
        SMOOTHNESS: 1.0 - roughness[..., 0],
        METALLIC: blank * 0.0,
        DETAIL: blank,
        OCCLUSION: blank if occlusion is None else resize(occlusion[..., None], height, width)[..., 0],
    }
    return np.stack([content[name] for name in channels], -1)
