"""Identities as small JSON files: a folder of the artist's own, or any other place."""

from __future__ import annotations

import json
import re
from pathlib import Path

import bpy
import numpy as np

from .codes import padded
from .controls import MODE_COUNT
from .model import IdentityError

FORMAT = 1
SUFFIX = ".identity.json"
_ROOT_PACKAGE = __package__.removesuffix(".blender_addon.identity")


def folder(create: bool = False) -> Path | None:
    """The artist's folder of identities; None where Mien is not installed as an extension (Blender as a module)."""
    try:
        return Path(bpy.utils.extension_path_user(_ROOT_PACKAGE, path="identities", create=create))
    except ValueError:
        return None


def listed() -> list[Path]:
    """The identities in the artist's folder, by name."""
    where = folder()
    return sorted(where.glob(f"*{SUFFIX}")) if where is not None and where.is_dir() else []


def name_of(path: Path) -> str:
    return path.name.removesuffix(SUFFIX)


def file_name(name: str) -> str:
    """A file name that every system accepts.

    Raises:
        IdentityError: nothing is left of the name.
    """
    kept = re.sub(r"[^\w\- ]+", "_", name).strip(" _.")[:80]
    if not kept:
        raise IdentityError(f"'{name}' cannot name an identity: give a name with a letter or a digit in it.")
    return kept + SUFFIX


def save(path: Path, name: str, codes: np.ndarray) -> None:
    """Write codes [K] as `path`.

    Raises:
        IdentityError: the file cannot be written.
    """
    content = {"mien_identity": FORMAT, "name": name, "codes": [round(float(code), 5) for code in padded(codes)]}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".partial")
        partial.write_text(json.dumps(content), encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise IdentityError(f"{path.name} could not be written ({error.strerror}): choose another folder.") from error


def load(path: Path) -> np.ndarray:
    """[K] the codes in a file; a head package's head.json is understood too.

    Raises:
        IdentityError: not such a file, or one of another model.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if "mien_identity" in content:
            found, codes = int(content["mien_identity"]), content["codes"]
        else:
            found, codes = FORMAT, content["identity"]
        codes = np.asarray(codes, np.float32)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IdentityError(f"{path.name} holds no identity: choose a file that Save Identity wrote.") from error
    if found > FORMAT:
        raise IdentityError(f"{path.name} was saved by a newer Mien (format {found}): update Mien to open it.")
    if codes.ndim != 1 or len(codes) > MODE_COUNT:
        raise IdentityError(f"{path.name} is of another head model: choose an identity saved by this Mien.")
    return padded(codes)
