"""Reads a head package (docs/architecture.md, "The head package") with numpy and json alone."""

from __future__ import annotations

import json
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...neural_backend.protocol.arkit import ARKIT_NAMES
from ..identity.controls import MODE_COUNT

#: The newest package format that this reader knows.
FORMAT = 1


class PackageError(Exception):
    """A head package cannot be used; the message is one sentence for the artist, with the remedy."""


@dataclass(frozen=True)
class Level:
    """One level of detail, in the package's frame: metres, +X the subject's left, +Y up, +Z out of the face."""

    vertices: np.ndarray  # [V, 3] float32
    quads: np.ndarray  # [F, 4] int32; a triangle repeats its last vertex
    uv: np.ndarray  # [T, 2] float32, origin bottom left
    face_uv: np.ndarray  # [F, 4] int32 into uv
    part: np.ndarray  # [F] uint8 into the package's part_names
    joint_weights: np.ndarray  # [V, J] float32, rows sum to 1
    arkit: np.ndarray  # [52, V, 3] float32 displacement at weight 1
    fitted: np.ndarray  # [P, V, 3] float32 the head as in each photo
    landmarks68: np.ndarray  # [68, 3] float32 places on the neutral head


@dataclass(frozen=True)
class Photo:
    """One photo that the head was fitted to, and the camera that took it (OpenCV's convention)."""

    file: Path | None  # None when the package was written without pictures
    width: int
    height: int
    intrinsics: np.ndarray  # [3, 3] pixels
    camera_from_head: np.ndarray  # [4, 4] metres
    expression: dict[str, float]  # ARKit name -> weight
    light: np.ndarray  # [B, 3] spherical-harmonic radiance, or [0, 3]


@dataclass(frozen=True)
class Package:
    path: Path
    name: str
    levels: tuple[Level, ...]  # coarse first: the last one is the head, the others are its levels of detail
    part_names: tuple[str, ...]
    texture_sets: tuple[str, ...]  # one per part
    joint_names: tuple[str, ...]
    joint_parents: tuple[int, ...]
    joint_positions: np.ndarray  # [J, 3] metres
    landmark_corners: np.ndarray | None  # [68, 3] int32 vertices of the finest level; None in older packages
    landmark_weights: np.ndarray | None  # [68, 3]
    photos: tuple[Photo, ...]
    maps: dict[str, dict[str, Path]]  # texture set -> map name -> file
    licences: tuple[dict[str, str], ...]
    identity: np.ndarray  # [<=K] codes of the template's identity modes
    lid_rest: float  # how much of a blink the neutral lids are closed by

    @property
    def set_names(self) -> tuple[str, ...]:
        """The texture sets, each once, in the order of the parts: the head's material slots."""
        return tuple(dict.fromkeys(self.texture_sets))


def read_package(path: Path | str) -> Package:
    """Read the package folder `path`; its head.json is accepted too, since a file dialog may hand that over.

    Raises:
        PackageError: not a head package, a file is missing or damaged, or it was made by a newer Mien.
    """
    path = Path(path)
    if path.name == "head.json":
        path = path.parent
    description = _read_description(path)
    try:
        with np.load(path / "mesh.npz", allow_pickle=False) as mesh:
            return _assemble(path, description, mesh)
    except FileNotFoundError as error:
        raise PackageError(f"{path.name} has no mesh.npz: copy the whole folder, or fit the photo again.") from error
    except (KeyError, ValueError, TypeError, IndexError, AttributeError, EOFError, OSError) as error:
        raise PackageError(f"{path.name} is damaged ({_short(error)}): fit the photo again.") from error
    except (zipfile.BadZipFile, zlib.error) as error:
        raise PackageError(f"{path.name} is damaged (mesh.npz is not readable): fit the photo again.") from error


def check_maps(package: Package) -> None:
    """Make sure that every map is there and whole. Reads the files, no Blender: may run in a thread.

    Raises:
        PackageError: a map is missing or damaged.
    """
    for file in (file for maps in package.maps.values() for file in maps.values()):
        if not file.is_file():
            raise PackageError(f"The map {file.name} of {package.name} is missing: copy the whole package folder.")
        if not is_whole_png(file.read_bytes()):
            raise PackageError(f"The map {file.name} of {package.name} cannot be read: fit the photo again.")


def is_whole_png(data: bytes) -> bool:
    """Do the chunks of a PNG file follow each other up to its end, each with its right checksum?"""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return False
    view, at = memoryview(data), 8
    while at + 12 <= len(view):
        length, kind = struct.unpack(">I4s", view[at : at + 8])
        end = at + 8 + length
        if end + 4 > len(view) or zlib.crc32(view[at + 4 : end]) != int.from_bytes(view[end : end + 4], "big"):
            return False
        if kind == b"IEND":
            return True
        at = end + 4
    return False


def _read_description(path: Path) -> dict:
    try:
        description = json.loads((path / "head.json").read_text(encoding="utf-8"))
        found = int(description["format"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PackageError(f"{path} is not a head package: choose a folder ending in .head.") from error
    if found > FORMAT:
        raise PackageError(f"{path.name} was made by a newer Mien (format {found}): update Mien to open it.")
    return description


def _assemble(path: Path, description: dict, mesh: np.lib.npyio.NpzFile) -> Package:
    joint_names = tuple(map(str, description["joint_names"]))
    part_names = tuple(map(str, description["part_names"]))
    order = _arkit_order(description.get("arkit_names", ARKIT_NAMES))
    levels = tuple(
        _read_level(mesh, index, order, len(part_names), len(joint_names))
        for index in range(int(description["levels"]))
    )
    _require(len(levels) > 0, "it has no mesh level")
    texture_sets = tuple(map(str, description["texture_sets"]))
    joint_parents = tuple(map(int, description["joint_parents"]))
    joint_positions = np.asarray(mesh["joint_positions"], np.float32)
    _require(len(texture_sets) == len(part_names), "one texture set per part is needed")
    _require(len(joint_parents) == len(joint_names), "one parent per joint is needed")
    _require(all(-1 <= parent < index for index, parent in enumerate(joint_parents)), "a joint precedes its parent")
    _require(joint_positions.shape == (len(joint_names), 3), "joint_positions has the wrong shape")
    corners, weights = _read_landmarks(mesh, len(levels[-1].vertices))
    photos = tuple(_read_photo(path, entry) for entry in description["photos"])
    _require(all(len(level.fitted) == len(photos) for level in levels), "one fitted mesh per photo is needed")
    maps = {
        str(texture_set): {str(name): _inside(path, file) for name, file in files.items()}
        for texture_set, files in description["maps"].items()
    }
    return Package(
        path=path,
        name=str(description["name"]),
        levels=levels,
        part_names=part_names,
        texture_sets=texture_sets,
        joint_names=joint_names,
        joint_parents=joint_parents,
        joint_positions=joint_positions,
        landmark_corners=corners,
        landmark_weights=weights,
        photos=photos,
        maps=maps,
        licences=tuple(description.get("licences", ())),
        identity=_identity(description.get("identity", ())),
        lid_rest=float(dict(description.get("report", {})).get("lid_rest", 0.0)),
    )


def _read_level(mesh: np.lib.npyio.NpzFile, index: int, order: list[int], parts: int, joints: int) -> Level:
    def floats(name: str) -> np.ndarray:
        array = np.asarray(mesh[f"{name}_{index}"], np.float32)
        _require(bool(np.isfinite(array).all()), f"{name}_{index} holds numbers that are not finite")
        return array

    def indices(name: str, count: int) -> np.ndarray:
        array = np.asarray(mesh[f"{name}_{index}"], np.int32)
        _require(array.size > 0 and array.min() >= 0 and array.max() < count, f"{name}_{index} points outside")
        return array

    vertices, uv = floats("vertices"), floats("uv")
    level = Level(
        vertices=vertices,
        quads=indices("quads", len(vertices)),
        uv=uv,
        face_uv=indices("face_uv", len(uv)),
        part=indices("part", parts),
        joint_weights=floats("joint_weights"),
        arkit=floats("arkit")[order],
        fitted=floats("fitted"),
        landmarks68=floats("landmarks68"),
    )
    count, faces = len(vertices), len(level.quads)
    _require(vertices.shape == (count, 3), f"vertices_{index} has the wrong shape")
    _require(level.quads.shape == (faces, 4) == level.face_uv.shape, f"quads_{index} and face_uv_{index} differ")
    _require(uv.ndim == 2 and uv.shape[1] == 2, f"uv_{index} has the wrong shape")
    _require(level.part.shape == (faces,), f"part_{index} has the wrong shape")
    _require(level.joint_weights.shape == (count, joints), f"joint_weights_{index} has the wrong shape")
    _require(level.arkit.shape == (len(ARKIT_NAMES), count, 3), f"arkit_{index} has the wrong shape")
    _require(level.landmarks68.shape == (68, 3), f"landmarks68_{index} has the wrong shape")
    _require(level.fitted.shape[1:] == (count, 3), f"fitted_{index} has the wrong shape")
    return level


def _read_landmarks(mesh: np.lib.npyio.NpzFile, count: int) -> tuple[np.ndarray | None, np.ndarray | None]:
    if "landmark_corners" not in mesh.files:
        return None, None
    corners, weights = np.asarray(mesh["landmark_corners"], np.int32), np.asarray(mesh["landmark_weights"], np.float32)
    _require(corners.shape == (68, 3) == weights.shape, "its landmarks have the wrong shape")
    _require(corners.min() >= 0 and corners.max() < count, "its landmarks point outside")
    return corners, weights


def _read_photo(path: Path, entry: dict) -> Photo:
    return Photo(
        file=_inside(path, entry["file"]) if entry["file"] else None,
        width=int(entry["width"]),
        height=int(entry["height"]),
        intrinsics=np.asarray(entry["intrinsics"], np.float64).reshape(3, 3),
        camera_from_head=np.asarray(entry["camera_from_head"], np.float64).reshape(4, 4),
        expression={str(name): float(weight) for name, weight in entry["expression"].items()},
        light=np.asarray(entry.get("light", ()), np.float64).reshape(-1, 3),
    )


def _identity(codes: list[float]) -> np.ndarray:
    codes = np.asarray(codes, np.float32).reshape(-1)
    _require(bool(np.isfinite(codes).all()) and len(codes) <= MODE_COUNT, "its identity codes are not usable")
    return codes


def _arkit_order(names: list[str]) -> list[int]:
    """Where each of Apple's names stands in the package."""
    names = list(map(str, names))
    missing = [name for name in ARKIT_NAMES if name not in names]
    _require(not missing, f"the ARKit shape {', '.join(missing[:3])} is missing")
    return [names.index(name) for name in ARKIT_NAMES]


def _inside(path: Path, file: str) -> Path:
    """A file of the package. A name that leads out of the folder is refused: packages come from other people too."""
    full = (path / str(file)).resolve()
    _require(full.is_relative_to(path.resolve()), f"the file name {file} leads out of the package")
    return full


def _require(condition: bool, problem: str) -> None:
    if not condition:
        raise ValueError(problem)


def _short(error: Exception) -> str:
    return str(error).strip("'\"").splitlines()[0][:120] if str(error) else type(error).__name__
