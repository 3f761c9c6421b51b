"""A call in a thread, for what needs no Blender: reading files, starting processes."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Later:
    """Runs `function(*arguments)` at once; ask `is_over`, then take `result()`."""

    def __init__(self, function: Callable, *arguments: object):
        self._result: object | None = None
        self._error: Exception | None = None

        def run() -> None:
            try:
                self._result = function(*arguments)
            except Exception as error:  # noqa: BLE001  raised where the result is taken
                self._error = error

        self._thread = threading.Thread(target=run, name=f"mien-{function.__name__}", daemon=True)
        self._thread.start()

    @property
    def is_over(self) -> bool:
        return not self._thread.is_alive()

    def result(self) -> object:
        """What the function returned, once it has; raises what it raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._result
