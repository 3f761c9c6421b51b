"""What a head in the scene remembers of its identity: the codes of its mesh, those of its fit, how its lids rest."""

from __future__ import annotations

import json
from pathlib import Path

import bpy
import numpy as np

from ..head.objects import PACKAGE_PROPERTY, HeadObjects
from .controls import MODE_COUNT
from .model import IdentityError

CODES_PROPERTY = "mien_codes"  # [K] what the mesh is now, unapplied edits left out
FIT_PROPERTY = "mien_fit_codes"  # [K] what the fit found
REST_PROPERTY = "mien_lid_rest"  # how much of a blink the neutral lids are closed by


def padded(codes: np.ndarray | list[float]) -> np.ndarray:
    """[K] float32; a package may hold fewer codes, the others are zero.

    Raises:
        IdentityError: more codes than there are modes, or not finite.
    """
    codes = np.asarray(codes, np.float32).reshape(-1)
    if len(codes) > MODE_COUNT or not np.isfinite(codes).all():
        raise IdentityError("This head's identity is from another Mien: fit the photo again to edit it.")
    return np.pad(codes, (0, MODE_COUNT - len(codes)))


def remember(head: bpy.types.Object, codes: np.ndarray, lid_rest: float, fit: bool = False) -> None:
    """Store what the mesh of `head` was made from; `fit` also makes it what Reset to Fit returns to."""
    values = [float(value) for value in padded(codes)]
    head[CODES_PROPERTY] = values
    head[REST_PROPERTY] = float(lid_rest)
    if fit:
        head[FIT_PROPERTY] = values


def codes_of(head: bpy.types.Object) -> np.ndarray:
    """[K] float32 the identity of the mesh, unapplied edits left out.

    Raises:
        IdentityError: the head does not know its identity.
    """
    if CODES_PROPERTY not in head:
        raise IdentityError(f"{head.name} was imported by an older Mien: import its package again to edit it.")
    return padded(list(head[CODES_PROPERTY]))


def fit_codes_of(head: bpy.types.Object) -> np.ndarray:
    """[K] float32 what the fit found."""
    return padded(list(head[FIT_PROPERTY])) if FIT_PROPERTY in head else codes_of(head)


def lid_rest_of(head: bpy.types.Object) -> float:
    return float(head.get(REST_PROPERTY, 0.0))


def recall(head: HeadObjects) -> bool:
    """Give a head of an older Mien its codes from its package, if that is still there; True when it has them."""
    if CODES_PROPERTY in head.head:
        return True
    try:
        path = Path(bpy.path.abspath(str(head.rig.get(PACKAGE_PROPERTY, "")))) / "head.json"
        description = json.loads(path.read_text(encoding="utf-8"))
        rest = float(description.get("report", {}).get("lid_rest", 0.0))
        remember(head.head, padded(description["identity"]), rest, fit=True)
    except (OSError, ValueError, KeyError, TypeError, IdentityError):
        return False
    return True
