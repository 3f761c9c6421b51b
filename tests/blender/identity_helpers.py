"""What the tests of the identity controls share."""

from __future__ import annotations

import bpy
import numpy as np

LIVE = "Identity (unapplied)"


def positions(data) -> np.ndarray:
    result = np.empty(len(data) * 3, np.float32)
    data.foreach_get("co", result)
    return result.reshape(-1, 3)


def evaluated(thing) -> np.ndarray:
    bpy.context.view_layer.update()
    return positions(thing.evaluated_get(bpy.context.evaluated_depsgraph_get()).data.vertices)


def shapes(mesh) -> np.ndarray:
    """[53, V, 3] Basis, and the displacements of the 52."""
    blocks = mesh.data.shape_keys.key_blocks
    rest = positions(blocks[0].data)
    return np.stack([rest, *[positions(block.data) - rest for block in blocks[1:53]]])


def the_head(load):
    return load("blender_addon.head.objects").heads_in(bpy.context.scene)[0]


def activate(head) -> None:
    bpy.context.view_layer.objects.active = head.head
