"""The head package: a folder `<name>.head/` that any program can read without torch (format in docs/architecture.md).

Written to a temporary folder beside its final place and renamed when complete: a half-written head never exists, and an
older head of the same name is only replaced once the new one is whole.
"""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from ..protocol.arkit import ARKIT_NAMES
from ..protocol.cancellation import checkpoint, interruptible
from ..protocol.errors import MienError
from .whole_folder import whole_folder

FORMAT = 1
SUFFIX = ".head"


class PackageError(MienError):
    """A head package cannot be read or written."""


@dataclass(frozen=True)
class PackageLevel:
    """One level of detail of the head's mesh, with everything bound to its vertices."""

    vertices: np.ndarray  # [V, 3] float32 neutral, metres
    quads: np.ndarray  # [F, 4] int32; a triangle repeats its last vertex
    uv: np.ndarray  # [T, 2] float32, origin bottom left
    face_uv: np.ndarray  # [F, 4] int32 into uv
    part: np.ndarray  # [F] uint8 into the package's part_names
    joint_weights: np.ndarray  # [V, J] float32, rows sum to 1
    arkit: np.ndarray  # [52, V, 3] displacements in metres
    fitted: np.ndarray  # [P, V, 3] the head as in each photo (expression applied), head frame
    landmarks68: np.ndarray  # [68, 3] positions on the neutral head

    def __post_init__(self) -> None:
        count = len(self.vertices)
        assert self.vertices.shape == (count, 3) and np.isfinite(self.vertices).all(), "vertices [V, 3], finite"
        assert self.quads.ndim == 2 and self.quads.shape[1] == 4 and self.quads.max() < count, "quads [F, 4] into V"
        assert self.face_uv.shape == self.quads.shape and self.face_uv.max() < len(self.uv), "face_uv [F, 4] into T"
        assert self.part.shape == (len(self.quads),), "part [F]"
        assert self.arkit.shape == (len(ARKIT_NAMES), count, 3), "arkit [52, V, 3]"
        assert self.fitted.ndim == 3 and self.fitted.shape[1:] == (count, 3), "fitted [P, V, 3]"
        assert self.joint_weights.shape[0] == count, "joint_weights [V, J]"


@dataclass(frozen=True)
class PackagePhoto:
    """One photo that the head was fitted to."""

    file: str | None  # relative to the package; None when the user asked to leave the pictures out
    width: int
    height: int
    intrinsics: np.ndarray  # [3, 3] pixels, OpenCV
    camera_from_head: np.ndarray  # [4, 4] metres
    expression: dict[str, float]  # ARKit name -> weight
    light: np.ndarray  # [B, 3] spherical-harmonic radiance


@dataclass(frozen=True)
class HeadPackage:
    """A fitted head in memory."""

    name: str
    identity: np.ndarray  # [K]
    levels: tuple[PackageLevel, ...]
    part_names: tuple[str, ...]
    texture_sets: tuple[str, ...]  # one per part
    joint_names: tuple[str, ...]
    joint_parents: tuple[int, ...]
    joint_positions: np.ndarray  # [J, 3] metres
    photos: tuple[PackagePhoto, ...]
    landmark_corners: np.ndarray | None = None  # [68, 3] int32 vertices of the finest level; None before Mien 0.2
    landmark_weights: np.ndarray | None = None  # [68, 3] of those corners
    maps: dict[str, dict[str, str]] = field(default_factory=dict)  # texture set -> map name -> file
    report: dict[str, object] = field(default_factory=dict)
    licences: tuple[dict[str, str], ...] = ()
    created_by: str = "mien"
    path: Path | None = None  # where it was read from

    def write(self, folder: Path, images: dict[str, np.ndarray | bytes]) -> Path:
        """Write `<folder>/<name>.head` in one step and return its path.

        Args:
            folder: an existing or new folder.
            images: file name relative to the package ("maps/diffuse.png") -> an RGB(A) or grey uint8/uint16 array,
                or the bytes of an already encoded file.

        Raises:
            PackageError: the folder cannot be written, or the disk is full; nothing is left behind.
        """
        target = Path(folder) / f"{self.name}{SUFFIX}"
        with whole_folder(target, "head", PackageError) as staging:
            for file, image in images.items():
                _write_image(staging / file, image)
            checkpoint()
            (staging / "mesh.npz").write_bytes(interruptible(_npz, self._arrays()))
            (staging / "head.json").write_text(json.dumps(self._description(), indent=1), encoding="utf-8")
        return target

    def _arrays(self) -> dict[str, np.ndarray]:
        arrays: dict[str, np.ndarray] = {"joint_positions": self.joint_positions.astype(np.float32)}
        if self.landmark_corners is not None:
            arrays["landmark_corners"] = self.landmark_corners.astype(np.int32)
            arrays["landmark_weights"] = self.landmark_weights.astype(np.float32)
        for index, level in enumerate(self.levels):
            arrays |= {
                f"vertices_{index}": level.vertices.astype(np.float32),
                f"quads_{index}": level.quads.astype(np.int32),
                f"uv_{index}": level.uv.astype(np.float32),
                f"face_uv_{index}": level.face_uv.astype(np.int32),
                f"part_{index}": level.part.astype(np.uint8),
                f"joint_weights_{index}": level.joint_weights.astype(np.float32),
                f"arkit_{index}": level.arkit.astype(np.float16),  # metres: 0.03 mm steps at the largest, 5 cm
                f"fitted_{index}": level.fitted.astype(np.float32),
                f"landmarks68_{index}": level.landmarks68.astype(np.float32),
            }
        return arrays

    def _description(self) -> dict[str, object]:
        return {
            "format": FORMAT,
            "name": self.name,
            "created_by": self.created_by,
            "arkit_names": list(ARKIT_NAMES),
            "identity": [float(value) for value in self.identity],
            "levels": len(self.levels),
            "part_names": list(self.part_names),
            "texture_sets": list(self.texture_sets),
            "joint_names": list(self.joint_names),
            "joint_parents": list(self.joint_parents),
            "maps": self.maps,
            "photos": [
                {
                    "file": photo.file,
                    "width": photo.width,
                    "height": photo.height,
                    "intrinsics": np.asarray(photo.intrinsics, float).tolist(),
                    "camera_from_head": np.asarray(photo.camera_from_head, float).tolist(),
                    "expression": photo.expression,
                    "light": np.asarray(photo.light, float).tolist(),
                }
                for photo in self.photos
            ],
            "report": self.report,
            "licences": list(self.licences),
        }

    @classmethod
    def read(cls, path: Path) -> HeadPackage:
        """Read a package.

        Raises:
            PackageError: not a head package, damaged, or made by a newer Mien.
        """
        path = Path(path)
        try:
            description = json.loads((path / "head.json").read_text(encoding="utf-8"))
            found = int(description["format"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            sentence = f"{path} is not a head package: choose a folder ending in {SUFFIX}."
            raise PackageError("not_a_head", sentence) from error
        if found > FORMAT:
            raise PackageError(
                "newer_format", f"{path.name} was made by a newer Mien (format {found}): update Mien to open it."
            )
        try:
            with np.load(path / "mesh.npz", allow_pickle=False) as mesh:
                levels = tuple(_read_level(mesh, index) for index in range(int(description["levels"])))
                joint_positions = mesh["joint_positions"]
                landmarks = {key: mesh[key] for key in ("landmark_corners", "landmark_weights") if key in mesh.files}
            return cls(
                name=str(description["name"]),
                identity=np.asarray(description["identity"], np.float32),
                levels=levels,
                part_names=tuple(description["part_names"]),
                texture_sets=tuple(description["texture_sets"]),
                joint_names=tuple(description["joint_names"]),
                joint_parents=tuple(description["joint_parents"]),
                joint_positions=joint_positions,
                photos=tuple(_read_photo(photo) for photo in description["photos"]),
                maps=description["maps"],
                report=description["report"],
                licences=tuple(description["licences"]),
                created_by=str(description["created_by"]),
                path=path,
                **landmarks,
            )
        except (OSError, ValueError, KeyError, TypeError, AssertionError, zipfile.BadZipFile, EOFError) as error:
            raise PackageError("damaged", f"{path.name} is damaged ({error}): fit the photo again.") from error


def _read_level(mesh: np.lib.npyio.NpzFile, index: int) -> PackageLevel:
    names = ("vertices", "quads", "uv", "face_uv", "part", "joint_weights", "arkit", "fitted", "landmarks68")
    arrays = {name: mesh[f"{name}_{index}"] for name in names}
    return PackageLevel(**arrays | {"arkit": arrays["arkit"].astype(np.float32)})


def _read_photo(entry: dict) -> PackagePhoto:
    return PackagePhoto(
        file=entry["file"],
        width=int(entry["width"]),
        height=int(entry["height"]),
        intrinsics=np.asarray(entry["intrinsics"], np.float64).reshape(3, 3),
        camera_from_head=np.asarray(entry["camera_from_head"], np.float64).reshape(4, 4),
        expression={str(name): float(weight) for name, weight in entry["expression"].items()},
        light=np.asarray(entry["light"], np.float64),
    )


def _npz(arrays: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def _write_image(path: Path, image: np.ndarray | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(image, bytes):
        path.write_bytes(image)
        return
    if image.ndim == 3:  # OpenCV writes BGR(A)
        image = image[..., [2, 1, 0, 3][: image.shape[2]]]
    # Level 3 of 9 is three times as fast as the default on 4 k maps and costs a few per cent of size.
    options = [cv2.IMWRITE_PNG_COMPRESSION, 3]
    done, encoded = interruptible(cv2.imencode, path.suffix, np.ascontiguousarray(image), options)
    if not done:
        raise PackageError("cannot_encode", f"The picture {path.name} could not be encoded: please report this.")
    path.write_bytes(encoded.tobytes())
