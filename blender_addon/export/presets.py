"""What each engine wants of a file: axes and units, names, levels of detail, maps and what their channels hold."""

from __future__ import annotations

import re
from dataclasses import dataclass

#: Names of a channel's content, as `MapNaming.channels` uses them. Skin, eyes and teeth are no metal; a detail mask of
#: 1 lets a detail map that is added later act everywhere.
OCCLUSION, ROUGHNESS, SMOOTHNESS, METALLIC, DETAIL = "occlusion", "roughness", "smoothness", "metallic", "detail"


@dataclass(frozen=True)
class MapNaming:
    """Names and packing of one engine's maps; `{head}` and `{set}` are filled in."""

    pattern: str
    base: str  # suffix of the base colour (lashes: with alpha)
    normal: str
    packed: str
    channels: tuple[str, ...]  # of the packed map, red first
    green_down: bool  # DirectX's normal maps
    specular: str = ""  # suffix of the specular map; empty: the engine has no slot for one
    specular_scale: float = 1.0  # times F0 / 0.08, which the package's map holds

    def name(self, head: str, texture_set: str, suffix: str) -> str:
        words = "".join(word.capitalize() for word in texture_set.split("_"))
        return f"{self.pattern.format(head=head, set=words)}_{suffix}"


@dataclass(frozen=True)
class EnginePreset:
    """One way to write a head for an engine."""

    key: str
    label: str
    description: str
    extension: str  # ".fbx" or ".glb"
    levels: str  # how the file says that meshes are levels of one: "lod_group", "names" or "MSFT_lod"
    material: str  # pattern of material names
    rig: str  # pattern of the armature's name
    maps: MapNaming


UNREAL = EnginePreset(
    key="UNREAL",
    label="Unreal FBX",
    description="Centimetres, an LOD group, maps T_..._D, _N (green down), _ORM and _S in a folder beside the file",
    extension=".fbx",
    levels="lod_group",
    material="M_{head}_{set}",
    rig="root",  # any name but "Armature" becomes the skeleton's first bone, and "root" is what Unreal's own call it
    maps=MapNaming("T_{head}_{set}", "D", "N", "ORM", (OCCLUSION, ROUGHNESS, METALLIC), green_down=True, specular="S"),
)
UNITY = EnginePreset(
    key="UNITY",
    label="Unity FBX",
    description="True size, meshes ..._LOD0 to _LOD2, base, normal and HDRP mask maps in a folder beside the file",
    extension=".fbx",
    levels="names",
    material="{head}_{set}",
    rig="{head}_Rig",
    maps=MapNaming(
        "{head}_{set}", "BaseMap", "Normal", "MaskMap", (METALLIC, OCCLUSION, DETAIL, SMOOTHNESS), green_down=False
    ),
)
GLB = EnginePreset(
    key="GLB",
    label="GLB",
    description="glTF 2.0 in one file, for Godot, three.js, Babylon.js and others; levels of detail by MSFT_lod",
    extension=".glb",
    levels="MSFT_lod",
    material="{head}_{set}",
    rig="{head}_Rig",
    maps=MapNaming(
        "{head}_{set}", "baseColor", "normal", "occlusionRoughnessMetallic", (OCCLUSION, ROUGHNESS, METALLIC),
        green_down=False, specular="specularFactor", specular_scale=2.0,  # glTF's factor is F0 / 0.04
    ),
)  # fmt: skip
PRESETS: dict[str, EnginePreset] = {preset.key: preset for preset in (UNREAL, UNITY, GLB)}


@dataclass(frozen=True)
class ExportOptions:
    levels: bool = True  # all three levels of detail; otherwise the full head alone
    map_size: int = 0  # pixels a side at most; 0 keeps the package's


def engine_name(name: str) -> str:
    """A name that engines take for an asset: letters, digits and underscores; "Head" if nothing is left."""
    return re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_") or "Head"
