"""Photos are looked at as soon as they are added: the artist hears at once whether there is a face to fit."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from ..neural_backend.protocol import messages
from ..neural_backend.protocol.errors import MienError
from . import session
from .jobs import Job, State
from .messages import REMEDIES, REMOVE_PHOTO
from .preferences import preferences

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Verdict:
    """What looking at a photo gave."""

    problem: str = ""  # one sentence; empty when the photo can be fitted


def inspect(path: str) -> None:
    """Look at a photo as soon as it is added, if there is a backend that can."""
    current = session.get()
    known = current.inspections.get(path)
    if not session.is_available() or (known is not None and (not known.is_over or verdict(path) is not None)):
        return

    def request(job: str) -> messages.Message:
        return messages.Inspect(job=job, key=path, photo=path, device=preferences().device.lower())

    try:
        current.inspections[path] = current.client.submit(Job(request, f"Look at {Path(path).name}"))
    except MienError as error:
        log.info("not looking at %s: %s", path, error)


def verdict(path: str) -> Verdict | None:
    """What looking at a photo gave; None while nobody knows, be it that the backend failed."""
    current = session.peek()
    job = None if current is None else current.inspections.get(path)
    if job is None or not job.is_over:
        return None
    error = job.view.error
    if error is not None:
        return Verdict(error.text) if REMEDIES.get(error.code) is REMOVE_PHOTO else None
    return Verdict() if job.view.state is State.DONE else None


def is_looking_at(path: str) -> bool:
    current = session.peek()
    job = None if current is None else current.inspections.get(path)
    return job is not None and not job.is_over


def forget_photo(path: str) -> None:
    """A photo left the list: if it comes back, it is looked at again."""
    current = session.peek()
    if current is not None and (job := current.inspections.pop(path, None)) is not None:
        current.client.cancel(job)
