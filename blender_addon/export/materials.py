"""Materials that carry an engine's own maps through Blender's exporters."""

from __future__ import annotations

import bpy

from ..head.export_materials import clear_material, link_normal, plain_shader
from ..head.materials import SET_PROPERTY
from ..head.materials.nodes import Nodes
from .maps import BASE, NORMAL, PACKED, SPECULAR, EngineMap

#: Under this name, Blender's glTF exporter looks for what Principled has no socket for.
GLTF_OUTPUT = "glTF Material Output"


def engine_material(
    source: bpy.types.Material, maps: list[EngineMap], gltf_output: bpy.types.NodeTree | None
) -> bpy.types.Material:
    """The material of one texture set.

    FBX has no word for packed maps: base colour and normal are linked, and the packed map waits for the engine's own
    material. glTF links everything.

    Args:
        gltf_output: the group of `new_gltf_output`; None for FBX.
    """
    nodes, shader = plain_shader(source)
    texture_set = source.get(SET_PROPERTY, "")
    if texture_set in ("cornea", "tear_line"):
        return clear_material(nodes, shader)
    images = {entry.role: _image(entry) for entry in maps if entry.texture_set == texture_set}
    if BASE in images:
        node = nodes.image(images[BASE], (-700, 300), BASE)
        nodes.link(node.outputs["Color"], shader.inputs["Base Color"])
        if texture_set == "lashes":
            nodes.link(node.outputs["Alpha"], shader.inputs["Alpha"])
    if NORMAL in images:
        link_normal(nodes, shader, images[NORMAL])
    if gltf_output is not None and PACKED in images:
        _link_packed(nodes, shader, images[PACKED], gltf_output)
    if gltf_output is not None and SPECULAR in images:
        node = nodes.image(images[SPECULAR], (-700, -300), SPECULAR)
        nodes.link(node.outputs["Color"], shader.inputs["Specular IOR Level"])
    return nodes.material


def _link_packed(nodes: Nodes, shader: bpy.types.Node, image: bpy.types.Image, gltf_output: bpy.types.NodeTree) -> None:
    channels = nodes.add("SeparateColor", (-320, 0), Color=nodes.image(image, (-700, 0), PACKED).outputs["Color"])
    nodes.link(channels.outputs["Green"], shader.inputs["Roughness"])
    nodes.link(channels.outputs["Blue"], shader.inputs["Metallic"])
    group = nodes.add("Group", (0, 300))
    group.node_tree = gltf_output
    nodes.link(channels.outputs["Red"], group.inputs["Occlusion"])


def new_gltf_output() -> bpy.types.NodeTree:
    """The group that gives a material an occlusion socket; it must get the name GLTF_OUTPUT."""
    tree = bpy.data.node_groups.new("output", "ShaderNodeTree")
    tree.interface.new_socket("Occlusion", in_out="INPUT", socket_type="NodeSocketFloat")
    return tree


def _image(entry: EngineMap) -> bpy.types.Image:
    image = bpy.data.images.load(str(entry.path), check_existing=False)
    image.name = entry.path.stem
    image.colorspace_settings.name = "sRGB" if entry.role == BASE else "Non-Color"
    return image
