"""Apply: fold the unapplied change into every key and finish the head as a fit is finished.

The finishing (eyes behind their lids, sealed blinks, lashes, teeth) is the backend's own code, which needs numpy only;
Blender's own Python runs it in a process beside this one, so that the artist can go on looking about for its seconds.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np

from ...neural_backend.protocol.arkit import ARKIT_NAMES
from ..beside import Beside, new_folder, run
from ..head.followers import drive_followers
from ..head.frames import from_blender, to_blender
from ..head.objects import HeadObjects
from ..head.rig import move_joints
from .codes import codes_of, lid_rest_of, remember
from .live import LIVE_KEY, basis_of, clear, mixed_in, problem, show_codes, wanted_codes
from .model import IdentityError, identity_model, level_of

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Finishing(Beside):
    """A head being finished; once the process has ended, `take` its result."""

    codes: np.ndarray  # [K] of the finished head

    def take(self) -> dict[str, np.ndarray]:
        """The finished head: vertices [V, 3], arkit [52, V, 3], joint_positions [5, 3] (package's frame), lid_rest.

        Raises:
            IdentityError: the process failed.
        """
        if self.process.returncode == 3:
            raise IdentityError(self.last_words)
        if self.process.returncode != 0:
            sentence = f"Finishing the head failed ({self.last_words}): the sliders are as they were, try again."
            raise IdentityError(sentence)
        with np.load(self.folder / "result.npz", allow_pickle=False) as file:
            return {name: file[name] for name in file.files}


def gather(head: HeadObjects) -> Iterator[None]:
    """Read the head as its sliders show it, in slices; returns what `start` takes.

    Raises:
        IdentityError: the head cannot be edited.
    """
    sentence = problem(head)
    if sentence:
        raise IdentityError(sentence)
    request = {"identity": wanted_codes(head.head)}
    mixed = mixed_in(head.head)
    request |= yield from _shown(head.head, "")
    if mixed is not None:
        other, share = mixed
        if len(other.head.data.vertices) != len(head.head.data.vertices):
            raise IdentityError(f"{other.head.name} has other vertices than Mien gave it: mix with an untouched head.")
        request |= {"share": np.float32(share)}
        request |= yield from _shown(other.head, "other_")
    return request


def start(request: dict[str, np.ndarray]) -> Finishing:
    """Begin to finish a head that was gathered; may run in a thread.

    Raises:
        IdentityError: the disk is full.
    """
    try:
        with new_folder("finish") as folder:
            np.savez(folder / "request.npz", **request)
            arguments = ["-m", "neural_backend.tasks.refine", str(folder / "request.npz"), str(folder / "result.npz")]
            process = run(folder, [sys.executable, *arguments], _environment())
    except OSError as error:
        raise IdentityError(f"The head cannot be finished ({error}): free some space and try again.") from error
    return Finishing(folder, process, request["identity"])


def put(
    context: bpy.types.Context, head: HeadObjects, before: dict[str, np.ndarray], result: dict[str, np.ndarray]
) -> Iterator[None]:
    """Write a finished head into the scene, in slices. All keys, the rig's joints and the head's codes change in one of
    them, in object mode.

    Args:
        before: what `gather` found.

    Raises:
        IdentityError: the head is not what was gathered any more.
    """
    model, codes = identity_model(), before["identity"]
    now = yield from gather(head)
    if not all(np.array_equal(now[name], before[name]) for name in ("vertices", "arkit")):
        raise IdentityError(f"{head.head.name} was changed while it was being finished: apply again.")
    written = []
    for mesh in (head.head, *head.lods):
        level = level_of(len(mesh.data.vertices))
        if level is not None:
            ids = model.vertex_ids[level]
            shapes = (shape[ids] for shape in result["arkit"])
            written.append((mesh, (yield from prepare_keys(result["vertices"][ids], shapes))))
    wanted = wanted_codes(head.head)
    for mesh, keys in written:
        write_keys(mesh, keys)
    clear(head)
    remember(head.head, codes, float(result["lid_rest"]))
    move_joints(context, head.rig, to_blender(result["joint_positions"]))
    if not np.allclose(wanted, codes, atol=1e-4):  # the artist went on sliding while the process ran
        show_codes(head, wanted)
    yield
    yield from drive_followers(head.rig, head.head)


def prepare_keys(vertices: np.ndarray, arkit: Iterable[np.ndarray]) -> Iterator[None]:
    """A neutral [V, 3] and 52 shapes [V, 3], all in the package's frame, as `write_keys` takes them; in slices."""
    rest = _stored(vertices)
    keys = {}
    for name, shape in zip(ARKIT_NAMES, arkit, strict=True):
        keys[name] = rest + _stored(shape)
        yield
    return rest, keys


def write_keys(mesh: bpy.types.Object, prepared: tuple[np.ndarray, dict[str, np.ndarray]]) -> None:
    """Give a mesh a new neutral and new shapes; further keys move along. Needs object mode."""
    rest, keys = prepared
    change = rest - basis_of(mesh)
    for index, block in enumerate(mesh.data.shape_keys.key_blocks):
        if index == 0:
            positions = rest
        elif block.name in keys:
            positions = keys[block.name]
        elif block.name == LIVE_KEY:
            continue
        else:  # the artist's own key keeps its displacement
            positions = np.empty_like(rest)
            block.points.foreach_get("co", positions)
            positions += change
        block.points.foreach_set("co", positions)  # `points` is a plain array: a hundred times as fast as `data`
    mesh.data.vertices.foreach_set("co", rest)
    mesh.data.update()


def _stored(vertices: np.ndarray) -> np.ndarray:
    """[V, 3] in the package's frame -> [3V] as Blender keeps them."""
    return np.ascontiguousarray(to_blender(vertices), np.float32).ravel()


def _shown(mesh: bpy.types.Object, prefix: str) -> Iterator[None]:
    """The head as it is in Blender, without the unapplied change, in the package's frame; in slices."""
    missing = [name for name in ARKIT_NAMES if name not in mesh.data.shape_keys.key_blocks]
    if missing:
        raise IdentityError(f"{mesh.name} has lost the shape {missing[0]}: import the head again.")
    rest = basis_of(mesh)
    shapes = np.empty((len(ARKIT_NAMES), len(rest)), np.float32)
    for row, name in zip(shapes, ARKIT_NAMES, strict=True):
        mesh.data.shape_keys.key_blocks[name].points.foreach_get("co", row)
        row[:] = from_blender((row - rest).reshape(-1, 3)).ravel()
        yield
    return {
        f"{prefix}vertices": from_blender(rest.reshape(-1, 3)),
        f"{prefix}arkit": shapes.reshape(len(shapes), -1, 3),
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
