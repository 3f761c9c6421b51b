"""What the artist started and the panel shows: a job and what becomes of it in Blender. Knows no bpy.

Kept in Python only: a .blend never says that something is running.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from .jobs import Job, State


@dataclass
class Work:
    """One fit, from the click until its head is in a scene or dismissed."""

    job: Job
    photos: tuple[str, ...]
    name: str  # of the head
    file: int  # which of the session's .blend files it was started in
    watched: bool = False  # an operator waits to finish it
    package: object | None = None  # head.package.Package, read in a thread once the job is done
    package_problem: str = ""
    _reading: threading.Thread | None = field(default=None, repr=False)

    @property
    def id(self) -> str:
        return self.job.id

    @property
    def is_under_way(self) -> bool:
        return not self.job.is_over

    @property
    def path(self) -> str | None:
        """The head package, once there is one."""
        values = self.job.view.values
        return None if values is None else str(values["package"])

    @property
    def photo_at_fault(self) -> str | None:
        error = self.job.view.error
        if error is None or error.photo is None or not 0 <= error.photo < len(self.photos):
            return None
        return self.photos[error.photo]

    def waits_for_the_artist(self, file: int) -> bool:
        """Is there a finished head that no operator will put into the scene by itself?"""
        return self.job.view.state is State.DONE and (not self.watched or self.file != file)

    def read(self, read_package: Callable[[str], object], problems: type[Exception]) -> bool:
        """Read the package in a thread; True once that is over. The main thread only builds."""
        if self._reading is None:

            def run() -> None:
                try:
                    self.package = read_package(self.path)
                except problems as error:
                    self.package_problem = str(error)

            self._reading = threading.Thread(target=run, name="mien-read-package", daemon=True)
            self._reading.start()
        return not self._reading.is_alive()

    def wait_for_reading(self) -> None:
        """For scripts: wait for `read`'s thread."""
        if self._reading is not None:
            self._reading.join()
