"""The inside of the mouth (teeth, gums, tongue) and the lashes."""

from __future__ import annotations

import bpy

from .nodes import Nodes


def build_mouth(name: str, images: dict[str, bpy.types.Image]) -> bpy.types.Material:
    """Teeth, gums and tongue in one map: moist, with a little light passing through."""
    nodes = Nodes(name)
    shader = nodes.add(
        "BsdfPrincipled",
        (0, 0),
        settings={"subsurface_method": "RANDOM_WALK"},
        Base_Color=(0.45, 0.20, 0.17, 1.0),
        Roughness=0.35,
        IOR=1.45,
        Subsurface_Weight=0.6,
        Subsurface_Radius=(1.0, 0.6, 0.4),
        Subsurface_Scale=0.002,
        Coat_Weight=0.6,  # saliva
        Coat_Roughness=0.08,
        Coat_IOR=1.336,
    )
    for map_name, socket, at in (("diffuse", "Base Color", (-700, 300)), ("roughness", "Roughness", (-700, 0))):
        if map_name in images:
            nodes.link(nodes.image(images[map_name], at, map_name).outputs["Color"], shader.inputs[socket])
    if "normal" in images:
        node = nodes.image(images["normal"], (-700, -300), "normal")
        tangent = nodes.add("NormalMap", (-320, -300), label="Normal", Color=node.outputs["Color"])
        nodes.link(tangent.outputs["Normal"], shader.inputs["Normal"])
    nodes.output(shader.outputs["BSDF"], (320, 0))
    return nodes.material


def build_lashes(name: str, images: dict[str, bpy.types.Image]) -> bpy.types.Material:
    """Lash cards: dark hair, cut out by the map's alpha."""
    nodes = Nodes(name)
    shader = nodes.add(
        "BsdfPrincipled", (0, 0), Base_Color=(0.02, 0.013, 0.009, 1.0), Roughness=0.5, Specular_IOR_Level=0.3
    )
    if "diffuse" in images:
        node = nodes.image(images["diffuse"], (-500, 100), "diffuse")
        nodes.link(node.outputs["Color"], shader.inputs["Base Color"])
        nodes.link(node.outputs["Alpha"], shader.inputs["Alpha"])
    nodes.output(shader.outputs["BSDF"], (320, 0))
    nodes.material.surface_render_method = "DITHERED"
    nodes.material.use_transparent_shadow = True
    return nodes.material
