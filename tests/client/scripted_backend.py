"""Stands in for the backend where the real one cannot be made to fail on demand. argv: the behaviour, and its argument.

Speaks the real protocol up to the point where it misbehaves.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from neural_backend.protocol import framing, messages

behaviour = sys.argv[1]
out = os.fdopen(os.dup(1), "wb", buffering=0)


def send(message: messages.Message) -> None:
    out.write(framing.pack(messages.encode(message)))


def receive() -> messages.Message:
    frame = framing.read(sys.stdin.buffer)
    if frame is None:
        os._exit(0)
    return messages.decode(frame, messages.REQUESTS)


def first_run() -> bool:
    """True in the first process of a test: the marker is given as argument."""
    marker = Path(sys.argv[2])
    if marker.exists():
        return False
    marker.touch()
    return True


receive()  # hello
if behaviour == "dies at once":
    os._exit(7)
if behaviour == "refuses":
    send(messages.Refused("backend_incomplete", "The backend's Python lacks torch; install the backend again."))
    os._exit(3)
send(messages.Welcome(messages.VERSION, "test", "cpu", "3", "2", os.getpid()))

if behaviour == "stalls":
    job = receive().job
    send(messages.Accepted(job, 0))
    time.sleep(60)
if behaviour == "garbage":
    receive()
    out.write(b"warning: some library prints to standard output\n" * 20)
    time.sleep(60)
if behaviour == "unknown kind":
    receive()
    out.write(framing.pack(framing.Frame({"kind": "surprise"})))
    time.sleep(60)
if behaviour == "half a frame":
    receive()
    out.write(framing.pack(messages.encode(messages.Alive()))[:-3])
    os._exit(0)
if behaviour == "crashes in the first job" and first_run():
    job = receive()
    Path(job.output).mkdir(exist_ok=True)
    (Path(job.output) / f".{job.name}-x.writing").mkdir()
    send(messages.Progress(job.job, "write", 0.5, 0.9))
    time.sleep(0.3)  # the other job arrives
    os.abort()

running = None
while True:
    request = receive()
    if isinstance(request, messages.Cancel):
        if behaviour == "deaf" and first_run():
            continue
        if behaviour == "deaf" and request.job == running:
            continue
        send(messages.Cancelled(request.job))
    elif behaviour == "deaf" and running is None and not Path(sys.argv[2]).exists():
        running = request.job
        send(messages.Accepted(running, 0))
        send(messages.Progress(running, "fit", 0.5, 0.5))
    elif behaviour == "deaf" and running is not None:
        send(messages.Accepted(request.job, 1))
    else:
        send(messages.Accepted(request.job, 0))
        send(messages.Progress(request.job, "fit", 0.5, 0.5))
        send(messages.Result(request.job, {"package": f"{request.output}/{request.name}.head"}))
