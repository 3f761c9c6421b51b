"""Serves one Blender: reads its requests, puts them into lanes, answers. server.py is the process around it."""

from __future__ import annotations

import importlib.metadata
import logging
import os
import platform
import sys
import threading
import time
import tomllib
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from .lanes import Lane, Ticket
from .protocol import framing, messages
from .protocol.cancellation import CancelToken, working_under
from .protocol.errors import Cancelled, MienError
from .server import Outlet
from .tasks.table import TASKS, Task

log = logging.getLogger(__name__)

ALIVE_S = 1.0
PROGRESS_S = 0.05  # more often than this nobody reads a bar
CLOSING_S = 5.0  # for a job to reach a checkpoint and clean up after stdin closed


class JobProgress:
    """The progress of one job: its stop sign, its place in the whole, its pictures. A `tasks.progress.Watched`."""

    def __init__(self, job: str, weights: dict[str, float], token: CancelToken, outlet: Outlet) -> None:
        self._job, self._token, self._outlet = job, token, outlet
        self._sum = sum(weights.values())
        self._start, start = {}, 0.0
        for stage, weight in weights.items():
            self._start[stage] = (start, weight)
            start += weight
        self._last_sent, self._last_text = 0.0, ("", "")

    def __call__(self, stage: str, done: float, text: str = "") -> None:
        self._token.check()
        now = time.monotonic()
        if (stage, text) == self._last_text and now - self._last_sent < PROGRESS_S and done < 1.0:
            return
        self._last_sent, self._last_text = now, (stage, text)
        start, weight = self._start.get(stage, (0.0, 0.0))
        done = min(max(float(done), 0.0), 1.0)
        total = (start + weight * done) / self._sum
        self._outlet.send(messages.Progress(self._job, stage, done, total, text))

    def picture(self, stage: str, image: np.ndarray) -> None:
        """Show [H, W, 3] uint8 sRGB, row 0 on top."""
        self._token.check()
        rgba = np.full((*image.shape[:2], 4), 255, np.uint8)
        rgba[..., :3] = image[::-1]
        self._outlet.send(messages.Partial(self._job, stage, image.shape[1], image.shape[0], rgba.tobytes()))


class Service:
    """Reads requests, puts them into lanes, answers."""

    def __init__(self, incoming: BinaryIO, outlet: Outlet) -> None:
        self._incoming, self._outlet = incoming, outlet
        self._lanes = {"compute": Lane("compute"), "preview": Lane("preview")}

    def serve(self) -> None:
        """Until stdin closes.

        Raises:
            FramingError, MessageError: the other side does not speak this protocol.
        """
        threading.Thread(target=self._pulse, name="alive", daemon=True).start()
        try:
            while (frame := framing.read(self._incoming)) is not None:
                self._handle(messages.decode(frame, messages.REQUESTS))
        finally:
            for lane in self._lanes.values():
                lane.close(0.0)
            deadline = time.monotonic() + CLOSING_S
            for name, lane in self._lanes.items():
                if not lane.close(max(deadline - time.monotonic(), 0.0)):
                    log.warning("the %s lane did not stop in time", name)

    def _handle(self, message: messages.Message) -> None:
        match message:
            case messages.Hello():
                # In the compute lane: importing torch takes seconds, in which cancels must already be heard.
                self._lanes["compute"].put(Ticket("", lambda token: self._warm_up(message), lambda: None))
            case messages.Cancel(job=job):
                for lane in self._lanes.values():
                    lane.cancel(job)
            case _:
                self._queue(message)

    def _queue(self, message: messages.Message) -> None:
        task, job = TASKS[message.kind], message.job
        before = self._lanes[task.lane].put(
            Ticket(
                job,
                work=lambda token: self._work(task, message, token),
                drop=lambda: self._outlet.send(messages.Cancelled(job)),
                key=getattr(message, "key", None),
            )
        )
        self._outlet.send(messages.Accepted(job, before))

    def _work(self, task: Task, message: messages.Message, token: CancelToken) -> Callable[[], None]:
        outcome = self._outcome(task, message, token)
        return lambda: self._outlet.send(outcome)

    def _outcome(self, task: Task, message: messages.Message, token: CancelToken) -> messages.Message:
        job = message.job
        progress = JobProgress(job, task.weights, token, self._outlet)
        try:
            token.check()
            with working_under(token):
                values = task.run(message, progress)
            return messages.Result(job, values)
        except Cancelled:
            return messages.Cancelled(job)
        except MienError as error:
            log.info("%s: %s", error.code, error.sentence)
            return messages.Error(job, error.code, error.sentence, error.photo)
        except MemoryError:
            traceback.print_exc()
            text = "There is not enough memory: choose smaller maps or close other programs."
            return messages.Error(job, "out_of_memory", text)
        except Exception as error:  # the edge of the lane: one sentence for the user, the rest into the log
            traceback.print_exc()
            text = f"Something went wrong inside Mien ({type(error).__name__}); see the backend's log."
            return messages.Error(job, "internal", text)

    def _warm_up(self, hello: messages.Hello) -> Callable[[], None]:
        """Import what takes long, greet, then load the models, so that the first job finds them.

        Returns what a ticket's work returns: nothing is left to tell.
        """
        if hello.version != messages.VERSION:
            text = "The neural backend and the extension are of different versions; restart Blender."
            self._refuse("backend_version", text)
        try:
            from .fitting import picture, textures  # noqa: F401 - so that the first job need not
            from .fitting.fit import load_models
            from .head import anatomy_maps  # noqa: F401
            from .rendering.device import choose_device
        except ImportError as error:
            traceback.print_exc()
            self._refuse("backend_incomplete", f"The backend's Python lacks {error.name or error}; install it again.")
        device = choose_device("auto")
        self._outlet.send(
            messages.Welcome(
                version=messages.VERSION,
                release=release(),
                device=device,
                python=platform.python_version(),
                torch=importlib.metadata.version("torch"),
                pid=os.getpid(),
            )
        )
        try:
            load_models(device)
        except Exception:  # not this ticket's trouble: the job that needs them reports it
            traceback.print_exc()
        return lambda: None

    def _refuse(self, code: str, text: str) -> None:
        self._outlet.send(messages.Refused(code, text))
        sys.stderr.flush()
        os._exit(3)

    def _pulse(self) -> None:
        while True:
            time.sleep(ALIVE_S)
            self._outlet.send(messages.Alive())


def release() -> str:
    """Mien's version, from the manifest that ships beside this package; "source" where there is none."""
    try:
        manifest = Path(__file__).resolve().parent.parent / "blender_manifest.toml"
        return str(tomllib.loads(manifest.read_text(encoding="utf-8"))["version"])
    except (OSError, ValueError, KeyError):
        return "source"
