"""Stopping long work: a job's token is made current in the thread that works, and deep loops ask `checkpoint()`.

Passing a callback down through every function of the numerics would put it into signatures that have nothing to do
with jobs; a thread-local token keeps them clean, and without a token (tests, scripts) a checkpoint costs nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TypeVar

from .errors import Cancelled

Result = TypeVar("Result")
_current = threading.local()


class CancelToken:
    """Set once, from any thread."""

    def __init__(self) -> None:
        self._asked = threading.Event()

    def cancel(self) -> None:
        self._asked.set()

    @property
    def cancelled(self) -> bool:
        return self._asked.is_set()

    def check(self) -> None:
        """Raises Cancelled once asked to stop."""
        if self._asked.is_set():
            raise Cancelled


@contextmanager
def working_under(token: CancelToken) -> Iterator[None]:
    """Make `token` the one that `checkpoint()` asks in this thread."""
    before = getattr(_current, "token", None)
    _current.token = token
    try:
        yield
    finally:
        _current.token = before


def checkpoint() -> None:
    """Raises Cancelled if the work of this thread was asked to stop. Call it where a second may pass otherwise."""
    token = getattr(_current, "token", None)
    if token is not None:
        token.check()


def interruptible(function: Callable[..., Result], *arguments: object) -> Result:
    """`function(*arguments)`, left behind when this thread's work is stopped before it returns.

    For work whose only effect is its result: a stop is answered within a twentieth of a second, even in the middle of
    a native call, and what was left behind ends at its own next checkpoint. Never for work that writes files.

    Raises:
        Cancelled: the work was stopped.
    """
    token = getattr(_current, "token", None)
    if token is None:
        return function(*arguments)
    token.check()
    future: Future[Result] = Future()

    def call() -> None:
        try:
            with working_under(token):
                future.set_result(function(*arguments))
        except BaseException as error:  # handed to the thread that asked
            future.set_exception(error)

    threading.Thread(target=call, name="interruptible", daemon=True).start()
    while True:
        try:
            return future.result(timeout=0.05)
        except TimeoutError:
            if future.done():  # the function's own TimeoutError
                raise
            token.check()
