"""The backend as Blender uses it: submit, cancel, pump, close. Starts the process when there is work. Knows no bpy."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from ..neural_backend.protocol import messages
from .connection import Connection, Ending, Launch
from .jobs import Job, JobError, State

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Patience:
    """Seconds after which the client acts by itself."""

    cancel: float = 2.0  # a cancel that is not obeyed: kill and restart
    silence: float = 40.0  # nothing heard: stalled. Importing torch from a slow disk is silent for long.


class Client:
    """One backend at a time and the jobs given to it. All methods return at once, save `wait`."""

    def __init__(self, find_launch: Callable[[], Launch], patience: Patience | None = None):
        """
        Args:
            find_launch: says how to start; asked by `submit` alone, in its thread, since preferences are the main
                thread's. It may raise what the user must mend first.
        """
        self.welcome: messages.Welcome | None = None  # of the running backend
        self.last_ending: Ending | None = None  # how the one before ended, if not by our wish
        self._find_launch = find_launch
        self._launch: Launch | None = None
        self._patience = patience or Patience()
        self._connection: Connection | None = None
        self._jobs: dict[str, Job] = {}  # not over yet
        self._deadlines: dict[str, float] = {}  # of cancels
        self._lock = threading.RLock()
        self._changes = 0

    # --- what users of the client do

    def submit(self, job: Job) -> Job:
        """Give a job to the backend, which is started if it is not running."""
        with self._lock:
            if self._connection is None:
                self._launch = self._find_launch()
            connection = self._connected()
            self._jobs[job.id] = job
            connection.send(job.message)
        return job

    def cancel(self, job: Job) -> None:
        """Ask to stop. If the backend does not obey in time, `pump` kills it."""
        with self._lock:
            if job.is_over or job.id in self._deadlines:
                return
            if self._connection is None or job.id not in self._jobs:
                job.change(state=State.CANCELLED)
                self._forget(job)
                return
            job.change(state=State.CANCELLING)
            self._deadlines[job.id] = time.monotonic() + self._patience.cancel
            self._connection.send(messages.Cancel(job.id))
            self._changes += 1

    def pump(self) -> bool:
        """To be called regularly from the main thread: enforces deadlines. True if something changed since."""
        now = time.monotonic()
        with self._lock:
            connection = self._connection
            late = [
                self._jobs[key] for key, deadline in self._deadlines.items() if now > deadline and key in self._jobs
            ]
            if connection is not None and late:
                log.warning("the backend did not stop in time and is restarted")
                self._replace(connection, cancelled=late)
            elif connection is not None and self._jobs and now - connection.last_heard > self._patience.silence:
                connection.kill(
                    Ending("backend_stalled", "The neural backend did not answer any more and was stopped; try again.")
                )
            changed, self._changes = self._changes > 0, 0
        return changed

    def wait(self, job: Job, beat: Callable[[], None] = lambda: None) -> Job:
        """Pump until the job is over: for scripts and background mode. `beat` is called ten times a second."""
        while not job.wait(0.1):
            self.pump()
            beat()
        return job

    def close(self, seconds: float = 0.0) -> None:
        """End the backend. It cleans up by itself; after `seconds` it is killed, with 0 a thread sees to that."""
        with self._lock:
            connection, self._connection, self.welcome = self._connection, None, None
            jobs = list(self._jobs.values())
            self._jobs.clear()
            self._deadlines.clear()
        for job in jobs:
            job.change(state=State.CANCELLED)
        if connection is None:
            return
        connection.close()

        def see_it_end(patience: float) -> None:
            if not connection.wait(patience):
                connection.kill()
                connection.wait(1.0)
            _clean(jobs)

        if seconds > 0:
            see_it_end(seconds)
        else:
            threading.Thread(target=see_it_end, args=(5.0,), name="mien-backend-end", daemon=True).start()

    @property
    def is_running(self) -> bool:
        return self._connection is not None

    @property
    def pid(self) -> int | None:
        connection = self._connection
        return None if connection is None else connection.pid

    @property
    def jobs(self) -> list[Job]:
        with self._lock:
            return list(self._jobs.values())

    # --- under the lock

    def _connected(self) -> Connection:
        if self._connection is None:
            self.welcome = None
            self._connection = Connection(self._launch, self._receive, self._ended)
            self._connection.send(messages.Hello())
        return self._connection

    def _replace(self, connection: Connection, cancelled: list[Job]) -> None:
        """Kill a backend that does not obey; whatever else it had to do goes to a new one."""
        connection.kill()
        self._connection, self.welcome = None, None
        for job in cancelled:
            self._forget(job)

        def see_it_end() -> None:
            connection.wait(5.0)
            _clean(cancelled)
            for job in cancelled:
                job.change(state=State.CANCELLED)
            self._changes += 1

        threading.Thread(target=see_it_end, name="mien-backend-end", daemon=True).start()
        self._send_again(list(self._jobs.values()))
        self._changes += 1

    def _send_again(self, jobs: list[Job]) -> None:
        for job in jobs:
            job.sent_again = True
            job.change(state=State.WAITING, stage="", done=0.0, total=0.0, text="")
            self._connected().send(job.message)

    def _forget(self, job: Job) -> None:
        self._jobs.pop(job.id, None)
        self._deadlines.pop(job.id, None)
        self._changes += 1

    # --- called from the reading thread

    def _receive(self, connection: Connection, message: messages.Message) -> None:
        with self._lock:
            if connection is not self._connection:
                return
            if isinstance(message, messages.Alive):
                return
            self._changes += 1
            if isinstance(message, messages.Welcome):
                self.welcome, self.last_ending = message, None
            elif isinstance(message, messages.Refused):
                connection.kill(Ending(message.code, message.text))
            else:
                job = self._jobs.get(message.job)
                if job is not None:
                    self._apply(job, message)

    def _apply(self, job: Job, message: messages.Message) -> None:
        match message:
            case messages.Accepted(waiting=waiting):
                job.change(waiting=waiting)
            case messages.Progress(stage=stage, done=done, total=total, text=text):
                job.change(state=State.RUNNING, waiting=0, stage=stage, done=done, total=total, text=text)
            case messages.Partial():
                job.change(partial=message)
            case messages.Result(values=values):
                job.change(state=State.DONE, values=values, done=1.0, total=1.0)
                self._forget(job)
            case messages.Cancelled():
                job.change(state=State.CANCELLED)
                self._forget(job)
            case messages.Error(code=code, text=text, photo=photo):
                job.change(state=State.FAILED, error=JobError(code, text, photo))
                self._forget(job)

    def _ended(self, connection: Connection, ending: Ending) -> None:
        with self._lock:
            if connection is not self._connection:
                return
            served = self.welcome is not None
            self._connection, self.welcome, self.last_ending = None, None, ending
            jobs, again, lost = list(self._jobs.values()), [], []
            for job in jobs:
                # What had not begun goes to a new backend, unless this one could not even start.
                untouched = served and job.view.state is State.WAITING and not job.sent_again
                (again if untouched else lost).append(job)
        _clean(lost)  # before they are over: whoever waits for them finds the folder clean
        with self._lock:
            for job in lost:
                if job.view.state is State.CANCELLING:
                    job.change(state=State.CANCELLED)
                else:
                    job.change(state=State.FAILED, error=JobError(ending.code, ending.text))
                self._forget(job)
            self._send_again([job for job in again if not job.is_over])
            self._changes += 1


def _clean(jobs: list[Job]) -> None:
    for job in jobs:
        if job.clean is not None:
            try:
                job.clean()
            except OSError as error:
                log.warning("cleaning up after %s: %s", job.title, error)
