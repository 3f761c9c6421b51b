"""The sidebar "Mien" of the 3D view, in the order in which an artist works."""

from __future__ import annotations

from . import export, expressions, head, identity, photos

CLASSES: tuple[type, ...] = (
    *photos.CLASSES,
    *head.CLASSES,
    *identity.CLASSES,
    *expressions.CLASSES,
    *export.CLASSES,
)
