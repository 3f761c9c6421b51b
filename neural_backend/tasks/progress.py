"""How a long task tells where it is: a plain callable, given by the command line or a test."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called by a task as it goes on; may raise `protocol.errors.Cancelled`, which every stage lets pass."""

    def __call__(self, stage: str, done: float, text: str = "") -> None:
        """`stage` is a short stable name, `done` the share of that stage in 0..1."""


def silent(stage: str, done: float, text: str = "") -> None:
    """A progress that nobody watches."""
