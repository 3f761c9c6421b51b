"""A thin hand over a material's node tree: makes nodes, sets them, links them, in the order the code reads."""

from __future__ import annotations

import bpy

from ...compat import enable_nodes


class Nodes:
    """The node tree of one new material, cleared."""

    def __init__(self, name: str) -> None:
        self.material = bpy.data.materials.new(name)
        enable_nodes(self.material)
        self.tree = self.material.node_tree
        self.tree.nodes.clear()

    def add(
        self,
        kind: str,
        at: tuple[float, float],
        *,
        label: str = "",
        settings: dict[str, object] | None = None,
        **inputs: object,
    ) -> bpy.types.Node:
        """Add a `ShaderNode<kind>`.

        Args:
            at: place in the editor.
            settings: properties of the node.
            inputs: socket -> value, or the output socket to link from. Spaces of a socket's name are underscores.
        """
        node = self.tree.nodes.new(f"ShaderNode{kind}")
        node.location = at
        if label:
            node.name = node.label = label
        for name, value in (settings or {}).items():
            setattr(node, name, value)
        for name, value in inputs.items():
            socket = node.inputs[name.replace("_", " ")]
            if isinstance(value, bpy.types.NodeSocket):
                self.tree.links.new(value, socket)
            else:
                socket.default_value = value
        return node

    def link(self, output: bpy.types.NodeSocket, socket: bpy.types.NodeSocket) -> None:
        self.tree.links.new(output, socket)

    def image(self, image: bpy.types.Image, at: tuple[float, float], label: str) -> bpy.types.Node:
        """An image texture; its label names the map, which is how export finds it again."""
        return self.add("TexImage", at, label=label, settings={"image": image, "interpolation": "Cubic"})

    def output(self, shader: bpy.types.NodeSocket, at: tuple[float, float], target: str = "ALL") -> bpy.types.Node:
        return self.add("OutputMaterial", at, settings={"target": target}, Surface=shader)


def principled(material: bpy.types.Material) -> bpy.types.Node | None:
    """The material's Principled node, if it has one."""
    return next((node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED"), None)
