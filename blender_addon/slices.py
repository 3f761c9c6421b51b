"""Work on Blender's data in slices short enough that no one sees Blender wait.

Undo and loading a file put the data back to another state, and a file that is saved must hold nothing half-written:
handlers.py tells all that is under way before these happen. So what changes a head in place changes it in one slice,
after everything was prepared in others.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

_under_way: list[Slices] = []


class Removed(Exception):
    """What was worked on is gone: the artist deleted it between two slices."""


class Slices:
    """Steps that are taken a few at a time: `advance` until it is True, then there is a `result`.

    Steps must bear being begun again, from the first one, after they were abandoned anywhere.
    """

    def __init__(self, steps: Iterator[None]):
        self.result: object | None = None  # what the steps return
        self.is_done = False
        self.abandoned = False
        self._steps = steps
        _under_way.append(self)

    def advance(self, seconds: float) -> bool:
        """Go on for about so long; True once all is done. An error of a step abandons the rest.

        Raises:
            Removed: somebody removed what the steps work on.
        """
        assert not self.abandoned
        deadline = time.perf_counter() + seconds
        try:
            while time.perf_counter() < deadline:
                next(self._steps)
        except StopIteration as end:
            self.result, self.is_done = end.value, True
            _under_way.remove(self)
            return True
        except ReferenceError as error:
            self.abandon()
            raise Removed from error
        except Exception:
            self.abandon()
            raise
        return False

    def abandon(self) -> bool:
        """Take no more steps; True if there were some left. Who wants the result must begin again."""
        if self.abandoned or self.is_done:
            return False
        self.abandoned = True
        self._steps.close()
        _under_way.remove(self)
        return True


def at_once(steps: Iterator[None]) -> object:
    """All steps without a pause: for scripts. Returns what they return."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def abandon_all() -> None:
    """Before undo, loading and saving."""
    for slices in _under_way[:]:
        slices.abandon()
