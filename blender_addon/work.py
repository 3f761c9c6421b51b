"""What the artist started and the panel shows: a job and what becomes of it in Blender. Knows no bpy.

Kept in Python only: a .blend never says that something is running.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from .jobs import Job, State
from .later import Later


@dataclass
class Work:
    """One fit or capture, from the click until its result is in a scene or dismissed."""

    job: Job
    photos: tuple[str, ...]
    name: str  # of the head or the take
    file: int  # which of the session's .blend files it was started in
    kind: str = "head"  # what comes out: "head" or "take"
    target: str = ""  # uuid of the head that a take, or a head solved again, is meant for
    watched: bool = False  # an operator waits to finish it
    package: object | None = (
        None  # head.package.Package or expression.takes.Take, read in a thread once the job is done
    )
    package_problem: str = ""
    _reading: Later | None = field(default=None, repr=False)

    @property
    def id(self) -> str:
        return self.job.id

    @property
    def is_under_way(self) -> bool:
        return not self.job.is_over

    @property
    def path(self) -> str | None:
        """The head package or the take, once there is one."""
        values = self.job.view.values
        return None if values is None else str(values["take" if self.kind == "take" else "package"])

    @property
    def photo_at_fault(self) -> str | None:
        error = self.job.view.error
        if error is None or error.photo is None or not 0 <= error.photo < len(self.photos):
            return None
        return self.photos[error.photo]

    def waits_for_the_artist(self, file: int) -> bool:
        """Is there a finished head that no operator will put into the scene by itself?"""
        return self.job.view.state is State.DONE and (not self.watched or self.file != file)

    def read(self, read_package: Callable[[str], object], problems: type[Exception], wait: bool = False) -> bool:
        """Read the package in a thread; True once that is over, for scripts at once. The main thread only builds."""
        if self._reading is None:
            self._reading = Later(read_package, self.path)
        if not self._reading.is_over and not wait:
            return False
        try:
            self.package = self._reading.result()
        except problems as error:
            self.package_problem = str(error)
        return True

    def forget_problem(self) -> None:
        """A new try reads again: the artist may have put back what was missing."""
        if self.package_problem:
            self._reading, self.package_problem = None, ""
