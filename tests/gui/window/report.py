"""What was checked and measured: printed as it comes, written as a table at the end."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import eyes
import hand

OUT = Path(os.environ["OUT"])

_rows: list[tuple[str, str, str]] = []
_began = time.perf_counter()
_pictures = 0
_places: dict[str, dict] = {}


def check(what: str, holds: bool, detail: object = "") -> None:
    _rows.append((what, str(detail), "ok" if holds else "FAILED"))
    print(f"[{time.perf_counter() - _began:6.1f} s] {'ok    ' if holds else 'FAILED'} {what}: {detail}", flush=True)


def measure(what: str, value: str) -> None:
    _rows.append((what, value, ""))
    print(f"[{time.perf_counter() - _began:6.1f} s]        {what}: {value}", flush=True)


def has_failed() -> bool:
    return any(state == "FAILED" for _, _, state in _rows)


def shoot(name: str) -> Iterator[float]:
    """Keep a screenshot, and where the sidebar and the view were in it."""
    global _pictures
    _pictures += 1
    path = OUT / f"{_pictures:02d}_{name}.png"
    yield from hand.picture(path)
    height = eyes.window().height
    _places[path.name] = {
        f"{area.type} {region.type}": (region.x, height - region.y - region.height, region.width, region.height)
        for area in eyes.window().screen.areas
        for region in area.regions
        if region.width > 1 and region.height > 1
    }
    (OUT / "places.json").write_text(json.dumps(_places, indent=1), encoding="utf-8")


def write_table() -> None:
    lines = ["| what | measured | |", "|---|---|---|"]
    lines += [f"| {what} | {value.replace('|', '/')} | {state} |" for what, value, state in _rows]
    (OUT / "table.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
