"""Poses as text: what Copy puts on the clipboard and Paste takes, so that it works between files. No bpy."""

from __future__ import annotations

import json
import math

from ...neural_backend.protocol.arkit import ARKIT_INDEX, mirrored

FORMAT = 1
_KEY = "mien_pose"


class PoseError(Exception):
    """A text is no pose; the message is one sentence for the artist."""


def pose_text(weights: dict[str, float]) -> str:
    """The pose as JSON; weights that are zero are left out."""
    kept = {name: round(float(weights[name]), 5) for name in ARKIT_INDEX if weights.get(name)}
    return json.dumps({_KEY: FORMAT, "weights": kept}, indent=1)


def read_pose(text: str) -> dict[str, float]:
    """The weights in a text that Copy made.

    Raises:
        PoseError: any other text.
    """
    try:
        content = json.loads(text)
        found, weights = int(content[_KEY]), content["weights"]
        weights = {str(name): float(value) for name, value in weights.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise PoseError("The clipboard holds no pose of a Mien head: use Copy Pose first.") from None
    if found > FORMAT:
        raise PoseError(f"The pose was copied by a newer Mien (format {found}): update Mien to paste it.")
    unknown = [name for name in weights if name not in ARKIT_INDEX]
    if unknown:
        raise PoseError(f"The pose on the clipboard has a shape that no head has ({unknown[0][:40]}): copy it again.")
    if not all(math.isfinite(value) for value in weights.values()):
        raise PoseError("The pose on the clipboard has a value that is not a number: copy it again.")
    return {name: min(max(value, 0.0), 1.0) for name, value in weights.items()}


def mirrored_pose(weights: dict[str, float]) -> dict[str, float]:
    """The pose in a mirror: left and right swapped."""
    return {mirrored(name): value for name, value in weights.items()}
