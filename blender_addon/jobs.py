"""A job as the client side sees it: where it stands, what it shows, what came out. Thread safe; knows no bpy.

The thread that reads from the backend writes, the main thread reads: each change replaces one frozen snapshot.
"""

from __future__ import annotations

import dataclasses
import enum
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from ..neural_backend.protocol.messages import Message, Partial


class State(enum.Enum):
    WAITING = "waiting"  # for the backend to start, or behind other jobs
    RUNNING = "running"
    CANCELLING = "cancelling"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"

    @property
    def is_over(self) -> bool:
        return self in (State.DONE, State.CANCELLED, State.FAILED)


@dataclass(frozen=True)
class JobError:
    code: str
    text: str  # one sentence for the user
    photo: int | None = None  # which of the photos is at fault, where one is


@dataclass(frozen=True)
class JobView:
    """One moment of a job."""

    state: State = State.WAITING
    waiting: int = 0  # jobs before it
    stage: str = ""
    done: float = 0.0  # of the stage
    total: float = 0.0  # of the job
    text: str = ""
    partial: Partial | None = None  # the newest picture
    values: dict | None = None  # what came out, when DONE
    error: JobError | None = None  # when FAILED


class Job:
    """One request to the backend, from submission to its end."""

    def __init__(self, make_message: Callable[[str], Message], title: str, clean: Callable[[], None] | None = None):
        """
        Args:
            make_message: job id -> the request.
            title: what the user calls it.
            clean: removes what a killed backend may have left half-written; called from a thread, touches no bpy.
        """
        self.id = uuid.uuid4().hex
        self.message = make_message(self.id)
        self.title = title
        self.clean = clean
        self.sent_again = False  # a job is given to a second backend at most once
        self._view = JobView()
        self._lock = threading.Lock()
        self._over = threading.Event()

    @property
    def view(self) -> JobView:
        return self._view

    @property
    def is_over(self) -> bool:
        return self._view.state.is_over

    def change(self, **changes: object) -> bool:
        """Replace the snapshot. A job that is over stays as it is; False then."""
        with self._lock:
            if self._view.state.is_over:
                return False
            if self._view.state is State.CANCELLING and changes.get("state") in (State.WAITING, State.RUNNING):
                changes.pop("state")  # a message from before the backend heard of it
            self._view = dataclasses.replace(self._view, **changes)
            over = self._view.state.is_over
        if over:
            self._over.set()
        return True

    def wait(self, seconds: float) -> bool:
        """Wait for the end at most so long; only for threads that may wait."""
        return self._over.wait(seconds)
