"""The common base of small operators on the current head: grey without one, and says why."""

from __future__ import annotations

import bpy

from ..blender_addon.head.expressions import REGIONS, region_id
from ..blender_addon.head.objects import HeadObjects, current_head
from ..blender_addon.identity.live import problem

NO_HEAD = "Import a head, or select one"
_REGIONS = [("ALL", "All", "The whole face", 0)]
_REGIONS += [(region_id(label), label, "", number) for number, label in enumerate(REGIONS, start=1)]


def region_property() -> object:
    return bpy.props.EnumProperty(name="Region", items=_REGIONS, default="ALL", options={"SKIP_SAVE"})


class HeadOperator:
    """Needs a head; one undo step."""

    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        head = current_head(context)
        if head is None:
            cls.poll_message_set(NO_HEAD)
            return False
        if head.head.data.shape_keys is None:
            cls.poll_message_set(f"{head.head.name} has lost its shape keys: import it again")
            return False
        return cls.poll_head(context, head)

    @classmethod
    def poll_head(cls, context: bpy.types.Context, head: HeadObjects) -> bool:
        return True


class IdentityOperator(HeadOperator):
    """Needs a head whose identity can be edited."""

    @classmethod
    def poll_head(cls, context: bpy.types.Context, head: HeadObjects) -> bool:
        sentence = problem(head)
        if sentence:
            cls.poll_message_set(sentence)
        return not sentence
