"""A process beside Blender that works in a temporary folder, so that the artist can go on meanwhile."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import bpy

LOG = "log"


@dataclass
class Beside:
    """A running process; `wait` or `poll` it, look at what it left in `folder`, then `close`."""

    folder: Path
    process: subprocess.Popen

    def poll(self) -> bool:
        """Whether it has ended."""
        return self.process.poll() is not None

    def wait(self) -> None:
        self.process.wait()

    @property
    def last_words(self) -> str:
        """The last line that it printed, or its exit code."""
        said = (self.folder / LOG).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return said[-1] if said else f"exit code {self.process.returncode}"

    def close(self) -> None:
        """End the process if it still runs, and leave nothing on the disk."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def new_folder(purpose: str) -> Iterator[Path]:
    """A folder for one process, removed again if what is inside fails. At its end Blender removes all of them."""
    folder = Path(tempfile.mkdtemp(prefix=f"mien_{purpose}_", dir=bpy.app.tempdir))
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def run(folder: Path, command: list[str], environment: dict[str, str] | None = None) -> subprocess.Popen:
    """Start `command` in `folder`, its output in the log there.

    Raises:
        OSError: it cannot be started.
    """
    with open(folder / LOG, "wb") as log:
        streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
        flags = subprocess.CREATE_NO_WINDOW if sys.platform == "win32" else 0  # no console pops up
        return subprocess.Popen(command, env=environment, cwd=folder, creationflags=flags, **streams)
