"""How a long task tells where it is: a plain callable, given by the command line or a test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np


class Progress(Protocol):
    """Called by a task as it goes on; may raise `protocol.errors.Cancelled`, which every stage lets pass."""

    def __call__(self, stage: str, done: float, text: str = "") -> None:
        """`stage` is a short stable name, `done` the share of that stage in 0..1."""


class Watched(Progress, Protocol):
    """A progress whose watcher can also look at pictures, as Blender's panel does."""

    def picture(self, stage: str, image: np.ndarray) -> None:
        """Show [H, W, 3] uint8 sRGB, row 0 on top, a few hundred pixels large."""


def show(progress: Progress, stage: str, make: Callable[[], np.ndarray]) -> None:
    """Give a picture to a progress that shows them; for any other it is not even made."""
    picture = getattr(progress, "picture", None)
    if picture is not None:
        picture(stage, make())


def silent(stage: str, done: float, text: str = "") -> None:
    """A progress that nobody watches."""
