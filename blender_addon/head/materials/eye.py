"""Eyes: the ball with sclera and iris, the clear cornea over it, and the tear line along the lid."""

from __future__ import annotations

import bpy

from .nodes import Nodes

CORNEA_IOR = 1.376
TEAR_IOR = 1.336


def build_eyeball(name: str, images: dict[str, bpy.types.Image], cornea_radius: float) -> bpy.types.Material:
    """Sclera and iris. What no cornea covers carries the wet film itself, as a coat.

    Args:
        cornea_radius: of the cornea's rim in the eye's UV, whose middle is the pupil; 0 when the head has no cornea.
    """
    nodes = Nodes(name)
    shader = nodes.add(
        "BsdfPrincipled",
        (0, 0),
        settings={"subsurface_method": "RANDOM_WALK"},
        Base_Color=(0.65, 0.60, 0.56, 1.0),
        Roughness=0.35,
        IOR=TEAR_IOR,
        Subsurface_Weight=0.25,
        Subsurface_Radius=(1.0, 0.5, 0.35),
        Subsurface_Scale=0.0015,
        Coat_Weight=1.0,
        Coat_Roughness=0.03,
        Coat_IOR=CORNEA_IOR,
    )
    if "diffuse" in images:
        node = nodes.image(images["diffuse"], (-700, 300), "diffuse")
        nodes.link(node.outputs["Color"], shader.inputs["Base Color"])
    if "roughness" in images:
        node = nodes.image(images["roughness"], (-700, 0), "roughness")
        nodes.link(node.outputs["Color"], shader.inputs["Roughness"])
    if "normal" in images:
        node = nodes.image(images["normal"], (-700, -300), "normal")
        tangent = nodes.add("NormalMap", (-320, -300), label="Normal", Color=node.outputs["Color"])
        nodes.link(tangent.outputs["Normal"], shader.inputs["Normal"])
    if cornea_radius > 0.0:  # else the iris would have two highlights, its own and the cornea's
        place = nodes.add("UVMap", (-1100, -600))
        radius = nodes.add("VectorMath", (-900, -600), label="From pupil", settings={"operation": "DISTANCE"})
        nodes.link(place.outputs["UV"], radius.inputs[0])
        radius.inputs[1].default_value = (0.5, 0.5, 0.0)
        film = nodes.add(
            "MapRange",
            (-700, -600),
            label="Film outside the cornea",
            settings={"interpolation_type": "SMOOTHSTEP"},
            Value=radius.outputs["Value"],
            From_Min=0.94 * cornea_radius,
            From_Max=1.02 * cornea_radius,
        )
        nodes.link(film.outputs["Result"], shader.inputs["Coat Weight"])
        # The water before the iris has nearly the iris's own index of refraction: nothing shines in there.
        shine = nodes.add("Math", (-320, -600), settings={"operation": "MULTIPLY"})
        nodes.link(film.outputs["Result"], shine.inputs[0])
        shine.inputs[1].default_value = 0.5
        nodes.link(shine.outputs[0], shader.inputs["Specular IOR Level"])
    nodes.output(shader.outputs["BSDF"], (320, 0))
    return nodes.material


def build_cornea(name: str) -> bpy.types.Material:
    """Clear cornea. Cycles refracts the iris through it; light reaches the iris because it casts no shadow.

    EEVEE refracts only what lies outside the material's own object or comes from probes, so there the cornea is a
    clear film with its reflection alone.
    """
    nodes = Nodes(name)
    glass = nodes.add("BsdfGlass", (-300, 200), Roughness=0.0, IOR=CORNEA_IOR)
    clear = nodes.add("BsdfTransparent", (-300, 0))
    path = nodes.add("LightPath", (-560, 420))
    cycles = nodes.add("MixShader", (0, 200), Fac=path.outputs["Is Shadow Ray"])
    nodes.link(glass.outputs[0], cycles.inputs[1])
    nodes.link(clear.outputs[0], cycles.inputs[2])
    nodes.output(cycles.outputs[0], (260, 200), target="CYCLES")
    nodes.output(_film(nodes, clear, CORNEA_IOR), (260, -200), target="EEVEE")
    _see_through(nodes.material)
    return nodes.material


def build_tear_line(name: str) -> bpy.types.Material:
    """The wet line where lid and eye meet: nothing but a highlight, in both engines."""
    nodes = Nodes(name)
    clear = nodes.add("BsdfTransparent", (-300, 0))
    nodes.output(_film(nodes, clear, TEAR_IOR), (260, -200))
    _see_through(nodes.material)
    return nodes.material


def _film(nodes: Nodes, clear: bpy.types.Node, ior: float) -> bpy.types.NodeSocket:
    """A clear film: what is behind, plus the mirror reflection that Fresnel's law gives."""
    gloss = nodes.add("BsdfGlossy", (-300, -260), Roughness=0.02, Color=(1.0, 1.0, 1.0, 1.0))
    fresnel = nodes.add("Fresnel", (-300, -120), IOR=ior)
    film = nodes.add("MixShader", (0, -200), Fac=fresnel.outputs[0])
    nodes.link(clear.outputs[0], film.inputs[1])
    nodes.link(gloss.outputs[0], film.inputs[2])
    return film.outputs[0]


def _see_through(material: bpy.types.Material) -> None:
    material.surface_render_method = "BLENDED"
    material.use_transparent_shadow = True
    material.diffuse_color = (1.0, 1.0, 1.0, 0.1)  # solid view
