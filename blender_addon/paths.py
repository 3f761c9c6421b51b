"""Where things are. Everything that Mien writes lies under the extension's user folder or one the artist chose."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

import bpy

ROOT_PACKAGE = __package__.rpartition(".")[0]
#: The extension's own folder: read only.
ROOT = Path(__file__).resolve().parent.parent


def user_folder(name: str = "") -> Path:
    """A folder under the extension's user folder, made if need be. It survives updates of the extension."""
    return Path(bpy.utils.extension_path_user(ROOT_PACKAGE, path=name, create=True))


def backend_folder() -> Path:
    return user_folder("backend")


def backend_log() -> Path:
    return user_folder("logs") / "backend.log"


def install_log() -> Path:
    return user_folder("logs") / "install.log"


def heads_folder(chosen: str) -> Path:
    """Where fitted heads go: the folder chosen in the preferences, or one of ours."""
    return Path(bpy.path.abspath(chosen)) if chosen.strip() else user_folder("heads")


def clean_name(wanted: str) -> str:
    """A folder name that every system accepts, as the backend makes it; "Head" if nothing is left of it."""
    name = re.sub(r"[^\w\- ]+", "_", wanted, flags=re.UNICODE).strip(" _.")
    return name.encode()[:190].decode(errors="ignore") or "Head"


def takes_folder() -> Path:
    return user_folder("takes")


def free_name(folder: Path, wanted: str, taken: Iterable[str] = (), suffix: str = ".head") -> str:
    """`wanted`, with a number if a head of that name is there or under way: no fit may replace another head."""
    wanted, taken = clean_name(wanted), set(taken)
    name, number = wanted, 2
    while name in taken or (folder / f"{name}{suffix}").exists():
        name, number = f"{wanted} {number}", number + 1
    return name


def remove_unfinished(folder: Path, name: str) -> None:
    """Remove what a killed backend may have left of one head while writing it. Touches no bpy."""
    for unfinished in folder.glob(f".{glob_escaped(name)}-*.writing"):
        shutil.rmtree(unfinished, ignore_errors=True)


def glob_escaped(name: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", name)
