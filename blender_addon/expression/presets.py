"""Ready expressions from data/expressions.json: group -> name -> ARKit weights. No bpy."""

from __future__ import annotations

import json
from pathlib import Path

DATA_FILE = Path(__file__).resolve().parents[1] / "data" / "expressions.json"
PRESETS: dict[str, dict[str, dict[str, float]]] = json.loads(DATA_FILE.read_text(encoding="utf-8"))


def preset(name: str) -> dict[str, float]:
    """The weights of a preset.

    Raises:
        KeyError: there is none of that name.
    """
    for group in PRESETS.values():
        if name in group:
            return group[name]
    raise KeyError(name)
