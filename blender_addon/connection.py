"""One life of the backend process: its pipes, the two threads that serve them, its end. Knows no bpy.

Nothing here blocks the caller: starting the process and writing happen in one thread, reading in another.
"""

from __future__ import annotations

import logging
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..neural_backend.protocol import framing
from ..neural_backend.protocol.messages import REPLIES, Message, MessageError, decode, encode

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Launch:
    """How to start the backend."""

    command: tuple[str, ...]
    environment: dict[str, str]
    folder: Path  # working directory, never the extension's own: Windows would lock it
    log: Path  # receives what the process prints


@dataclass(frozen=True)
class Ending:
    """Why a connection is over."""

    code: str
    text: str


class Connection:
    """A running backend. `on_message` and `on_end` are called from the reading thread."""

    def __init__(
        self,
        launch: Launch,
        on_message: Callable[[Connection, Message], None],
        on_end: Callable[[Connection, Ending], None],
    ):
        self.launch = launch
        self.last_heard = time.monotonic()
        self.pid: int | None = None
        self._on_message, self._on_end = on_message, on_end
        self._process: subprocess.Popen | None = None
        self._outbox: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closing = False  # the end is our own wish
        self._reason: Ending | None = None
        self._over = threading.Event()
        threading.Thread(target=self._run, name="mien-backend-writer", daemon=True).start()

    def send(self, message: Message) -> None:
        self._outbox.put(message)

    def close(self) -> None:
        """Ask for the end by closing the backend's stdin."""
        with self._lock:
            self._closing = True
        self._outbox.put(None)

    def kill(self, reason: Ending | None = None) -> None:
        """End it now. `reason` is what on_end will be told instead of the exit code."""
        with self._lock:
            self._closing = True
            self._reason = self._reason or reason
            process = self._process
        if process is not None:
            try:
                process.kill()
            except OSError:  # gone already
                pass
        self._outbox.put(None)

    def wait(self, seconds: float) -> bool:
        """Wait for the process to be gone; only for the end of Blender and for tests."""
        return self._over.wait(seconds)

    # --- the writing thread

    def _run(self) -> None:
        try:
            process = self._start()
        except OSError as error:
            self._end(
                Ending("backend_missing", f"The neural backend could not be started ({error.strerror or error}).")
            )
            return
        if process is None:  # closed before it began
            self._end(Ending("backend_stopped", "The neural backend was stopped."))
            return
        self.last_heard = time.monotonic()
        threading.Thread(target=self._read, name="mien-backend-reader", args=(process,), daemon=True).start()
        try:
            while (message := self._outbox.get()) is not None:
                process.stdin.write(framing.pack(encode(message)))
        except OSError:
            pass  # the reader sees the end of the process and says so
        finally:
            try:
                process.stdin.close()
            except OSError:
                pass

    def _start(self) -> subprocess.Popen | None:
        self.launch.folder.mkdir(parents=True, exist_ok=True)
        self.launch.log.parent.mkdir(parents=True, exist_ok=True)
        with open(self.launch.log, "ab") as sink:
            with self._lock:
                if self._closing:
                    return None
                self._process = subprocess.Popen(
                    self.launch.command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=sink,
                    bufsize=0,
                    cwd=self.launch.folder,
                    env=self.launch.environment,
                    creationflags=subprocess.CREATE_NO_WINDOW if sys.platform == "win32" else 0,
                    # Ctrl-C in the terminal that Blender was started from is Blender's, not the backend's.
                    start_new_session=os.name == "posix",
                )
                self.pid = self._process.pid
                return self._process

    # --- the reading thread

    def _read(self, process: subprocess.Popen) -> None:
        garbage = None
        try:
            while (frame := framing.read(process.stdout)) is not None:
                self.last_heard = time.monotonic()
                self._on_message(self, decode(frame, REPLIES))
        except (framing.FramingError, MessageError) as error:
            garbage = error
        except OSError as error:
            log.info("reading from the backend: %s", error)
        except Exception:  # the edge of the thread: without a reader no job would ever end
            log.exception("a message of the backend could not be handled")
            garbage = "see the log of Blender"
        # A stream that ends inside a frame is a process that dies: its exit code says more.
        try:
            code = process.wait(0.5)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
            if garbage is not None and self._reason is None:
                self._reason = Ending(
                    "backend_garbled", f"The neural backend sent something unreadable ({garbage}) and was stopped."
                )
        process.stdout.close()
        self._outbox.put(None)
        self._end(self._reason or self._describe(code))

    def _describe(self, code: int) -> Ending:
        if self._closing:
            return Ending("backend_stopped", "The neural backend was stopped.")
        how = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
        return Ending("backend_died", f"The neural backend {how} in the middle of its work; try again.")

    def _end(self, ending: Ending) -> None:
        self._over.set()
        self._on_end(self, ending)
