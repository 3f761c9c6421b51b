"""The backend process that Blender talks to: `python -m neural_backend.server`, frames on stdin and stdout.

It ends when its stdin closes, so no orphan outlives Blender, not even a killed one. docs/backend.md has the protocol.
Only the standard library is imported here: a Python that lacks the rest must still be able to say so.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
from typing import BinaryIO

from .protocol import framing, messages

log = logging.getLogger(__name__)


def claim_pipes() -> tuple[BinaryIO, BinaryIO]:
    """The pipes to Blender, moved away from descriptors 0 and 1: a library's print must not fall into the stream."""
    if sys.platform == "win32":
        import msvcrt

        msvcrt.setmode(0, os.O_BINARY)
        msvcrt.setmode(1, os.O_BINARY)
    incoming, outgoing = os.fdopen(os.dup(0), "rb", buffering=0), os.fdopen(os.dup(1), "wb", buffering=0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return incoming, outgoing


class Outlet:
    """Sends messages, from any thread, each whole."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def send(self, message: messages.Message) -> None:
        data = memoryview(framing.pack(messages.encode(message)))
        try:
            with self._lock:
                while data:
                    data = data[self._stream.write(data) :]
        except OSError:  # Blender is gone; the end of stdin, which comes with it, ends the process
            log.info("nobody reads any more")


def main() -> None:
    incoming, outgoing = claim_pipes()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    log.info("backend %d starts", os.getpid())
    code = serve(incoming, Outlet(outgoing))
    log.info("backend %d ends", os.getpid())
    logging.shutdown()
    os._exit(code)  # daemon threads may sit in native code, which an orderly exit would wait for or crash in


def serve(incoming: BinaryIO, outlet: Outlet) -> int:
    """Serve until stdin closes; the exit code: 0 in order, 2 broken stream, 3 a package is missing."""
    try:
        from .service import Service
    except ImportError as error:
        traceback.print_exc()
        text = f"The backend's Python lacks {error.name or error}; install the backend again."
        outlet.send(messages.Refused("backend_incomplete", text))
        return 3
    try:
        Service(incoming, outlet).serve()
    except (framing.FramingError, messages.MessageError) as error:
        log.error("the stream from Blender is broken: %s", error)
        return 2
    return 0


if __name__ == "__main__":
    main()
