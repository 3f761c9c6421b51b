"""Errors meant for the user: a code that programs read and one sentence that people read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class MienError(Exception):
    """Something cannot be done, and the user can do something about it.

    Args:
        code: short, stable, snake_case; the Blender side and scripts decide by it.
        sentence: one sentence saying what is wrong and what to do.
    """

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
        self.photo: int | None = None  # which of the given photos is at fault, where one is


class Cancelled(MienError):
    """The user asked to stop. Raised out of a progress callback; every stage lets it pass."""

    def __init__(self) -> None:
        super().__init__("cancelled", "Stopped at your request; nothing was written.")


@contextmanager
def photo_at_fault(index: int) -> Iterator[None]:
    """Whatever MienError comes out of the block is about photo number `index`."""
    try:
        yield
    except MienError as error:
        error.photo = index
        raise
