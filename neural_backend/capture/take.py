"""A take: what a face did in a piece of footage. A folder `<name>.take/` with take.json and take.npz.

take.npz (allow_pickle=False): `seconds` [F] rising; `weights` [F, 52]; `scores` [F, 52] the perception's own, before
the fit; `head_angles` [F, 3] yaw, pitch, roll in radians; `view_from_head` [F, 3, 3]; `translation` [F, 3] metres in
the camera; `confidence` [F], 0 where the face was not found and the values are bridged.
take.json: format, name, kind, head, rate, focal_px, size, arkit_names, gaps [[first, last] seconds], settings, report.
"""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..head.whole_folder import whole_folder
from ..protocol.arkit import ARKIT_NAMES
from ..protocol.errors import MienError

FORMAT = 1
SUFFIX = ".take"
_ARRAYS = ("seconds", "weights", "scores", "head_angles", "view_from_head", "translation", "confidence")


@dataclass(frozen=True)
class Take:
    """One person over F frames."""

    name: str
    kind: str  # of footage: photos, frames, video
    head: str  # name of the head it was solved with
    rate: float  # the footage's frames a second, 0 for photos
    size: tuple[int, int]  # width, height of the first frame in px
    focal_px: float
    seconds: np.ndarray  # [F]
    weights: np.ndarray  # [F, 52] 0..1
    scores: np.ndarray  # [F, 52] 0..1
    view_from_head: np.ndarray  # [F, 3, 3] the head's rotation; identity where it faces the camera
    translation: np.ndarray  # [F, 3] metres, camera axes
    confidence: np.ndarray  # [F] 0..1
    gaps: tuple[tuple[float, float], ...] = ()  # first and last second of each stretch without a face
    settings: dict[str, object] = field(default_factory=dict)
    report: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = len(self.seconds)
        assert self.weights.shape == self.scores.shape == (count, len(ARKIT_NAMES)), "weights, scores [F, 52]"
        assert self.view_from_head.shape == (count, 3, 3) and self.translation.shape == (count, 3), "poses [F]"
        assert self.confidence.shape == (count,) and np.isfinite(self.weights).all(), "confidence [F]"

    @property
    def head_angles(self) -> np.ndarray:
        """[F, 3] yaw, pitch, roll in radians: R = Rz(roll) Ry(yaw) Rx(pitch) about X left, Y up, Z out of the face."""
        r = self.view_from_head
        yaw = -np.arcsin(np.clip(r[:, 2, 0], -1, 1))
        return np.stack([yaw, np.arctan2(r[:, 2, 1], r[:, 2, 2]), np.arctan2(r[:, 1, 0], r[:, 0, 0])], 1)

    def write(self, folder: Path) -> Path:
        """Write `<folder>/<name>.take` in one step, replacing an older one, and return its path.

        Raises:
            MienError: cannot_write; nothing is left behind.
        """
        target = Path(folder) / f"{self.name}{SUFFIX}"
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **{name: np.asarray(getattr(self, name), np.float64) for name in _ARRAYS})
        with whole_folder(target, "take") as staging:
            (staging / "take.npz").write_bytes(buffer.getvalue())
            (staging / "take.json").write_text(json.dumps(self._description(), indent=1), encoding="utf-8")
        return target

    def _description(self) -> dict[str, object]:
        return {
            "format": FORMAT,
            "name": self.name,
            "created_by": "mien",
            "kind": self.kind,
            "head": self.head,
            "rate": self.rate,
            "size": list(self.size),
            "focal_px": self.focal_px,
            "frames": len(self.seconds),
            "arkit_names": list(ARKIT_NAMES),
            "gaps": [list(gap) for gap in self.gaps],
            "settings": self.settings,
            "report": self.report,
        }

    @classmethod
    def read(cls, path: Path) -> Take:
        """Read a take.

        Raises:
            MienError: not_a_take, newer_format, damaged.
        """
        path = Path(path)
        try:
            text = json.loads((path / "take.json").read_text(encoding="utf-8"))
            found = int(text["format"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            sentence = f"{path} is not a take: choose a folder ending in {SUFFIX}."
            raise MienError("not_a_take", sentence) from error
        if found > FORMAT:
            raise MienError("newer_format", f"{path.name} was made by a newer Mien (format {found}): update Mien.")
        try:
            with np.load(path / "take.npz", allow_pickle=False) as file:
                arrays = {name: file[name] for name in _ARRAYS if name != "head_angles"}
            described = {key: text[key] for key in ("name", "kind", "head", "rate", "focal_px", "settings", "report")}
            gaps = tuple((float(first), float(last)) for first, last in text["gaps"])
            return cls(**described, **arrays, size=tuple(text["size"]), gaps=gaps)
        except (OSError, ValueError, KeyError, TypeError, AssertionError, zipfile.BadZipFile, EOFError) as error:
            raise MienError("damaged", f"{path.name} is damaged ({error}): capture the footage again.") from error
