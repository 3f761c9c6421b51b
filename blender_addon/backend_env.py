"""The Python environment of the neural backend: where it is, whether it is complete, how to start it. Knows no bpy.

Either the venv that Install Backend makes under the user folder, or a Python that the user chose, used as it is.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from ..neural_backend.protocol.errors import MienError
from .connection import Launch

#: What the backend needs; the same list as pyproject.toml's extra "backend", torch first since it is most of the way.
REQUIREMENTS = (
    "torch==2.13.0",
    "warp-lang==1.19.0",
    "numpy>=1.26",
    "scipy>=1.11",
    "opencv-python-headless>=4.10,<5",
    "safetensors>=0.4.5",
    "pillow>=10.3",
    "trimesh>=4.4",
    "embreex>=4.4",
    "tqdm>=4.66",
)
MODULES = ("torch", "warp", "numpy", "scipy", "cv2", "safetensors", "PIL", "trimesh", "embreex")
MARKER = "complete.json"  # written last: a venv without it was interrupted

_CHECK = """
import importlib.metadata, importlib.util, json, platform, sys
missing = [name for name in sys.argv[1:] if importlib.util.find_spec(name) is None]
torch = "" if "torch" in missing else importlib.metadata.version("torch")
print(json.dumps({"python": platform.python_version(), "torch": torch, "missing": missing}))
"""


@dataclass(frozen=True)
class Check:
    """What a Python was found to be."""

    python: str  # its version; empty when it does not run
    torch: str
    missing: tuple[str, ...]
    problem: str = ""  # one sentence; empty when the backend can run

    @property
    def is_ready(self) -> bool:
        return not self.problem


def venv_python(folder: Path) -> Path:
    """The interpreter of a venv."""
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def venv_folder(backend_folder: Path) -> Path:
    return backend_folder / "venv"


def is_installed(backend_folder: Path) -> bool:
    return (venv_folder(backend_folder) / MARKER).is_file() and venv_python(venv_folder(backend_folder)).exists()


def find_python(backend_folder: Path, chosen: str = "") -> Path:
    """The Python to run the backend with.

    Raises:
        MienError: backend_missing, none is installed or the chosen one is not there.
    """
    if chosen.strip():
        python = Path(chosen.strip())
        if not python.is_file():
            raise MienError(
                "backend_missing", f"There is no Python at {python}: choose another in Mien's preferences, or none."
            )
        return python
    if not is_installed(backend_folder):
        raise MienError("backend_missing", "The neural backend is not installed yet: install it once.")
    return venv_python(venv_folder(backend_folder))


def check_python(python: Path) -> Check:
    """Run a Python and ask what it has. Takes up to some seconds: call it from a thread."""
    try:
        done = subprocess.run(
            [str(python), "-c", _CHECK, *MODULES],
            capture_output=True,
            text=True,
            timeout=60,
            env=_environment(),
            check=True,
            stdin=subprocess.DEVNULL,
            creationflags=subprocess.CREATE_NO_WINDOW if sys.platform == "win32" else 0,
        )
        found = json.loads(done.stdout.strip().splitlines()[-1])
        check = Check(found["python"], found["torch"], tuple(found["missing"]))
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, IndexError):
        return Check("", "", (), f"{python} does not run as a Python: choose another.")
    version = tuple(map(int, check.python.split(".")[:2]))
    if version < (3, 11):
        problem = f"Python {check.python} is too old: the backend needs 3.11 or newer."
    elif check.missing:
        problem = f"The Python lacks {', '.join(check.missing)}: install the backend, or add them to it."
    else:
        return check
    return Check(check.python, check.torch, check.missing, problem)


def launch(python: Path, extension: Path, backend_folder: Path, log: Path) -> Launch:
    """How to start the backend: the code that ships with the extension, in `python`."""
    return Launch(
        command=(str(python), "-m", "neural_backend.server"),
        environment=_environment(extension, backend_folder),
        folder=backend_folder,
        log=log,
    )


def _environment(extension: Path | None = None, backend_folder: Path | None = None) -> dict[str, str]:
    """Ours without what would lead another Python astray; caches go to the user folder, never beside the code."""
    foreign = ("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
    environment = {name: value for name, value in os.environ.items() if name not in foreign}
    environment["PYTHONNOUSERSITE"] = "1"
    environment["PYTHONUTF8"] = "1"
    if extension is not None:
        environment["PYTHONPATH"] = str(extension)
    if backend_folder is not None:
        environment["PYTHONPYCACHEPREFIX"] = str(backend_folder / "cache" / "python")
        environment.setdefault("WARP_CACHE_PATH", str(backend_folder / "cache" / "warp"))
    return environment
