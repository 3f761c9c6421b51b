"""Materials for files: what FBX and glTF can say of the head's materials, as plainly linked Principled nodes.

Both exporters follow only image -> socket links. Shading that has no word there (subsurface, refraction, coat) stays in
Blender; game engines bring their own skin and eye shaders, and find the maps by name.
"""

from __future__ import annotations

import bpy
import numpy as np

from .materials import SET_PROPERTY, map_image, principled
from .materials.nodes import Nodes

#: Clear parts keep a faint highlight: neither format refracts without an extension. Black, since any white would veil
#: the dark iris behind.
CLEAR_COLOUR = (0.0, 0.0, 0.0, 1.0)
CLEAR_ALPHA = 0.08


def fbx_material(source: bpy.types.Material) -> bpy.types.Material:
    """The material for FBX: base colour, roughness, specular, normal and alpha maps."""
    nodes, shader = plain_shader(source)
    texture_set = source.get(SET_PROPERTY, "")
    if texture_set in ("cornea", "tear_line"):
        return clear_material(nodes, shader)
    _base_colour(nodes, shader, source, texture_set)
    for map_name, socket, at in (
        ("roughness", "Roughness", (-700, 0)),
        ("specular", "Specular IOR Level", (-700, -300)),
    ):
        image = map_image(source, map_name)
        if image is not None:
            nodes.link(nodes.image(image, at, map_name).outputs["Color"], shader.inputs[socket])
    normal = map_image(source, "normal")
    if normal is not None:
        link_normal(nodes, shader, normal)
    return nodes.material


def gltf_material(source: bpy.types.Material) -> bpy.types.Material:
    """The material for glTF: roughness and metalness in one texture, specular as KHR_materials_specular."""
    nodes, shader = plain_shader(source)
    texture_set = source.get(SET_PROPERTY, "")
    if texture_set in ("cornea", "tear_line"):
        return clear_material(nodes, shader)
    _base_colour(nodes, shader, source, texture_set)
    roughness = map_image(source, "roughness")
    if roughness is not None:
        grey = stored_pixels(roughness)[..., 0]
        packed = np.stack([np.ones_like(grey), grey, np.zeros_like(grey)], axis=-1)  # occlusion, roughness, metalness
        image = _new_image(f"{texture_set} occlusion roughness metallic", packed)
        node = nodes.image(image, (-700, 0), "occlusion roughness metallic")
        channels = nodes.add("SeparateColor", (-320, 0), Color=node.outputs["Color"])
        nodes.link(channels.outputs["Green"], shader.inputs["Roughness"])
        nodes.link(channels.outputs["Blue"], shader.inputs["Metallic"])
    specular = map_image(source, "specular")
    if specular is not None:
        # glTF's factor is F0 / 0.04 and ends at 1; the map holds F0 / 0.08.
        factor = np.clip(2.0 * stored_pixels(specular)[..., :1], 0.0, 1.0)
        image = _new_image(f"{texture_set} specular factor", np.repeat(factor, 3, axis=-1))
        node = nodes.image(image, (-700, -300), "specular factor")
        nodes.link(node.outputs["Color"], shader.inputs["Specular IOR Level"])
    normal = map_image(source, "normal")
    if normal is not None:
        # Readers of glTF decode to 8 bit anyway, and the 16-bit file is three times as large.
        link_normal(nodes, shader, _new_image(f"{texture_set} normal", stored_pixels(normal)[..., :3]))
    return nodes.material


def plain_shader(source: bpy.types.Material) -> tuple[Nodes, bpy.types.Node]:
    """A new material with one Principled node that has the source's values."""
    nodes = Nodes(f"{source.name} (export)")
    shader = nodes.add("BsdfPrincipled", (0, 0), IOR=1.5)
    original = principled(source)
    if original is not None:
        for socket in ("Base Color", "Roughness", "Specular IOR Level"):
            shader.inputs[socket].default_value = original.inputs[socket].default_value
    nodes.output(shader.outputs["BSDF"], (320, 0))
    return nodes, shader


def clear_material(nodes: Nodes, shader: bpy.types.Node) -> bpy.types.Material:
    """Make it the material of clear parts."""
    shader.inputs["Base Color"].default_value = CLEAR_COLOUR
    shader.inputs["Roughness"].default_value = 0.02
    shader.inputs["Alpha"].default_value = CLEAR_ALPHA
    nodes.material.surface_render_method = "BLENDED"
    return nodes.material


def _base_colour(nodes: Nodes, shader: bpy.types.Node, source: bpy.types.Material, texture_set: str) -> None:
    image = map_image(source, "diffuse")
    if image is None:
        return
    node = nodes.image(image, (-700, 300), "diffuse")
    nodes.link(node.outputs["Color"], shader.inputs["Base Color"])
    if texture_set == "lashes":
        nodes.link(node.outputs["Alpha"], shader.inputs["Alpha"])


def link_normal(nodes: Nodes, shader: bpy.types.Node, image: bpy.types.Image) -> None:
    """Let a tangent-space map (OpenGL) give the shader its normals."""
    node = nodes.image(image, (-700, -600), "normal")
    tangent = nodes.add("NormalMap", (-320, -600), Color=node.outputs["Color"])
    nodes.link(tangent.outputs["Normal"], shader.inputs["Normal"])


def stored_pixels(image: bpy.types.Image) -> np.ndarray:
    """[H, W, 4] stored values (not colour managed), row 0 at the bottom."""
    width, height = image.size
    pixels = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(pixels)
    pixels = pixels.reshape(height, width, 4)
    if image.is_float and not image.colorspace_settings.is_data:  # Blender keeps such colours linear
        linear = np.clip(pixels[..., :3], 0.0, None)
        curved = 1.055 * np.maximum(linear, 1e-8) ** (1 / 2.4) - 0.055
        pixels[..., :3] = np.where(linear <= 0.0031308, 12.92 * linear, curved)
    return pixels


def _new_image(name: str, values: np.ndarray) -> bpy.types.Image:  # [H, W, 3] 0..1, row 0 at the bottom
    height, width = values.shape[:2]
    image = bpy.data.images.new(name, width, height, alpha=False)
    image.colorspace_settings.name = "Non-Color"
    opaque = np.ones((height, width, 4), np.float32)
    opaque[..., :3] = values
    image.pixels.foreach_set(opaque.ravel())
    image.pack()
    return image
