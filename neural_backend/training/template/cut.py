"""Cuts head and neck from the base mesh, names its edge loops and labels its parts, at both levels of detail."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .sources import BaseMesh
from .topology import Subdivision, Topology

#: Base-mesh edges (vertex ids of hm08) that start a closed edge loop; the cut follows the neck loop.
_NECK = (1518, 1519)
_CROWN = 879
_MOUTH = (
    (377, 378), (363, 368), (405, 406), (412, 413), (414, 415), (497, 498), (416, 417), (418, 419), (420, 421),
    (535, 536), (552, 553), (569, 570), (586, 587), (603, 604), (620, 621), (636, 642), (653, 659), (670, 676),
    (687, 693),
)  # fmt: skip
_EYE = (
    (6898, 6902), (6893, 6897), (6888, 6892), (6862, 6863), (11503, 11508), (6788, 6789), (6786, 6787), (11465, 11466),
    (6784, 6785), (13352, 13353), (7747, 7748), (7787, 7788), (7817, 7818), (7847, 7848), (7851, 7853), (7877, 7878),
    (7907, 7908), (7933, 7949), (7969, 11732), (7982, 8004), (8042, 8043),
)  # fmt: skip
_NOSTRIL = ((7043, 7064), (7082, 7096), (7105, 7108))
_EAR = (
    (12345, 12355), (12326, 12327), (12016, 12021), (12047, 12048), (12058, 12068), (12235, 12258), (12089, 12169),
    (12296, 12306), (12180, 12181), (12105, 12117), (12130, 12138), (12216, 12237),
)  # fmt: skip
#: Midline vertices of the upper and of the lower lip on the outermost lip loop.
_UPPER_LIP, _LOWER_LIP = 5342, 491

MOUTH_INNER_EDGE = "mouth_10"  # last skin loop; the bag begins inside it
LID_REAR_EDGE = 12  # last skin loop of the lids; the socket begins inside it

SKIN, MOUTH_BAG, SOCKET_LEFT, SOCKET_RIGHT, NOSTRIL = range(5)


@dataclass(frozen=True)
class Cut:
    """The cut head at one level of detail, in the base mesh's own shape (cm)."""

    vertices: np.ndarray  # [V, 3]
    quads: np.ndarray  # [F, 4]
    mirror: np.ndarray  # [V]
    label: np.ndarray  # [V] part of each vertex, 0..4; rims count as skin
    curves: dict[str, np.ndarray]
    midline_lip: tuple[np.ndarray, np.ndarray]  # ids of the (upper, lower) midline vertex of mouth_00..18
    source_ids: np.ndarray  # [V0] base-mesh vertex of each level-0 vertex
    subdivision: Subdivision | None  # how level 1 came from level 0

    @property
    def face_part(self) -> np.ndarray:
        """[F] uint8 part of each face: the innermost part any of its corners is in."""
        return self.label[self.quads].max(1).astype(np.uint8)


def cut_head(base: BaseMesh) -> Cut:
    """Level 0: everything above a closed loop round the lower neck, parts labelled.

    Raises:
        ValueError: the base mesh lacks an expected loop (another version of the source).
    """
    body = Topology(base.quads)
    rim = body.loop(*_NECK)
    keep = np.array(sorted(body.flood([_CROWN], rim) | set(rim)))
    new = np.full(len(base.vertices), -1)
    new[keep] = np.arange(len(keep))
    quads = new[base.quads[(new[base.quads] >= 0).all(1)]]
    mirror = new[base.mirror[keep]]
    if (mirror < 0).any():
        raise ValueError("The cut is not mirror symmetric: the base mesh is not the expected version.")
    mesh = Topology(quads)

    def loop(edge: tuple[int, int]) -> np.ndarray:
        return np.array(mesh.loop(int(new[edge[0]]), int(new[edge[1]])))

    curves: dict[str, np.ndarray] = {"neck_rim": new[rim]}
    curves |= {f"mouth_{index:02d}": loop(edge) for index, edge in enumerate(_MOUTH)}
    for region, edges, digits in (("eye", _EYE, 2), ("nostril", _NOSTRIL, 1), ("ear", _EAR, 2)):
        for index, edge in enumerate(edges):
            left = loop(edge)
            curves[f"{region}_left_{index:0{digits}d}"] = left
            curves[f"{region}_right_{index:0{digits}d}"] = mirror[left]

    label = np.zeros(len(keep), np.uint8)
    label[list(mesh.flood([int(new[_MOUTH[-1][0]])], curves[MOUTH_INNER_EDGE].tolist()))] = MOUTH_BAG
    for side, socket in (("left", SOCKET_LEFT), ("right", SOCKET_RIGHT)):
        eye = [int(curves[f"eye_{side}_20"][0])]
        label[list(mesh.flood(eye, curves[f"eye_{side}_{LID_REAR_EDGE}"].tolist()))] = socket
        nostril = [int(curves[f"nostril_{side}_2"][0])]
        label[list(mesh.flood(nostril, curves[f"nostril_{side}_0"].tolist()))] = NOSTRIL

    chains = tuple(_midline_chain(mesh, curves, int(new[start])) for start in (_UPPER_LIP, _LOWER_LIP))
    return Cut(base.vertices[keep], quads, mirror, label, curves, chains, keep, None)


def _midline_chain(mesh: Topology, curves: dict[str, np.ndarray], start: int) -> np.ndarray:
    """The midline vertex of each mouth loop on one lip, walked from the outside in.

    Height cannot tell the lips apart: they overlap at rest in the base mesh.
    """
    chain = [start] if start in set(curves["mouth_00"].tolist()) else []
    current = start
    for index in range(len(chain), len(_MOUTH)):
        following = [vertex for vertex in curves[f"mouth_{index:02d}"].tolist() if vertex in mesh.neighbours[current]]
        if len(following) != 1:
            raise ValueError(f"The lips' midline leaves mouth loop {index}: the base mesh is not the expected version.")
        current = following[0]
        chain.append(current)
    return np.array(chain)


def subdivide(cut: Cut) -> Cut:
    """Level 1: new vertices at edge and face means; level 0's vertices stay the first ones."""
    step = Subdivision.of(cut.quads, len(cut.vertices))
    return Cut(
        vertices=step.linear(cut.vertices),
        quads=step.quads,
        mirror=step.mirror(cut.mirror),
        label=np.concatenate([cut.label, cut.label[step.edges].max(1), cut.label[step.faces].max(1)]),
        curves={name: step.loop(loop) for name, loop in cut.curves.items()},
        midline_lip=cut.midline_lip,
        source_ids=cut.source_ids,
        subdivision=step,
    )
