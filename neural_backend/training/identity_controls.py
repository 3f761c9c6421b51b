"""Named identity controls, derived from the template alone: the directions in identity space that change a measure.

    python -m neural_backend.training.identity_controls [--output blender_addon/data/identity_controls.json] [--table]

A control belongs to a measure m of the neutral head (a length, an angle, a proportion). Identity codes z are N(0, I),
so with g = dm/dz at the mean head the measure's standard deviation is |g|, and the most likely way to change it by one
standard deviation is the shortest d with g.d = |g|: d = g / |g|. A control may hold other measures still (h.d = 0), so
that a longer nose is not just a larger head; one standard deviation is then that of the measure among heads whose held
measures are alike. So one unit of any control is a change of codes of length one: as likely as any other.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..head.template import HeadTemplate

DEFAULT_OUTPUT = Path(__file__).resolve().parents[2] / "blender_addon" / "data" / "identity_controls.json"
_STEP = 0.25  # standard deviations, for the central difference
_MM = 1e3


@dataclass(frozen=True)
class Places:
    """The points that measures are taken from: [68, 3] landmarks, all vertices, and vertex ids by name; metres."""

    landmarks: np.ndarray
    vertices: np.ndarray
    ids: dict[str, np.ndarray]

    def middle(self, name: str) -> np.ndarray:
        return self.vertices[self.ids[name]].mean(0)


Measure = Callable[[Places], float]


def _distance(p: Places, a: int, b: int) -> float:
    return float(np.linalg.norm(p.landmarks[a] - p.landmarks[b])) * _MM


def _both(p: Places, left: tuple[int, ...], right: tuple[int, ...], axis: int) -> tuple[float, float]:
    """Mean coordinate of landmarks of the left and of the right side."""
    return float(p.landmarks[list(left), axis].mean()), float(p.landmarks[list(right), axis].mean())


def _size(p: Places) -> float:
    face = p.vertices[p.ids["face"]]
    return float(np.sqrt(((face - face.mean(0)) ** 2).sum(1).mean())) * _MM


def _jaw_width(p: Places) -> float:
    return (_distance(p, 4, 12) + _distance(p, 5, 11)) / 2


def _eye_opening(p: Places) -> float:
    upper, lower = _both(p, (43, 44), (37, 38), 1), _both(p, (46, 47), (40, 41), 1)
    return (sum(upper) - sum(lower)) / 2 * _MM


def _eye_width(p: Places) -> float:
    return (_distance(p, 36, 39) + _distance(p, 42, 45)) / 2


def _eye_tilt(p: Places) -> float:
    outer, inner = p.landmarks[[36, 45]].mean(0), p.landmarks[[39, 42]].mean(0)
    width = abs(p.landmarks[45, 0] - p.landmarks[42, 0])
    return float(np.degrees(np.arctan2(outer[1] - inner[1], width)))


def _brow_height(p: Places) -> float:
    brows, eyes = _both(p, tuple(range(22, 27)), tuple(range(17, 22)), 1), p.landmarks[36:48, 1].mean()
    return (sum(brows) / 2 - float(eyes)) * _MM


def _nose_depth(p: Places) -> float:
    return float(p.landmarks[30, 2] - p.landmarks[[31, 35], 2].mean()) * _MM


def _nose_tip(p: Places) -> float:
    rise, length = p.landmarks[30] - p.landmarks[33], _distance(p, 30, 33) / _MM
    return float(np.degrees(np.arcsin(rise[1] / length)))


def _bridge(p: Places) -> float:
    return float(p.landmarks[[27, 28], 2].mean() - p.landmarks[[39, 42], 2].mean()) * _MM


def _lips(p: Places, upper: tuple[int, ...], lower: tuple[int, ...]) -> float:
    return float(np.linalg.norm(p.landmarks[list(upper)] - p.landmarks[list(lower)], axis=1).mean()) * _MM


def _chin_forward(p: Places) -> float:
    return float(p.landmarks[[7, 8, 9], 2].mean() - p.landmarks[[33, 27], 2].mean()) * _MM


def _cheeks(p: Places) -> float:
    """How far the soft cheeks stand out of the plane through cheekbone, mouth corner and jaw."""
    out = []
    for side, mouth, jaw in (("left", 54, 13), ("right", 48, 3)):
        corner, bone, edge = p.landmarks[mouth], p.middle(f"malar_{side}"), p.landmarks[jaw]
        normal = np.cross(bone - corner, edge - corner) * (-1.0 if side == "left" else 1.0)
        out.append((p.middle(f"cheek_{side}") - corner) @ normal / np.linalg.norm(normal))
    return float(np.mean(out)) * _MM


def _cheekbones(p: Places) -> float:
    """How far the cheekbones stand before the line between the eye's outer corner and the mouth's corner."""
    out = [p.middle(f"malar_{side}")[2] - (p.landmarks[eye, 2] + p.landmarks[mouth, 2]) / 2
           for side, eye, mouth in (("left", 45, 54), ("right", 36, 48))]  # fmt: skip
    return float(np.mean(out)) * _MM


def _ear(p: Places, axis: int) -> float:
    ears = [p.vertices[p.ids[f"ear_{side}"]][:, axis] for side in ("left", "right")]
    return float(np.mean([np.ptp(ear) for ear in ears])) * _MM


def _ear_out(p: Places) -> float:
    """The ear's rim over the skin right behind it, sideways."""
    out = [np.abs(p.vertices[p.ids[f"ear_{s}"], 0]).max() - np.abs(p.middle(f"behind_{s}")[0]) for s in
           ("left", "right")]  # fmt: skip
    return float(np.mean(out)) * _MM


#: id -> (label, group, measure, unit, measures held still besides the head's size)
CONTROLS: dict[str, tuple[str, str, Measure, str, tuple[str, ...]]] = {
    "head_size": ("Head Size", "Head", _size, "mm", ()),
    "face_width": ("Face Width", "Head", lambda p: _distance(p, 1, 15), "mm", ()),
    "face_length": ("Face Length", "Head", lambda p: (p.landmarks[27, 1] - p.landmarks[8, 1]) * _MM, "mm", ()),
    "forehead_height": (
        "Forehead Height", "Head", lambda p: (p.middle("crown")[1] - p.landmarks[17:27, 1].mean()) * _MM, "mm",
        ("face_length",),
    ),
    "forehead_forward": (
        "Forehead Forward", "Head", lambda p: (p.middle("forehead")[2] - p.landmarks[27, 2]) * _MM, "mm", (),
    ),
    "neck_width": ("Neck Width", "Head", lambda p: np.ptp(p.vertices[p.ids["neck"], 0]) * _MM, "mm", ("jaw_width",)),
    "jaw_width": ("Jaw Width", "Jaw and Cheeks", _jaw_width, "mm", ("face_width",)),
    "chin_length": (
        "Chin Length", "Jaw and Cheeks", lambda p: (p.landmarks[57, 1] - p.landmarks[8, 1]) * _MM, "mm", (),
    ),
    "chin_forward": ("Chin Forward", "Jaw and Cheeks", _chin_forward, "mm", ()),
    "cheek_fullness": ("Cheek Fullness", "Jaw and Cheeks", _cheeks, "mm", ()),
    "cheekbones": ("Cheekbones", "Jaw and Cheeks", _cheekbones, "mm", ()),
    "nose_length": ("Nose Length", "Nose", lambda p: _distance(p, 27, 33), "mm", ()),
    "nose_width": ("Nose Width", "Nose", lambda p: _distance(p, 31, 35), "mm", ("nose_length", "mouth_width")),
    "nose_bridge": ("Nose Bridge", "Nose", _bridge, "mm", ("nose_depth",)),
    "nose_depth": ("Nose Projection", "Nose", _nose_depth, "mm", ("nose_length",)),
    "nose_tip": ("Nose Tip Up", "Nose", _nose_tip, "degrees", ("nose_length", "nose_depth")),
    "eye_size": ("Eye Opening", "Eyes and Brows", _eye_opening, "mm", ("eye_width",)),
    "eye_width": ("Eye Width", "Eyes and Brows", _eye_width, "mm", ("eye_spacing",)),
    "eye_spacing": (
        "Eye Spacing", "Eyes and Brows", lambda p: _distance(p, 39, 42), "mm", ("face_width",),
    ),
    "eye_tilt": ("Eye Tilt", "Eyes and Brows", _eye_tilt, "degrees", ()),
    "brow_height": ("Brow Height", "Eyes and Brows", _brow_height, "mm", ()),
    "mouth_width": ("Mouth Width", "Mouth", lambda p: _distance(p, 48, 54), "mm", ("jaw_width",)),
    "lip_upper": (
        "Upper Lip", "Mouth", lambda p: _lips(p, (50, 51, 52), (61, 62, 63)), "mm", ("mouth_width",),
    ),
    "lip_lower": (
        "Lower Lip", "Mouth", lambda p: _lips(p, (58, 57, 56), (67, 66, 65)), "mm", ("mouth_width",),
    ),
    "ear_size": ("Ear Size", "Ears", lambda p: _ear(p, 1), "mm", ("face_length",)),
    "ear_out": ("Ears Stand Out", "Ears", _ear_out, "mm", ("face_width",)),
}  # fmt: skip


def named_vertices(template: HeadTemplate) -> dict[str, np.ndarray]:
    """Vertex ids of the regions that landmarks do not reach, found on the mean head."""
    mean, curves = template.vertices, template.levels[1].curves
    skin = template.part_vertices("skin")
    landmarks = places(template, np.zeros(len(template.identity)), {}).landmarks

    def near(point: np.ndarray, radius: float) -> np.ndarray:
        return skin[np.linalg.norm(mean[skin] - point, axis=1) < radius]

    ids = {
        "face": skin[mean[skin, 1] > landmarks[8, 1]],
        "crown": skin[np.argsort(-mean[skin, 1])[:40]],
        "forehead": near(np.array([0.0, landmarks[17:27, 1].mean() + 0.03, landmarks[27, 2]]), 0.015),
        "neck": curves["neck_rim"],
    }
    for side, sign, eye, mouth, jaw in (("left", 1.0, 45, 54, 13), ("right", -1.0, 36, 48, 3)):
        cheek = (landmarks[mouth] + landmarks[jaw]) / 2 + np.array([0.0, 0.01, 0.01])
        ids[f"cheek_{side}"] = skin[np.argsort(np.linalg.norm(mean[skin] - cheek, axis=1))[:40]]
        under_eye = landmarks[eye] + np.array([-0.006 * sign, -0.026, 0.006])
        ids[f"malar_{side}"] = skin[np.argsort(np.linalg.norm(mean[skin] - under_eye, axis=1))[:30]]
        ear = np.unique(np.concatenate([ring for name, ring in curves.items() if name.startswith(f"ear_{side}")]))
        ids[f"ear_{side}"] = ear
        back = np.array([mean[ear, 0].mean() - 0.01 * sign, mean[ear, 1].mean(), mean[ear, 2].min() - 0.012])
        ids[f"behind_{side}"] = skin[np.argsort(np.linalg.norm(mean[skin] - back, axis=1))[:20]]
    return ids


def places(template: HeadTemplate, identity: np.ndarray, ids: dict[str, np.ndarray]) -> Places:
    vertices = template.shape(identity).astype(np.float64)
    corners = vertices[template.landmarks68_triangle]  # [68, 3, 3]
    return Places((corners * template.landmarks68_barycentric[..., None]).sum(1), vertices, ids)


def gradients(template: HeadTemplate, ids: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """control -> [K] how its measure changes with each identity code, at the mean head."""
    result = {name: np.zeros(len(template.identity)) for name in CONTROLS}
    for mode in range(len(template.identity)):
        code = np.zeros(len(template.identity))
        code[mode] = _STEP
        above, below = places(template, code, ids), places(template, -code, ids)
        for name, (_, _, measure, _, _) in CONTROLS.items():
            result[name][mode] = (measure(above) - measure(below)) / (2 * _STEP)
    return result


def direction(gradient: np.ndarray, held: list[np.ndarray]) -> np.ndarray:
    """[K] the shortest change of the codes that changes the measure by one standard deviation and no held one."""
    free = gradient
    if held:
        basis, _ = np.linalg.qr(np.stack(held, 1))
        free = gradient - basis @ (basis.T @ gradient)
    return free / np.linalg.norm(free)


def derive(template: HeadTemplate) -> dict[str, object]:
    """What the data file holds."""
    ids = named_vertices(template)
    gradient = gradients(template, ids)
    mean = places(template, np.zeros(len(template.identity)), ids)
    controls = []
    for name, (label, group, measure, unit, others) in CONTROLS.items():
        held = [gradient[other] for other in others] + ([] if name == "head_size" else [gradient["head_size"]])
        found = direction(gradient[name], held)
        controls.append(
            {
                "id": name,
                "label": label,
                "group": group,
                "unit": unit,
                "mean": round(measure(mean), 3),
                "deviation": round(float(gradient[name] @ found), 4),
                "holds": list(others) + ([] if name == "head_size" else ["head_size"]),
                "direction": [round(float(value), 5) for value in found],
            }
        )
    return {"format": 1, "template": fingerprint(template), "modes": len(template.identity), "controls": controls}


def fingerprint(template: HeadTemplate) -> str:
    """Ties the data to the identity modes that it was derived from."""
    return hashlib.sha256(np.ascontiguousarray(template.identity[:, ::97]).tobytes()).hexdigest()[:16]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=DEFAULT_OUTPUT)
    parser.add_argument("--table", action="store_true", help="print the controls instead of writing the file")
    options = parser.parse_args()
    data = derive(HeadTemplate.load())
    if options.table:
        print("| control | mean | one sd | held still |\n| --- | --- | --- | --- |")
        for control in data["controls"]:
            unit, held = control["unit"], ", ".join(control["holds"]).replace("_", " ")
            print(f"| {control['label']} | {control['mean']:.1f} {unit} | {control['deviation']:.2f} {unit} | {held} |")
        return
    options.output.write_text(json.dumps(data, indent=None, separators=(",", ":")) + "\n", encoding="utf-8")
    print(f"{options.output.name}: {len(data['controls'])} controls, {options.output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
