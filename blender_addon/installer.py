"""Installs the backend's venv in the background: steps, a log, a way to stop. Knows no bpy.

Nothing goes into Blender itself. It asks nobody: consent and online access are the operator's to have.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .backend_env import MARKER, REQUIREMENTS, check_python, venv_folder, venv_python

log = logging.getLogger(__name__)

_COLLECTING = re.compile(r"^\s*(Collecting|Downloading|Using cached|Installing collected packages|Building)\b[: ]*(.*)")
_EXPECTED = 28.0  # packages that torch and the rest bring in, roughly: for the bar only


@dataclass(frozen=True)
class InstallView:
    """One moment of an installation."""

    done: float = 0.0
    text: str = ""
    is_over: bool = False
    problem: str = ""  # one sentence, when it failed
    cancelled: bool = False

    @property
    def succeeded(self) -> bool:
        return self.is_over and not self.problem and not self.cancelled


class Installer:
    """One installation, running from the moment it is made."""

    def __init__(
        self,
        base_python: Path,
        backend_folder: Path,
        log_file: Path,
        requirements: Sequence[str] = REQUIREMENTS,
        index: str = "",
        check: bool = True,
    ):
        """
        Args:
            base_python: makes the venv; Blender's own will do, it gets nothing installed.
            index: a package index to take packages from; empty for what pip is configured for.
            check: look at the finished venv for all that the backend imports.
        """
        self._base, self._folder, self._log_file = base_python, backend_folder, log_file
        self._requirements, self._index, self._check = tuple(requirements), index.strip(), check
        self._view = InstallView(text="Preparing")
        self._process: subprocess.Popen | None = None
        self._cancelled = False
        self._error = ""  # pip's last
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="mien-install", daemon=True)
        self._thread.start()

    @property
    def view(self) -> InstallView:
        return self._view

    def cancel(self) -> None:
        """Stop; what is there of the venv is removed."""
        with self._lock:
            self._cancelled = True
            process = self._process
        if process is not None:
            try:
                process.kill()
            except OSError:
                pass

    def wait(self, seconds: float) -> bool:
        """For scripts, tests and the end of Blender."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    # --- the thread

    def _run(self) -> None:
        venv = venv_folder(self._folder)
        problem = ""
        try:
            self._log_file.parent.mkdir(parents=True, exist_ok=True)
            with open(self._log_file, "w", encoding="utf-8") as sink:
                problem = self._install(venv, sink)
        except OSError as error:
            problem = f"The backend could not be written ({error.strerror or error}): free some space and try again."
        except Exception:  # the edge of the thread
            log.exception("installing the backend")
            problem = "Something went wrong while installing the backend: see the install log."
        if problem or self._cancelled:
            shutil.rmtree(venv, ignore_errors=True)
        self._view = replace(
            self._view, is_over=True, cancelled=self._cancelled, problem="" if self._cancelled else problem
        )

    def _install(self, venv: Path, sink) -> str:
        """The problem in one sentence, or nothing."""
        shutil.rmtree(venv, ignore_errors=True)
        self._show(0.02, "Making a Python environment")
        if self._call([str(self._base), "-m", "venv", str(venv)], sink):
            return (
                f"{self._base.name} could not make an environment: choose another Python in Mien's preferences, "
                "or see the install log."
            )
        command = [str(venv_python(venv)), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
        command += ["--progress-bar", "off", *(["--index-url", self._index] if self._index else [])]
        self._show(0.05, "Downloading packages")
        if self._call([*command, *self._requirements], sink):
            return f"The packages could not be installed{self._why()}: see the install log."
        if self._check:
            self._show(0.97, "Checking")
            check = check_python(venv_python(venv))
            if not check.is_ready:
                return check.problem
        complete = {"requirements": self._requirements, "base": str(self._base)}
        (venv / MARKER).write_text(json.dumps(complete), encoding="utf-8")
        self._show(1.0, "Installed")
        return ""

    def _call(self, command: list[str], sink) -> int:
        """Run a command, its output into the log and, in short, into the view; its exit code."""
        foreign = ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV")
        with self._lock:
            if self._cancelled:
                return 1
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
                env={name: value for name, value in os.environ.items() if name not in foreign},
                creationflags=subprocess.CREATE_NO_WINDOW if sys.platform == "win32" else 0,
            )
        sink.write(f"$ {' '.join(command)}\n")
        with self._process as process:
            for line in process.stdout:
                sink.write(line)
                sink.flush()
                self._read_line(line)
        sink.write(f"exit code {process.returncode}\n")
        return process.returncode

    def _read_line(self, line: str) -> None:
        if line.startswith("ERROR:"):
            self._error = line.removeprefix("ERROR:").strip()
        found = _COLLECTING.match(line)
        if found is None:
            return
        what, which = found.groups()
        if what.startswith("Installing"):
            self._show(0.80, "Installing packages")
        elif what == "Collecting":
            left = max(0.75 - self._view.done, 0.0)
            name = re.split(r"[ <>=!~;]", which)[0]
            self._show(self._view.done + left / _EXPECTED * 2, f"Downloading {name}")
        elif what == "Downloading":
            self._show(self._view.done, f"Downloading {which.split('/')[-1][:60]}")

    def _why(self) -> str:
        return f" ({self._error[:140]})" if self._error else ""

    def _show(self, done: float, text: str) -> None:
        self._view = replace(self._view, done=done, text=text)
