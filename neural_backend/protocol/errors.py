"""Errors meant for the user: a code that programs read and one sentence that people read."""

from __future__ import annotations


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


class Cancelled(MienError):
    """The user asked to stop. Raised out of a progress callback; every stage lets it pass."""

    def __init__(self) -> None:
        super().__init__("cancelled", "Stopped at your request; nothing was written.")
