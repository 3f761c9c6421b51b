"""How long Blender's main thread was held, and by what.

A timer of 5 ms tells when the main thread came round; a thread looks at the main thread's Python stack every 4 ms. What
the main thread does outside Python (drawing, above all under software OpenGL) shows as no stack at all.
"""

from __future__ import annotations

import collections
import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import bpy
import report

TICK_S, SAMPLE_S, LONG_S = 0.005, 0.004, 0.020
OURS, TEST = "/mien/", "/tests/gui/"


@dataclass(frozen=True)
class Block:
    """A stretch in which the main thread did not come round."""

    start: float  # s, perf_counter
    seconds: float
    ours_s: float  # in which Mien's Python ran
    what: str  # the main thread was seen doing most
    ours: str  # the function of Mien that was seen most


NO_BLOCK = Block(0.0, 0.0, 0.0, "nothing longer than 20 ms", "nothing longer than 20 ms")


class Watch:
    """From start() to stop()."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.ticks = 0
        self.draws: list[float] = []
        self._samples: collections.deque[tuple[float, str]] = collections.deque(maxlen=5000)
        self._on = False
        self._main = threading.main_thread().ident
        self._last = 0.0

    def start(self) -> None:
        self._on, self._began, self._last = True, time.perf_counter(), time.perf_counter()
        self._handler = bpy.types.SpaceView3D.draw_handler_add(self._drawn, (), "WINDOW", "POST_PIXEL")
        bpy.app.timers.register(self._tick, first_interval=TICK_S, persistent=True)
        threading.Thread(target=self._sample, name="watch", daemon=True).start()

    def stop(self) -> None:
        self._on = False
        self.seconds = time.perf_counter() - self._began
        bpy.types.SpaceView3D.draw_handler_remove(self._handler, "WINDOW")

    def _drawn(self) -> None:
        self.draws.append(time.perf_counter())

    def _tick(self) -> float | None:
        now = time.perf_counter()
        self.ticks += 1
        if now - self._last > LONG_S:
            self.blocks.append(self._describe(self._last, now))
        self._last = time.perf_counter()
        return TICK_S if self._on else None

    def _sample(self) -> None:
        while self._on:
            frame = sys._current_frames().get(self._main)
            self._samples.append((time.perf_counter(), _label(frame)))
            del frame
            time.sleep(SAMPLE_S)

    def _describe(self, start: float, end: float) -> Block:
        """Each sample stands for the time up to the next: without the GIL the thread cannot look more often."""
        seen: collections.Counter[str] = collections.Counter()
        within = [sample for sample in list(self._samples) if start - 0.01 <= sample[0] <= end]
        for (at, label), (until, _) in zip(within, [*within[1:], (end, "")], strict=True):
            seen[label] += max(0.0, min(until, end) - max(at, start))
        ours = {label: seconds for label, seconds in seen.items() if label.startswith("mien ")}
        what, most_ours = (max(counts, key=counts.get, default="nothing") for counts in (seen, ours))
        return Block(start, end - start, sum(ours.values()), what, most_ours)

    # --- what was seen

    def longest(self) -> Block:
        return max(self.blocks, key=lambda block: block.seconds, default=NO_BLOCK)

    def longest_of_ours(self) -> Block:
        return max(self.blocks, key=lambda block: block.ours_s, default=NO_BLOCK)

    def longest_without_picture(self) -> float:
        """Seconds between two drawings of the 3D view, at most."""
        return max((b - a for a, b in zip(self.draws, self.draws[1:], strict=False)), default=float("inf"))


@contextlib.contextmanager
def watched(what: str) -> Iterator[None]:
    """Around steps: reports how long Mien's Python held the main thread at most."""
    watch = Watch()
    watch.start()
    try:
        yield
    finally:
        watch.stop()
    block = watch.longest_of_ours()
    report.measure(f"{what}: Mien's Python held the main thread at most", f"{block.ours_s * 1000:.0f} ms: {block.ours}")


def _label(frame) -> str:
    """The innermost function of Mien on the stack; else whose the stack is."""
    label = "outside Python: drawing, events"
    while frame is not None:
        name = frame.f_code.co_filename
        if OURS in name:
            short = name.split(OURS, 1)[1]
            return f"mien {short}:{frame.f_code.co_name}"
        label = "the test itself" if TEST in name else "other Python"
        frame = frame.f_back
    return label
