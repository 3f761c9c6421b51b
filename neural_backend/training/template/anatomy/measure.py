"""How well personal heads keep their promises: `python -m neural_backend.training.template.anatomy.measure [count]`.

Prints, for random identities: clearance between eye and lids over every ARKit shape with every gaze, what a blink
leaves open, room between teeth and lips, and the time a head takes. The distances are computed from two solid spheres,
not with the code that moved the lids.
"""

from __future__ import annotations

import logging
import sys
import time

import numpy as np

from ....head.eye_contact import Ball, EyeRegion, blink_gap, gaze_direction
from ....head.eyes import BALL_RADIUS, CORNEA_RADIUS, LIMBUS_RADIUS
from ....head.lids import lid_curves
from ....head.mouth_contact import lip_depth
from ....head.personalise import PersonalHead, personalise
from ....head.template import JOINT_NAMES, HeadTemplate
from ....protocol.arkit import ARKIT_INDEX, ARKIT_NAMES

log = logging.getLogger(__name__)
_NEAR = 0.024  # metres from the eye's centre


def distance_outside_eye(points: np.ndarray, ball: Ball, gaze: np.ndarray) -> np.ndarray:
    """Distance [n] of points [n, 3] outside the union of the ball and the cornea's sphere, metres."""
    sclera = np.linalg.norm(points - ball.centre, axis=1) - BALL_RADIUS * ball.scale
    on_axis = np.sqrt(BALL_RADIUS**2 - LIMBUS_RADIUS**2) - np.sqrt(CORNEA_RADIUS**2 - LIMBUS_RADIUS**2)
    middle = ball.centre + gaze * on_axis * ball.scale
    cornea = np.linalg.norm(points - middle, axis=1) - CORNEA_RADIUS * ball.scale
    return np.minimum(sclera, cornea)


def eye_region(template: HeadTemplate, head: PersonalHead, side: str) -> EyeRegion:
    """The skin round one eye of a personal head, with the eye where it stands."""
    joint = JOINT_NAMES.index(f"eye_{side}")
    skin = template.part_vertices("skin", f"eye_socket_{side}")
    near = np.linalg.norm(template.vertices[skin] - template.joint_positions[joint], axis=1) < _NEAR
    ids = skin[near]
    quads = template.levels[1].quads
    faces = np.searchsorted(ids, quads[np.isin(quads, ids).all(1)])
    curves = lid_curves(template.vertices, template.levels[1].curves, side)
    ball = Ball(head.joint_positions[joint].astype(float), head.eye_scale[side == "right"])
    return EyeRegion(side, ids, curves, ball, faces)


def measure_eye(template: HeadTemplate, head: PersonalHead, side: str) -> dict[str, float]:
    """Millimetres: least clearance at vertices and in the middle of faces, and the opening a blink leaves."""
    eye = eye_region(template, head, side)
    own = side.capitalize()
    rest = head.vertices[eye.ids].astype(float)
    vertex, face = np.inf, np.inf
    for name in (None, *(name for name in ARKIT_NAMES if not name.startswith("eyeLook"))):
        for look in (None, *(f"eyeLook{way}{own}" for way in ("Up", "Down", "In", "Out"))):
            points = rest + sum(head.arkit[ARKIT_INDEX[key]][eye.ids].astype(float) for key in (name, look) if key)
            gaze = gaze_direction(look)
            vertex = min(vertex, distance_outside_eye(points, eye.ball, gaze).min())
            face = min(face, distance_outside_eye(points[eye.faces].mean(1), eye.ball, gaze).min())
    blink = (head.vertices + head.arkit[ARKIT_INDEX[f"eyeBlink{own}"]]).astype(float)
    gap, _ = blink_gap(blink, eye)
    return {"vertex": vertex * 1e3, "face": face * 1e3, "open": gap.max() * 1e3, "overlap": -gap.min() * 1e3}


def main(count: int = 20) -> None:
    """Print one line an identity and the worst of all."""
    template = HeadTemplate.load()
    rng = np.random.default_rng(20)
    rows = []
    for number in range(count):
        code = rng.standard_normal(len(template.identity)) if number else np.zeros(1)
        start = time.process_time()
        head = personalise(template, code)
        seconds = time.process_time() - start
        eyes = [measure_eye(template, head, side) for side in ("left", "right")]
        teeth = [
            lip_depth(template, head.vertices.astype(float), template.part_vertices(part)).min() * 1e3
            for part in ("teeth_upper", "teeth_lower")
        ]
        row = (
            min(eye["vertex"] for eye in eyes),
            min(eye["face"] for eye in eyes),
            max(eye["open"] for eye in eyes),
            max(eye["overlap"] for eye in eyes),
            min(teeth),
            head.eye_scale[0],
            seconds,
        )
        rows.append(row)
        log.info("%3d  lid %.3f  face %.3f  open %+.3f  overlap %.3f  teeth %.2f mm  size %.2f  %.2f s", number, *row)
    table = np.array(rows)
    log.info(
        "worst of %d: lid clearance %.3f mm, in faces %.3f mm, blink open %+.3f mm, lids overlap %.3f mm, "
        "teeth behind lips %.2f mm, eye size %.2f-%.2f, %.2f s CPU",
        count,
        table[:, 0].min(),
        table[:, 1].min(),
        table[:, 2].max(),
        table[:, 3].max(),
        table[:, 4].min(),
        table[:, 5].min(),
        table[:, 5].max(),
        table[:, 6].max(),
    )


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
