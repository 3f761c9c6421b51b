"""The common base of actions whose job is about the head that is selected: its package must be there still."""

from __future__ import annotations

from pathlib import Path

import bpy

from ..blender_addon.head.objects import PACKAGE_PROPERTY, HeadObjects, current_head, heads_in
from ..blender_addon.head.package import PackageError
from ..blender_addon.work import Work
from ..neural_backend.protocol.errors import MienError
from .head_operator import HeadOperator
from .job_operator import JobOperator


class TargetOperator(JobOperator, HeadOperator):
    """Mixin. Needs a head and the backend."""

    @classmethod
    def poll_head(cls, context: bpy.types.Context, head: HeadObjects) -> bool:
        return cls.can_start(context)


def package_of(head: HeadObjects) -> Path:
    """The package that the head was built from.

    Raises:
        MienError: it is not there any more.
    """
    package = Path(bpy.path.abspath(str(head.rig.get(PACKAGE_PROPERTY, ""))))
    if not (package / "head.json").is_file():
        sentence = f"The head package {package} is not there any more: put it back, or import the head again."
        raise MienError("missing_head", sentence)
    return package


def target_of(context: bpy.types.Context, work: Work) -> HeadObjects:
    """The head that a work is meant for: the current one if it is that one, else wherever it is in the scene.

    Raises:
        PackageError: it is gone, or has lost its shapes.
    """
    current = current_head(context)
    wanted = [head for head in (current, *heads_in(context.scene)) if head is not None and head.uuid == work.target]
    if not wanted:
        raise PackageError(f"The head that {work.name} was made for is not in the scene: undo, or import it again.")
    if wanted[0].head.data.shape_keys is None:
        raise PackageError(f"{wanted[0].head.name} has lost its shape keys: import it again.")
    return wanted[0]
