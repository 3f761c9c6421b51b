"""The 52 ARKit shapes of the skin from ICT's expressions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ...protocol.arkit import ARKIT_INDEX, ARKIT_NAMES, mirrored

_FLIP = np.array([-1.0, 1.0, 1.0], np.float32)
#: ICT has no tongueOut. The tongue itself is the anatomy's; the skin opens the mouth enough to let it through.
_TONGUE_OUT = {"jawOpen": 0.38, "mouthLowerDownLeft": 0.2, "mouthLowerDownRight": 0.2, "mouthFunnel": 0.1}


def read_mapping(path: Path) -> dict[str, dict[str, float]]:
    """ARKit name -> {ICT name: weight}, from the project's arkit_mapping.json."""
    mapping = json.loads(Path(path).read_text())["arkit52_to_ict"]
    missing = [name for name in ARKIT_NAMES if name not in mapping]
    if missing:
        raise ValueError(f"{path} lacks {', '.join(missing)}: give the mapping of all 52 ARKit shapes.")
    return mapping


def arkit_shapes(expression: dict[str, np.ndarray], mapping: dict[str, dict[str, float]]) -> np.ndarray:
    """[52, V, 3] in Apple's order."""
    count = len(next(iter(expression.values())))
    shapes = np.zeros((len(ARKIT_NAMES), count, 3), np.float32)
    for name, parts in mapping.items():
        for ict_name, weight in (parts or {}).items():
            shapes[ARKIT_INDEX[name]] += weight * expression[ict_name]
    for name, weight in _TONGUE_OUT.items():
        shapes[ARKIT_INDEX["tongueOut"]] += weight * shapes[ARKIT_INDEX[name]]
    return shapes


def mirror_error(shapes: np.ndarray, mirror: np.ndarray) -> float:
    """Largest difference between a shape and the mirror image of its pair, in the shapes' unit."""
    worst = 0.0
    for index, name in enumerate(ARKIT_NAMES):
        pair = shapes[ARKIT_INDEX[mirrored(name)]][mirror] * _FLIP
        worst = max(worst, float(np.abs(shapes[index] - pair).max()))
    return worst


def symmetrised_shapes(shapes: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """[52, V, 3] with every pair an exact mirror image and every two-sided shape symmetric."""
    result = shapes.copy()
    for index, name in enumerate(ARKIT_NAMES):
        result[index] = 0.5 * (shapes[index] + shapes[ARKIT_INDEX[mirrored(name)]][mirror] * _FLIP)
    return result
