"""Properties of a head's mesh object: the sliders of its identity, and how its expression sliders behave."""

from __future__ import annotations

import bpy

from ..neural_backend.protocol.arkit import ARKIT_NAMES, mirrored
from .head.objects import ROLE_PROPERTY, head_of
from .identity.controls import CONTROL, MODE_COUNT
from .identity.live import on_slider


def _another_head(properties: bpy.types.PropertyGroup, thing: bpy.types.Object) -> bool:
    return thing.get(ROLE_PROPERTY) == "head" and thing != properties.id_data and head_of(thing) is not None


def _identity_members() -> dict[str, object]:
    """Named controls, raw modes and the mixture; nothing of it is animatable, since shape keys are not rebuilt then."""
    members: dict[str, object] = {}
    for control in CONTROL.values():
        members[f"control_{control.id}"] = bpy.props.FloatProperty(
            name=control.label, description=control.description, default=0.0, min=-6.0, max=6.0, soft_min=-3.0,
            soft_max=3.0, step=5, precision=2, options=set(), update=on_slider,
        )  # fmt: skip
    for index in range(MODE_COUNT):
        members[f"mode_{index:02d}"] = bpy.props.FloatProperty(
            name=f"Mode {index + 1}", description="Change of one code of the statistical model, in standard deviations",
            default=0.0, min=-12.0, max=12.0, soft_min=-3.0, soft_max=3.0, step=5, precision=2, options=set(),
            update=on_slider,
        )  # fmt: skip
    members["mix"] = bpy.props.FloatProperty(
        name="Mix", description="0 is this head, 1 is the other one", default=0.0, min=0.0, max=1.0,
        subtype="FACTOR", options=set(), update=on_slider,
    )  # fmt: skip
    members["mix_with"] = bpy.props.PointerProperty(
        name="With", description="The other head, of the same scene or another", type=bpy.types.Object,
        poll=_another_head, update=on_slider,
    )  # fmt: skip
    return members


MienIdentity = type("MienIdentity", (bpy.types.PropertyGroup,), {"__annotations__": _identity_members()})


def _slider(name: str) -> object:
    """A stand-in for a shape key's value that also sets the partner on the other side, in the same undo step."""

    def blocks(self: bpy.types.PropertyGroup):
        keys = self.id_data.data.shape_keys if self.id_data.type == "MESH" else None
        return keys.key_blocks if keys is not None else {}

    def get(self: bpy.types.PropertyGroup) -> float:
        block = blocks(self).get(name)
        return block.value if block is not None else 0.0

    def set_both(self: bpy.types.PropertyGroup, value: float) -> None:
        for which in {name, mirrored(name)}:
            block = blocks(self).get(which)
            if block is not None:
                block.value = value

    return bpy.props.FloatProperty(
        name=name, description="Moves the shape and its partner on the other side", min=0.0, max=1.0,
        subtype="FACTOR", options=set(), get=get, set=set_both,
    )  # fmt: skip


def _expression_members() -> dict[str, object]:
    symmetric = bpy.props.BoolProperty(
        name="Symmetric", description="A slider moves its partner on the other side too", default=False, options=set()
    )
    # jawLeft and its like are each other's mirror image but exclude each other: both at once would be no pose.
    paired = [name for name in ARKIT_NAMES if mirrored(name) != name and name not in SIDEWAYS]
    return {"symmetric": symmetric, **{name: _slider(name) for name in paired}}


#: Shapes whose mirror image pulls the other way; Symmetric leaves them alone.
SIDEWAYS = ("jawLeft", "jawRight", "mouthLeft", "mouthRight")

MienExpression = type("MienExpression", (bpy.types.PropertyGroup,), {"__annotations__": _expression_members()})

CLASSES: tuple[type, ...] = (MienIdentity, MienExpression)


def add_properties() -> None:
    bpy.types.Object.mien_identity = bpy.props.PointerProperty(type=MienIdentity)
    bpy.types.Object.mien_expression = bpy.props.PointerProperty(type=MienExpression)


def remove_properties() -> None:
    del bpy.types.Object.mien_expression
    del bpy.types.Object.mien_identity
