"""Apply: fold the unapplied change into every key and finish the head as a fit is finished.

The finishing (eyes behind their lids, sealed blinks, lashes, teeth) is the backend's own code, which needs numpy only;
Blender's own Python runs it in a process beside this one, so that the artist can go on looking about for its seconds.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np

from ...neural_backend.protocol.arkit import ARKIT_NAMES
from ..head.followers import drive_followers
from ..head.frames import from_blender, to_blender
from ..head.objects import HeadObjects
from ..head.rig import move_joints
from .codes import codes_of, lid_rest_of, remember
from .live import LIVE_KEY, basis_of, clear, mixed_in, problem, show_codes, wanted_codes
from .model import IdentityError, identity_model, level_of

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Finishing:
    """A running process; `wait` or `poll` it, then `take` its result, then `close`."""

    folder: Path
    process: subprocess.Popen
    codes: np.ndarray  # [K] of the finished head

    def poll(self) -> bool:
        """Whether it has ended."""
        return self.process.poll() is not None

    def wait(self) -> None:
        self.process.wait()

    def take(self) -> dict[str, np.ndarray]:
        """The finished head: vertices [V, 3], arkit [52, V, 3], joint_positions [5, 3] (package's frame), lid_rest.

        Raises:
            IdentityError: the process failed.
        """
        if self.process.returncode != 0:
            said = (self.folder / "log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
            reason = said[-1] if said else f"exit code {self.process.returncode}"
            if self.process.returncode == 3:
                raise IdentityError(reason)
            raise IdentityError(f"Finishing the head failed ({reason}): the sliders are as they were, try again.")
        with np.load(self.folder / "result.npz", allow_pickle=False) as file:
            return {name: file[name] for name in file.files}

    def close(self) -> None:
        """End the process if it still runs, and leave nothing on the disk."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def start(head: HeadObjects) -> Finishing:
    """Begin to finish the head as its sliders show it.

    Raises:
        IdentityError: the head cannot be edited, or the disk is full.
    """
    sentence = problem(head)
    if sentence:
        raise IdentityError(sentence)
    codes = wanted_codes(head.head)
    request = {"identity": codes, **_shown(head.head, "")}
    mixed = mixed_in(head.head)
    if mixed is not None:
        other, share = mixed
        if len(other.head.data.vertices) != len(head.head.data.vertices):
            raise IdentityError(f"{other.head.name} has other vertices than Mien gave it: mix with an untouched head.")
        request |= {"share": np.float32(share), **_shown(other.head, "other_")}
    folder = Path(tempfile.mkdtemp(prefix="mien_finish_", dir=bpy.app.tempdir))  # Blender removes it, if we cannot
    try:
        np.savez(folder / "request.npz", **request)
        command = ["-m", "neural_backend.tasks.refine", str(folder / "request.npz"), str(folder / "result.npz")]
        with open(folder / "log", "wb") as log:
            process = subprocess.Popen(
                [sys.executable, *command], env=_environment(), cwd=folder, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log,
            )  # fmt: skip
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise IdentityError(f"The head cannot be finished ({error}): free some space and try again.") from error
    return Finishing(folder, process, codes)


def put(context: bpy.types.Context, head: HeadObjects, codes: np.ndarray, result: dict[str, np.ndarray]) -> None:
    """Write a finished head into the scene: all keys of all levels, the rig's joints, the head's codes."""
    model = identity_model()
    move_joints(context, head.rig, to_blender(result["joint_positions"]))
    vertices, arkit = to_blender(result["vertices"]), to_blender(result["arkit"])
    wanted = wanted_codes(head.head)
    clear(head)
    for mesh in (head.head, *head.lods):
        level = level_of(len(mesh.data.vertices))
        if level is not None:
            ids = model.vertex_ids[level]
            write_keys(mesh, vertices[ids], arkit[:, ids])
    remember(head.head, codes, float(result["lid_rest"]))
    drive_followers(head.rig, head.head)
    if not np.allclose(wanted, codes, atol=1e-4):  # the artist went on sliding while the process ran
        show_codes(head, wanted)


def write_keys(mesh: bpy.types.Object, vertices: np.ndarray, arkit: np.ndarray) -> None:
    """Give a mesh a new neutral [V, 3] and new shapes [52, V, 3], Blender's axes; further keys move along."""
    before = basis_of(mesh)
    rest = np.ascontiguousarray(vertices, np.float32).ravel()
    blocks = mesh.data.shape_keys.key_blocks
    for index, block in enumerate(blocks):
        if block.name in ARKIT_NAMES:
            positions = rest + arkit[ARKIT_NAMES.index(block.name)].astype(np.float32).ravel()
        elif index == 0:
            positions = rest
        elif block.name == LIVE_KEY:
            continue
        else:  # the artist's own key keeps its displacement
            positions = np.empty_like(rest)
            block.data.foreach_get("co", positions)
            positions += rest - before
        block.data.foreach_set("co", positions)
    mesh.data.vertices.foreach_set("co", rest)
    mesh.data.update()


def _shown(mesh: bpy.types.Object, prefix: str) -> dict[str, np.ndarray]:
    """The head as it is in Blender, without the unapplied change, in the package's frame."""
    blocks = mesh.data.shape_keys.key_blocks
    missing = [name for name in ARKIT_NAMES if name not in blocks]
    if missing:
        raise IdentityError(f"{mesh.name} has lost the shape {missing[0]}: import the head again.")
    rest = basis_of(mesh)
    shapes = np.empty((len(ARKIT_NAMES), len(rest)), np.float32)
    for row, name in zip(shapes, ARKIT_NAMES, strict=True):
        blocks[name].data.foreach_get("co", row)
    return {
        f"{prefix}vertices": from_blender(rest.reshape(-1, 3)),
        f"{prefix}arkit": from_blender((shapes - rest).reshape(len(shapes), -1, 3)),
        f"{prefix}shown_identity": codes_of(mesh),
        f"{prefix}lid_rest": np.float32(lid_rest_of(mesh)),
    }


def _environment() -> dict[str, str]:
    """The process finds our packages, and writes no byte code into the extension's folder."""
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
