"""Cycles materials of the stage. Runs in the stage's own process: bpy is imported inside functions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

#: The stage's Blender unit is 10 cm: Cycles' ray offsets and default radii suit objects of a few units.
UNITS_PER_METRE = 10.0


@dataclass(frozen=True)
class SkinLook:
    """How one subject's skin looks; colours are scene-linear."""

    texture: Path  # MakeHuman diffuse map
    reference: tuple[float, float, float]  # the map's own mean skin colour
    tone: tuple[float, float, float]  # the wanted mean skin colour
    contrast: float  # exponent on colour / reference
    roughness: float
    specular: float  # Principled's 'Specular IOR Level'; 0.5 is F0 of IOR 1.4
    bump: float
    freckles: float
    redness: float
    hair: tuple[float, float, float]  # colour of stubble and scalp
    lipstick: tuple[float, float, float]


def principled(name: str):
    """(material, node tree, Principled node) of a new material."""
    import bpy

    material = bpy.data.materials.new(name)
    material.use_nodes = True
    return material, material.node_tree, material.node_tree.nodes["Principled BSDF"]


def load_image(path: Path, colour: bool = True):
    """The image datablock of a file, loaded once; pixels of a datablock are never changed, because Cycles with
    persistent data would go on showing the old ones."""
    import bpy

    image = bpy.data.images.load(str(path), check_existing=True)
    if not colour:
        image.colorspace_settings.name = "Non-Color"
    return image


def _vector_math(tree, operation: str, first, second):
    node = tree.nodes.new("ShaderNodeVectorMath")
    node.operation = operation
    for socket, value in zip(node.inputs, (first, second), strict=False):
        if hasattr(value, "links"):
            tree.links.new(value, socket)
        else:
            socket.default_value = value
    return node.outputs[0]


def _math(tree, operation: str, first, second=0.0):
    node = tree.nodes.new("ShaderNodeMath")
    node.operation = operation
    for socket, value in zip(node.inputs, (first, second), strict=False):
        if hasattr(value, "links"):
            tree.links.new(value, socket)
        else:
            socket.default_value = value
    return node.outputs[0]


def _mix(tree, factor, first, second):
    node = tree.nodes.new("ShaderNodeMix")
    node.data_type = "RGBA"
    for index, value in ((0, factor), (6, first), (7, second)):
        if hasattr(value, "links"):
            tree.links.new(value, node.inputs[index])
        else:
            node.inputs[index].default_value = value if index == 0 else (*value, 1.0)
    return node.outputs[2]


def _attribute(tree, name: str, output: str = "Fac"):
    node = tree.nodes.new("ShaderNodeAttribute")
    node.attribute_name = name
    return node.outputs[output]


def _noise(tree, vector, scale: float, detail: float = 2.0):
    node = tree.nodes.new("ShaderNodeTexNoise")
    node.inputs["Scale"].default_value = scale
    node.inputs["Detail"].default_value = detail
    tree.links.new(vector, node.inputs["Vector"])
    return node.outputs[0]


def skin_material(look: SkinLook, subsurface: bool = True):
    """Photographic map moved to a tone, with freckles, stubble, lipstick, pores and subsurface scattering.

    Vertex attributes it reads: 'rest' (position of the neutral head in stage units), 'stubble', 'lips', 'inside'.
    """
    material, tree, shader = principled("skin")
    texture = tree.nodes.new("ShaderNodeTexImage")
    texture.image = load_image(look.texture)
    rest = _attribute(tree, "rest", "Vector")
    relative = _vector_math(tree, "DIVIDE", texture.outputs["Color"], look.reference)
    relative = _vector_math(tree, "MAXIMUM", relative, (0.02, 0.02, 0.02))
    relative = _vector_math(tree, "POWER", relative, (look.contrast,) * 3)
    colour = _vector_math(tree, "MULTIPLY", relative, look.tone)
    blush = _math(tree, "MULTIPLY", _noise(tree, rest, 1.6), look.redness)
    flushed = _vector_math(tree, "MULTIPLY", colour, (1.05, 0.78, 0.76))
    colour = _mix(tree, blush, colour, flushed)
    if look.freckles > 0:
        spots = _math(tree, "MULTIPLY", _math(tree, "GREATER_THAN", _noise(tree, rest, 26.0, 1.0), 0.63), look.freckles)
        colour = _mix(tree, spots, colour, _vector_math(tree, "MULTIPLY", colour, (0.72, 0.55, 0.45)))
    grain = _math(tree, "MULTIPLY_ADD", _noise(tree, rest, 90.0, 0.0), 1.3)
    stubble = _math(tree, "MULTIPLY", _attribute(tree, "stubble"), grain)
    colour = _mix(tree, stubble, colour, look.hair)
    colour = _mix(tree, _attribute(tree, "lips"), colour, look.lipstick)
    colour = _mix(tree, _attribute(tree, "inside"), colour, (0.22, 0.055, 0.05))
    tree.links.new(colour, shader.inputs["Base Color"])
    bump = tree.nodes.new("ShaderNodeBump")
    bump.inputs["Strength"].default_value = look.bump
    bump.inputs["Distance"].default_value = 0.006
    tree.links.new(_noise(tree, rest, 55.0, 3.0), bump.inputs["Height"])
    tree.links.new(bump.outputs[0], shader.inputs["Normal"])
    shader.inputs["IOR"].default_value = 1.4
    shader.inputs["Roughness"].default_value = look.roughness
    shader.inputs["Specular IOR Level"].default_value = look.specular
    if subsurface:
        shader.subsurface_method = "RANDOM_WALK"
        shader.inputs["Subsurface Weight"].default_value = 1.0
        shader.inputs["Subsurface Radius"].default_value = (1.0, 0.35, 0.18)
        shader.inputs["Subsurface Scale"].default_value = 0.0022 * UNITS_PER_METRE
    return material


def card_material(name: str, texture: Path, colour: tuple[float, float, float], opacity: float = 1.0, own: float = 0.0):
    """Hair, brow and lash cards: the texture's alpha cuts them out, its brightness modulates `colour`.

    Args:
        own: share of the texture's own brightness pattern in the colour, 0..1.
    """
    material, tree, shader = principled(name)
    image = tree.nodes.new("ShaderNodeTexImage")
    image.image = load_image(texture)
    grey = tree.nodes.new("ShaderNodeRGBToBW")
    tree.links.new(image.outputs["Color"], grey.inputs[0])
    shade = _math(tree, "MULTIPLY_ADD", _math(tree, "POWER", grey.outputs[0], 0.6), 2.6 * own)
    shade.node.inputs[2].default_value = 1.0 - 0.75 * own
    scaled = tree.nodes.new("ShaderNodeVectorMath")
    scaled.operation = "SCALE"
    scaled.inputs[0].default_value = colour
    tree.links.new(shade, scaled.inputs["Scale"])
    tree.links.new(scaled.outputs[0], shader.inputs["Base Color"])
    tree.links.new(_math(tree, "MULTIPLY", image.outputs["Alpha"], opacity), shader.inputs["Alpha"])
    shader.inputs["Roughness"].default_value = 0.6
    shader.inputs["Specular IOR Level"].default_value = 0.18
    return material


def eye_material(iris: tuple[float, float, float], pupil: float, texture: Path | None):
    """Sclera, iris and pupil by the angle from the gaze, stored as vertex attribute 'disc' (0 pupil centre, 1 limbus).

    Args:
        iris: colour the iris texture's pattern is moved to.
        pupil: pupil radius over iris radius.
        texture: MakeHuman eye picture, mapped by the UV; None paints a plain iris.
    """
    material, tree, shader = principled("eye")
    disc = _attribute(tree, "disc")
    if texture is not None:
        image = tree.nodes.new("ShaderNodeTexImage")
        image.image = load_image(texture)
        grey = tree.nodes.new("ShaderNodeRGBToBW")
        tree.links.new(image.outputs["Color"], grey.inputs[0])
        pattern = _math(tree, "MULTIPLY_ADD", grey.outputs[0], 1.7)
        pattern.node.inputs[2].default_value = 0.25
        sclera = _vector_math(tree, "MULTIPLY", image.outputs["Color"], (0.66, 0.63, 0.61))
    else:
        pattern = _math(tree, "ADD", 1.0, 0.0)
        sclera = _vector_math(tree, "MULTIPLY", (0.62, 0.55, 0.51), (1.0, 1.0, 1.0))
    tinted = tree.nodes.new("ShaderNodeVectorMath")
    tinted.operation = "SCALE"
    tinted.inputs[0].default_value = iris
    tree.links.new(pattern, tinted.inputs["Scale"])

    def step(edge: float, width: float):
        node = tree.nodes.new("ShaderNodeMapRange")
        node.interpolation_type = "SMOOTHSTEP"
        tree.links.new(disc, node.inputs["Value"])
        node.inputs["From Min"].default_value = edge - width
        node.inputs["From Max"].default_value = edge + width
        return node.outputs[0]

    rim = _vector_math(tree, "MULTIPLY", tinted.outputs[0], (0.45, 0.45, 0.45))
    colour = _mix(tree, step(0.86, 0.12), tinted.outputs[0], rim)
    colour = _mix(tree, step(pupil, 0.05), (0.002, 0.002, 0.002), colour)
    colour = _mix(tree, step(1.0, 0.07), colour, sclera)
    tree.links.new(colour, shader.inputs["Base Color"])
    shader.inputs["Roughness"].default_value = 0.5
    shader.inputs["Specular IOR Level"].default_value = 0.0  # the cornea alone reflects
    shader.inputs["Coat Weight"].default_value = 0.6
    shader.inputs["Coat Roughness"].default_value = 0.03
    shader.inputs["Coat IOR"].default_value = 1.33
    return material


def plain_material(name: str, colour: tuple[float, float, float], roughness: float, metallic: float = 0.0):
    material, _, shader = principled(name)
    shader.inputs["Base Color"].default_value = (*colour, 1.0)
    shader.inputs["Roughness"].default_value = roughness
    shader.inputs["Metallic"].default_value = metallic
    return material


def textured_material(name: str, texture: Path, gain: tuple[float, float, float], roughness: float):
    """A diffuse map times a colour: teeth and tongue."""
    material, tree, shader = principled(name)
    image = tree.nodes.new("ShaderNodeTexImage")
    image.image = load_image(texture)
    tree.links.new(_vector_math(tree, "MULTIPLY", image.outputs["Color"], gain), shader.inputs["Base Color"])
    shader.inputs["Roughness"].default_value = roughness
    return material


def cloth_material(colour: tuple[float, float, float], pattern: float):
    """Matt cloth, cut where the vertex attribute 'collar' (metres outside the neck line) turns negative."""
    material, tree, shader = principled("cloth")
    tree.links.new(_math(tree, "GREATER_THAN", _attribute(tree, "collar"), 0.0), shader.inputs["Alpha"])
    rest = _attribute(tree, "rest", "Vector")
    folds = _math(tree, "MULTIPLY_ADD", _noise(tree, rest, 3.0), pattern)
    folds.node.inputs[2].default_value = 1.0 - 0.5 * pattern
    scaled = tree.nodes.new("ShaderNodeVectorMath")
    scaled.operation = "SCALE"
    scaled.inputs[0].default_value = colour
    tree.links.new(folds, scaled.inputs["Scale"])
    tree.links.new(scaled.outputs[0], shader.inputs["Base Color"])
    shader.inputs["Roughness"].default_value = 0.9
    shader.inputs["Specular IOR Level"].default_value = 0.15
    return material
