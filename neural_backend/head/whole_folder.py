"""Folders that exist whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ..protocol.cancellation import checkpoint
from ..protocol.errors import MienError


@contextlib.contextmanager
def whole_folder(target: Path, what: str, error: type[MienError] = MienError) -> Iterator[Path]:
    """Gives a hidden folder beside `target` to write into, which takes its place, and an older one's, at the end.

    Args:
        target: its parent is made if need be.
        what: for the sentence, such as "head".

    Raises:
        error: cannot_write: the folder cannot be written, or the disk is full.
        Cancelled: the job was stopped. In either case nothing is left behind, and an older folder stays.
    """
    staging = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{target.stem}-", suffix=".writing", dir=target.parent))
        yield staging
        checkpoint()  # the last: from here on it exists
        staging.chmod(0o755)  # mkdtemp makes it private; this is an ordinary folder
        _replace(staging, target)
    except OSError as problem:
        raise error(
            "cannot_write",
            f"The {what} could not be written to {target.parent} ({problem.strerror or problem}): choose another "
            "folder or free some space.",
        ) from problem
    finally:
        if staging is not None and staging.exists():
            shutil.rmtree(staging, ignore_errors=True)


def _replace(new: Path, target: Path) -> None:
    """Put `new` at `target`. An old target steps aside first and comes back if the rename fails or is interrupted."""
    if not target.exists():
        os.rename(new, target)
        return
    holder = Path(tempfile.mkdtemp(prefix=f".{target.name}-", suffix=".old", dir=target.parent))
    aside = holder / "before"
    try:
        os.rename(target, aside)
        os.rename(new, target)
    except BaseException:
        if aside.exists() and not target.exists():
            os.rename(aside, target)
        raise
    finally:
        if target.exists():  # otherwise what stands aside is the only copy
            shutil.rmtree(holder, ignore_errors=True)
