"""Skin: Principled with subsurface scattering, driven by the reflectance maps."""

from __future__ import annotations

import bpy

from .nodes import Nodes

#: The specular map holds F0 / 0.08, which is what Principled calls the specular level at this index of refraction.
MAP_IOR = 1.5
#: How far light of each colour scatters, relative and in metres (Jensen et al. 2001, table 1, skin1: mean free paths
#: 3.7, 1.4 and 0.7 mm; a little less of it keeps pores and the nostrils' edge at render distance).
SCATTER_RADIUS = (1.0, 0.37, 0.19)
SCATTER_SCALE_METRES = 0.0033


def build_skin(name: str, images: dict[str, bpy.types.Image]) -> bpy.types.Material:
    """Material of the skin. A missing map is replaced by the constant that stands for average skin."""
    nodes = Nodes(name)
    shader = nodes.add(
        "BsdfPrincipled",
        (0, 0),
        # The skin variant gives the base colour back within 4 %; the plain random walk darkens it by 9 to 14 %.
        settings={"subsurface_method": "RANDOM_WALK_SKIN"},
        Base_Color=(0.50, 0.33, 0.26, 1.0),
        Roughness=0.45,
        IOR=MAP_IOR,
        Specular_IOR_Level=0.35,  # F0 0.028
        Subsurface_Weight=1.0,
        Subsurface_Radius=SCATTER_RADIUS,
        Subsurface_Scale=SCATTER_SCALE_METRES,
        # The second, sharper lobe of skin is the film of sebum: thin and only partly there.
        Coat_Weight=0.06,
        Coat_Roughness=0.22,
        Coat_IOR=1.45,
    )
    if "diffuse" in images:
        nodes.link(nodes.image(images["diffuse"], (-700, 300), "diffuse").outputs["Color"], shader.inputs["Base Color"])
    if "roughness" in images:
        node = nodes.image(images["roughness"], (-700, 0), "roughness")
        nodes.link(node.outputs["Color"], shader.inputs["Roughness"])
    if "specular" in images:
        node = nodes.image(images["specular"], (-700, -300), "specular")
        nodes.link(node.outputs["Color"], shader.inputs["Specular IOR Level"])
    if "normal" in images:
        node = nodes.image(images["normal"], (-700, -600), "normal")
        tangent = nodes.add("NormalMap", (-320, -600), label="Normal", Color=node.outputs["Color"])
        nodes.link(tangent.outputs["Normal"], shader.inputs["Normal"])
    if "confidence" in images:
        nodes.image(images["confidence"], (-700, -900), "confidence")  # not shaded: for masks and retouching
    nodes.output(shader.outputs["BSDF"], (320, 0))
    return nodes.material
