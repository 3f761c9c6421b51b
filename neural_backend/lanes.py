"""Lanes of work, each one thread: jobs in order; of requests with the same key only the newest counts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from .protocol.cancellation import CancelToken


@dataclass(frozen=True)
class Ticket:
    """One job in a lane."""

    job: str  # "" for work of the backend's own, which nobody waits for by name
    work: Callable[[CancelToken], Callable[[], None]]  # does it; returns what tells the outcome; raises nothing
    drop: Callable[[], None]  # called instead of work when it was cancelled or replaced before its turn
    key: str | None = None  # a newer ticket of this key replaces a waiting one and stops a running one
    token: CancelToken = field(default_factory=CancelToken)


class Lane:
    """Tickets one after the other."""

    def __init__(self, name: str) -> None:
        self._waiting: list[Ticket] = []
        self._running: Ticket | None = None
        self._closed = False
        self._change = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, ticket: Ticket) -> int:
        """Queue a ticket; returns how many jobs come before it."""
        with self._change:
            replaced = [other for other in self._waiting if ticket.key is not None and other.key == ticket.key]
            self._waiting = [other for other in self._waiting if other not in replaced]
            if self._running is not None and ticket.key is not None and self._running.key == ticket.key:
                self._running.token.cancel()
            ahead = [*self._waiting, *([self._running] if self._running is not None else [])]
            before = sum(bool(other.job) for other in ahead)
            self._waiting.append(ticket)
            self._change.notify_all()
        for other in replaced:
            other.drop()
        return before

    def cancel(self, job: str) -> bool:
        """Stop a job: at once if it waits, at its next checkpoint if it runs. False if this lane does not know it."""
        with self._change:
            dropped = [ticket for ticket in self._waiting if ticket.job == job]
            self._waiting = [ticket for ticket in self._waiting if ticket.job != job]
            running = self._running is not None and self._running.job == job
            if running:
                self._running.token.cancel()
        for ticket in dropped:
            ticket.drop()
        return running or bool(dropped)

    def close(self, seconds: float) -> bool:
        """Forget what waits, stop what runs, wait for it at most so long. True if the lane is idle."""
        with self._change:
            self._closed = True
            self._waiting.clear()
            if self._running is not None:
                self._running.token.cancel()
            self._change.notify_all()
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._change:
                while not self._waiting and not self._closed:
                    self._change.wait()
                if self._closed:
                    return
                ticket = self._running = self._waiting.pop(0)
            answer = ticket.work(ticket.token)
            with self._change:  # before the answer: whoever has heard it must not find the job in the lane any more
                self._running = None
            answer()
