"""Reads a take that the backend made of footage (neural_backend/capture/take.py has the format). No bpy."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...neural_backend.protocol.arkit import ARKIT_NAMES
from ..head.package import PackageError
from .recording import Recording

FORMAT = 1


class TakeError(PackageError):
    """A take cannot be used; the message is one sentence for the artist."""


@dataclass(frozen=True)
class Take:
    path: Path
    name: str
    recording: Recording  # its angles are those seen by the camera
    view_from_head: np.ndarray  # [N, 3, 3]
    gaps: tuple[tuple[float, float], ...]  # first and last second of stretches without a face, which are bridged
    missing: int = 0  # frames at the video's end that could not be read

    def levelled(self) -> Recording:
        """The recording with the head's turn counted from its middle pose: a camera stands rarely straight."""
        u, _, v = np.linalg.svd(self.view_from_head.mean(0))
        middle = u @ np.diag([1.0, 1.0, np.linalg.det(u @ v)]) @ v
        angles = angles_of(middle.T @ self.view_from_head)
        return Recording(self.recording.seconds, self.recording.weights, angles, self.recording.missing)


def angles_of(rotation: np.ndarray) -> np.ndarray:
    """[N, 3, 3] -> [N, 3] yaw, pitch, roll in radians: R = Rz(roll) Ry(yaw) Rx(pitch)."""
    yaw = -np.arcsin(np.clip(rotation[:, 2, 0], -1, 1))
    pitch = np.arctan2(rotation[:, 2, 1], rotation[:, 2, 2])
    return np.stack([yaw, pitch, np.arctan2(rotation[:, 1, 0], rotation[:, 0, 0])], 1)


def read_take(path: Path | str) -> Take:
    """Read a take.

    Raises:
        TakeError: not a take, damaged, or made by a newer Mien.
    """
    path = Path(path)
    try:
        text = json.loads((path / "take.json").read_text(encoding="utf-8"))
        found = int(text["format"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TakeError(f"{path.name} is not a take: capture the footage again.") from error
    if found > FORMAT:
        raise TakeError(f"{path.name} was made by a newer Mien (format {found}): update Mien to open it.")
    try:
        with np.load(path / "take.npz", allow_pickle=False) as file:
            seconds, weights, view = file["seconds"], file["weights"], file["view_from_head"]
        count = len(seconds)
        if count == 0 or weights.shape != (count, len(ARKIT_NAMES)) or view.shape != (count, 3, 3):
            raise ValueError("its arrays do not fit each other")
        if not (np.isfinite(weights).all() and np.isfinite(view).all() and (np.diff(seconds) > 0).all()):
            raise ValueError("its numbers are not usable")
        recording = Recording(seconds - seconds[0], np.clip(weights, 0, 1), angles_of(view))
        gaps = tuple((float(first), float(last)) for first, last in text["gaps"])
        missing = int(text.get("report", {}).get("frames_missing", 0))
        return Take(path, str(text["name"]), recording, view, gaps, missing)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile, EOFError) as error:
        raise TakeError(f"{path.name} is damaged ({error}): capture the footage again.") from error
