"""Contact sheets of an evaluation: truth above, the volume below."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

COLUMNS, ROWS = 8, 4  # pairs


def write_sheet(path: Path, rows: Sequence) -> None:
    """Up to COLUMNS x ROWS pairs spread over `rows` (report.Row), as PNG."""
    from .report import shown_pair

    picked = np.unique(np.linspace(0, len(rows) - 1, COLUMNS * ROWS).round().astype(int))
    pairs = [np.concatenate(shown_pair(rows[index]), 0) for index in picked]
    write_tiles(path, pairs, COLUMNS)


def write_tiles(path: Path, tiles: Sequence[np.ndarray], columns: int) -> None:
    """[H, W, 3] sRGB 0..1 tiles of one size, row by row, as PNG."""
    tiles = list(tiles) + [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
    lines = [np.concatenate(tiles[k : k + columns], 1) for k in range(0, len(tiles), columns)]
    picture = np.round(np.clip(np.concatenate(lines, 0), 0, 1) * 255).astype(np.uint8)
    done, data = cv2.imencode(".png", picture[..., ::-1])
    assert done, "OpenCV encodes PNG"
    path.write_bytes(data.tobytes())
