"""The sidebar "Mien" of the 3D view, in the order in which an artist works."""

from __future__ import annotations

from . import correct, export, expressions, footage, head, identity, photos

CLASSES: tuple[type, ...] = (
    *photos.CLASSES,
    *head.CLASSES,
    *correct.CLASSES,
    *identity.CLASSES,
    *expressions.CLASSES,
    *footage.CLASSES,
    *export.CLASSES,
)
