"""The named controls: one direction in identity space each, from data/identity_controls.json. No bpy.

`python -m neural_backend.training.identity_controls` derives the file from the template; docs/controls.md tells how.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

DATA_FILE = Path(__file__).resolve().parents[1] / "data" / "identity_controls.json"


@dataclass(frozen=True)
class Control:
    """One slider: at 1 the codes move by `direction`, which is one standard deviation of its measure."""

    id: str
    label: str
    group: str
    unit: str  # of mean and deviation: mm or degrees
    mean: float
    deviation: float
    holds: tuple[str, ...]  # ids of the controls whose measures stay
    direction: np.ndarray  # [K] float32

    @property
    def description(self) -> str:
        held = [CONTROL[other].label.lower() for other in self.holds]
        still = f"; holds {', '.join(held)}" if held else ""
        return f"In standard deviations: 1 is {self.deviation:.1f} {self.unit} on the average head{still}"


@functools.lru_cache(maxsize=1)
def _read() -> dict[str, Control]:
    data = json.loads(DATA_FILE.read_text(encoding="utf-8"))
    return {
        entry["id"]: Control(
            **{**entry, "holds": tuple(entry["holds"]), "direction": np.asarray(entry["direction"], np.float32)}
        )
        for entry in data["controls"]
    }


CONTROL: dict[str, Control] = _read()
MODE_COUNT = len(next(iter(CONTROL.values())).direction)
#: Group label -> its controls, for the panel.
GROUPS: dict[str, tuple[Control, ...]] = {
    group: tuple(control for control in CONTROL.values() if control.group == group)
    for group in dict.fromkeys(control.group for control in CONTROL.values())
}


def combined(values: dict[str, float], modes: np.ndarray) -> np.ndarray:
    """[K] the change of codes that named controls (id -> value) and raw modes [K] ask for together."""
    codes = np.array(modes, np.float32)
    for name, value in values.items():
        if value:
            codes += np.float32(value) * CONTROL[name].direction
    return codes
