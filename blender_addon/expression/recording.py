"""What a face did over time, from whatever source, sampled at a scene's frames. No bpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Recording:
    seconds: np.ndarray  # [N] from 0, strictly rising
    weights: np.ndarray  # [N, 52] 0..1, in the order of ARKIT_NAMES
    head: np.ndarray | None  # [N, 3] yaw, pitch, roll in radians, if the source has them
    missing: tuple[str, ...] = ()  # shapes that the source does not know; they are zero


def resampled(recording: Recording, frame_rate: float) -> tuple[np.ndarray, np.ndarray | None]:
    """([F, 52] weights, [F, 3] angles or None) at each of a scene's frames, from the recording's first to its last."""
    count = int(np.floor(recording.seconds[-1] * frame_rate + 1e-6)) + 1
    times = np.arange(count) / frame_rate

    def at(values: np.ndarray) -> np.ndarray:
        return np.stack([np.interp(times, recording.seconds, column) for column in values.T], 1)

    return at(recording.weights), None if recording.head is None else at(np.unwrap(recording.head, axis=0))
