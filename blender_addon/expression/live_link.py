"""Recordings of Live Link Face: Epic's CSV of 52 shapes and head angles, read into a `Recording`. No bpy.

Columns: Timecode (HH:MM:SS:FF.fff), BlendShapeCount, the shapes with a capital first letter, HeadYaw, HeadPitch,
HeadRoll and the eyes' angles, which eyeLook shapes hold already. Angles are radians.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np

from ...neural_backend.protocol.arkit import ARKIT_NAMES
from .recording import Recording

HEAD_ANGLES = ("HeadYaw", "HeadPitch", "HeadRoll")
#: Frames per second that a timecode may count in. The app's own default comes last, where nothing tells.
TIMECODE_RATES = (24, 25, 30, 50, 60)
_DAY = 24 * 3600.0


class LiveLinkError(Exception):
    """A recording cannot be used; the message is one sentence for the artist."""


def read_recording(path: Path | str, timecode_rate: int = 0) -> Recording:
    """Read a CSV file; `timecode_rate` 0 finds out how many frames a second its timecode counts.

    Raises:
        LiveLinkError: not such a file, or one with too little in it.
    """
    path = Path(path)
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file) if any(cell.strip() for cell in row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LiveLinkError(f"{path.name} cannot be read: choose the CSV file of a Live Link Face take.") from error
    column = {cell.strip().lower(): index for index, cell in enumerate(rows[0])} if rows else {}
    found = {name: column[name.lower()] for name in ARKIT_NAMES if name.lower() in column}
    if "timecode" not in column or len(found) < len(ARKIT_NAMES) // 2:
        raise LiveLinkError(f"{path.name} is no recording of Live Link Face: choose the CSV file of a take.")
    rows = [row for row in rows[1:] if len(row) >= len(column)]  # the last line of an interrupted take is short
    try:
        numbers = {name: np.array([float(row[at]) for row in rows]) for name, at in found.items()}
        head = None
        if all(angle.lower() in column for angle in HEAD_ANGLES):
            at = [column[angle.lower()] for angle in HEAD_ANGLES]
            head = np.array([[float(row[index]) for index in at] for row in rows]).reshape(-1, 3)
        seconds = timecode_seconds([row[column["timecode"]] for row in rows], timecode_rate)
    except ValueError as error:
        raise LiveLinkError(f"{path.name} is damaged ({error}): record or copy the take again.") from error
    weights = np.stack([numbers.get(name, np.zeros(len(rows))) for name in ARKIT_NAMES], 1)
    fine = np.isfinite(weights).all(1) & (np.ones(len(rows), bool) if head is None else np.isfinite(head).all(1))
    # A repeated or a backward timecode is a dropped frame: the first of them stands.
    ahead = np.concatenate([[True], seconds[1:] > np.maximum.accumulate(seconds)[:-1]]) if len(rows) else fine
    kept = fine & ahead
    if kept.sum() < 2:
        raise LiveLinkError(f"{path.name} holds fewer than two frames: choose a longer take.")
    seconds = seconds[kept] - seconds[kept][0]
    missing = tuple(name for name in ARKIT_NAMES if name not in found)
    return Recording(seconds, np.clip(weights[kept], 0, 1), None if head is None else head[kept], missing)


def timecode_seconds(timecodes: list[str], rate: int = 0) -> np.ndarray:
    """[N] seconds of HH:MM:SS:FF.fff timecodes, going on over midnight.

    Raises:
        ValueError: a timecode of another form.
    """
    fields = []
    for timecode in timecodes:
        match = re.fullmatch(r"\s*(\d+):(\d+):(\d+)[:;](\d+(?:\.\d+)?)\s*", timecode)
        if match is None:
            raise ValueError(f"'{timecode[:20]}' is no timecode")
        fields.append([float(field) for field in match.groups()])
    if not fields:
        return np.zeros(0)
    hours, minutes, whole, frames = np.array(fields).T
    seconds = hours * 3600 + minutes * 60 + whole
    seconds = seconds + frames / (rate or timecode_rate_of(seconds, frames))
    wraps = np.cumsum(np.concatenate([[0], np.diff(seconds) < -_DAY / 2]))
    return seconds + wraps * _DAY


def timecode_rate_of(seconds: np.ndarray, frames: np.ndarray) -> int:
    """How many frames a second has: told by the highest frame number where seconds roll over, else the app's 60."""
    if len(np.unique(seconds)) < 2:
        return TIMECODE_RATES[-1]
    return next((rate for rate in TIMECODE_RATES if frames.max() < rate), int(np.ceil(frames.max() + 1e-6)))
