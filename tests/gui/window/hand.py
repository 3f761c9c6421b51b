"""Mouse and keyboard: real X events by xdotool, sent by a process of its own so that Blender's main thread never waits.

Every action is a generator of pauses in seconds, to be run by Blender's timer: `yield from click(...)`.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

#: Blender takes events once per turn of its main loop; under software OpenGL a turn with a redraw takes its time.
SETTLE_S, HELD_S = 0.3, 0.5

_LOOP = 'while IFS= read -r line; do eval "$line" || echo "hand: $line failed" >&2; done'
_process: subprocess.Popen | None = None


def _do(line: str) -> None:
    global _process
    if _process is None:
        _process = subprocess.Popen(["bash", "-c", _LOOP], stdin=subprocess.PIPE, text=True, bufsize=1)
    _process.stdin.write(line + "\n")


def focus() -> Iterator[float]:
    """There is no window manager that would give Blender the keyboard."""
    _do("xdotool search --name Blender windowfocus")
    yield 1.0


def move(x: float, y: float, pause: float = SETTLE_S) -> Iterator[float]:
    """The mouse to a place of the window: pixels from the bottom left, as Blender counts."""
    import bpy

    height = bpy.context.window_manager.windows[0].height
    _do(f"xdotool mousemove {int(x)} {int(height - 1 - y)}")
    yield pause


def click(x: float, y: float, button: int = 1, modifier: str = "") -> Iterator[float]:
    yield from move(x - 3, y)
    yield from move(x, y)  # a second motion: the first may only bring the mouse into the region
    if modifier:
        _do(f"xdotool keydown {modifier}")
        yield SETTLE_S
    _do(f"xdotool mousedown {button}")
    yield HELD_S
    _do(f"xdotool mouseup {button}")
    yield HELD_S
    if modifier:
        _do(f"xdotool keyup {modifier}")
        yield SETTLE_S


def drag(start: tuple[float, float], end: tuple[float, float], button: int = 1, steps: int = 8) -> Iterator[float]:
    yield from move(start[0] - 3, start[1])
    yield from move(*start)
    _do(f"xdotool mousedown {button}")
    yield HELD_S
    for step in range(1, steps + 1):
        part = step / steps
        yield from move(start[0] + part * (end[0] - start[0]), start[1] + part * (end[1] - start[1]), 0.15)
    yield SETTLE_S
    _do(f"xdotool mouseup {button}")
    yield HELD_S


def wheel(down: bool, turns: int) -> Iterator[float]:
    _do(f"xdotool click --repeat {turns} --delay 60 {5 if down else 4}")
    yield 0.06 * turns + SETTLE_S


def key(name: str) -> Iterator[float]:
    _do(f"xdotool key {name}")
    yield SETTLE_S


def write(text: str) -> Iterator[float]:
    _do(f"xdotool type --delay 40 '{text}'")
    yield 0.06 * len(text) + HELD_S


def picture(path: Path) -> Iterator[float]:
    """A screenshot of the whole display. Blender's own operator gives black pictures under software OpenGL."""
    part = path.with_suffix(".part.png")
    _do(f"import -window root '{part}' && mv '{part}' '{path}'")
    for _ in range(100):
        yield 0.1
        if path.exists():
            return
    raise RuntimeError(f"there is no screenshot {path.name}")
