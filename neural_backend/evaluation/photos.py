"""Rendered fit against photo: `python -m neural_backend.evaluation.photos FOLDER_OR_PHOTO... --out SHEETS`.

For every photo: mean absolute error (0..255, sRGB) and structural similarity over the face, and the distance between
the identity embeddings of photo and render (below 0.6: the same person, by the embedding's own authors). The embedding
is never part of a loss. Baseline in the same run: the mean head in one even colour, the median of the fitted skin, with
the same camera, expression and light. Also rendered away from the photo: neutral in three-quarter view under another
light.
"""

from __future__ import annotations

import argparse
import csv
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from ..fitting.fit import FitOptions, fit_photos
from ..fitting.picture import CLAY, photo_materials, render_fit
from ..fitting.result import FitResult
from ..fitting.textures import make_maps, relit
from ..head.anatomy_maps import make_maps as make_anatomy_maps
from ..head.template import HeadTemplate
from ..perception.face import FacePerception, choose_face
from ..perception.identity import embed
from ..perception.image import linear_to_srgb, load_photo, photo_from_linear
from ..perception.landmarks import FACE_OVAL
from ..perception.regions import fill
from ..protocol.errors import MienError
from ..rendering.camera import Camera
from ..rendering.light import sh_count

SAME_PERSON = 0.6
GREY = 0.21  # linear, behind every render


def face_region(landmarks: np.ndarray, height: int, width: int) -> np.ndarray:
    """[H, W] bool: inside the face oval."""
    return fill([landmarks[FACE_OVAL, :2]], height, width) > 0.5


def structural_similarity(first: np.ndarray, second: np.ndarray, region: np.ndarray) -> float:
    """Mean SSIM (Wang 2004: 11 px Gaussian window of sigma 1.5) of two [H, W, 3] 0..255 pictures over a region."""

    def blur(image: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(image, (11, 11), 1.5)

    a, b = (image.astype(np.float32) for image in (first, second))
    mean_a, mean_b = blur(a), blur(b)
    variance_a, variance_b = blur(a * a) - mean_a**2, blur(b * b) - mean_b**2
    covariance = blur(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    ssim = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    ssim /= (mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2)
    return float(ssim[region].mean())


def over_grey(image: np.ndarray) -> np.ndarray:
    """[H, W, 3] linear picture of a premultiplied render over grey."""
    return image[..., :3] + GREY * (1 - image[..., 3:])


def eight_bit(linear: np.ndarray) -> np.ndarray:
    return np.round(linear_to_srgb(np.clip(linear, 0, 1)) * 255).astype(np.uint8)


def turned(camera: Camera, yaw: float, centre: np.ndarray) -> Camera:
    """The camera moved round the head about +Y by `yaw` radians."""
    cosine, sine = np.cos(yaw), np.sin(yaw)
    spin = np.eye(4)
    spin[:3, :3] = [[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]]
    spin[:3, 3] = centre - spin[:3, :3] @ centre
    return replace(camera, camera_from_head=camera.camera_from_head @ spin)


def side_light() -> np.ndarray:
    """[B, 3] a warm light from the upper left with some fill: not any photo's."""
    light = np.zeros((sh_count(2), 3))
    light[0] = 2.6
    light[1:4] = [[0.9], [0.9], [1.5]]
    return light * np.array([1.05, 1.0, 0.92])


def embedding_of(picture: np.ndarray, perception: FacePerception) -> np.ndarray | None:
    """[128] of the face in a linear picture; None if the detector sees no face there."""
    photo = photo_from_linear(picture)
    try:
        face = choose_face(perception.detect(photo), photo)
    except MienError:
        return None
    return embed(photo, face.landmarks)


def mean_head(fit: FitResult) -> FitResult:
    """The baseline: nobody's face in the photo's place."""
    template = HeadTemplate.load()
    return replace(
        fit, identity=np.zeros_like(fit.identity), vertices=template.vertices, arkit=template.arkit,
        joint_positions=template.joint_positions,
    )  # fmt: skip


def evaluate(path: Path, quality: str, size: int, perception: FacePerception) -> tuple[dict[str, object], np.ndarray]:
    """(numbers, contact sheet) of one photo."""
    photo = load_photo(path)
    fit = fit_photos([photo], FitOptions(quality=quality, device="cpu", seed=0), lambda *_: None)
    maps = make_maps(fit, [photo], size=size, progress=lambda *_: None, seed=0)
    fit = relit(fit, maps)
    anatomy = make_anatomy_maps(maps.iris_colour, 0, 512)
    skin = {"diffuse": maps.diffuse, "specular": maps.specular, "roughness": maps.roughness, "normal": maps.normal}
    materials = photo_materials(skin, anatomy.get("eye_diffuse"), anatomy.get("mouth_diffuse"))
    seen = fit.photos[0]

    factor = min(1.0, 700 / max(photo.height, photo.width))
    camera = seen.camera.scaled(factor)
    target = cv2.resize(photo.linear, (camera.width, camera.height), interpolation=cv2.INTER_AREA)
    region = face_region(seen.landmarks * factor, camera.height, camera.width)
    as_photo = render_fit(fit, seen, camera, materials)
    neutral = render_fit(fit, seen, camera, materials, expression=np.zeros(52))
    centre = fit.joint_positions[1]
    elsewhere = render_fit(
        fit, replace(seen, exposure=_exposure(target, region)), turned(camera, 0.6, centre), materials,
        expression=np.zeros(52), light=side_light(),
    )  # fmt: skip
    nobody = render_fit(mean_head(fit), seen, camera, photo_materials(_flat_skin(maps.diffuse), None, None))

    region &= as_photo[..., 3] > 0.5
    photo_code = embed(photo, seen.landmarks)

    def distance(picture: np.ndarray) -> float:
        code = embedding_of(over_grey(picture), perception)
        return float("nan") if code is None else float(np.linalg.norm(code - photo_code))

    shown = [eight_bit(picture) for picture in (target, over_grey(as_photo))]
    numbers = {
        "photo": path.stem,
        "mae": float(np.abs(shown[0].astype(float) - shown[1])[region].mean()),
        "ssim": structural_similarity(*shown, region),
        "identity": distance(as_photo),
        "identity_neutral": distance(neutral),
        "identity_turned_relit": distance(elsewhere),
        "identity_mean_head": distance(nobody),
    }
    overlay = target.copy()
    clay = render_fit(fit, seen, camera)
    overlay = overlay * (1 - 0.5 * clay[..., 3:]) + 0.5 * clay[..., :3]
    profile = render_fit(fit, seen, turned(camera, 1.4, centre), CLAY, expression=np.zeros(52))
    tiles = [target, overlay, over_grey(as_photo), over_grey(neutral), over_grey(elsewhere), over_grey(profile)]
    return numbers, np.concatenate([_tile(eight_bit(tile)) for tile in tiles], 1)


def _flat_skin(diffuse: np.ndarray) -> dict[str, np.ndarray]:
    return {"diffuse": np.broadcast_to(np.median(diffuse, (0, 1)), (8, 8, 3))}


def _exposure(target: np.ndarray, region: np.ndarray) -> float:
    return float(np.median(target[region])) / 0.35


def _tile(image: np.ndarray, side: int = 400) -> np.ndarray:
    scale = side / max(image.shape[:2])
    image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    canvas = np.full((side, side, 3), 30, np.uint8)
    canvas[: image.shape[0], : image.shape[1]] = image
    return canvas


def photo_files(arguments: list[Path]) -> list[Path]:
    files = []
    for path in arguments:
        inside = sorted(path.iterdir()) if path.is_dir() else [path]
        files += [file for file in inside if file.suffix.lower() in (".jpg", ".jpeg", ".png")]
    return files


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="folder for sheets and table.csv")
    parser.add_argument("--quality", default="standard")
    parser.add_argument("--maps", type=int, default=1024)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    perception = FacePerception.load("cpu")
    rows = []
    for path in photo_files(arguments.photos):
        try:
            numbers, sheet = evaluate(path, arguments.quality, arguments.maps, perception)
        except MienError as error:
            print(f"{path.stem}: {error.sentence}", file=sys.stderr)
            continue
        cv2.imwrite(str(arguments.out / f"{path.stem}.png"), sheet[..., ::-1])
        rows.append(numbers)
        print(
            " ".join(f"{key} {value:.3f}" if isinstance(value, float) else str(value) for key, value in numbers.items())
        )
    if not rows:
        sys.exit("No photo could be fitted.")
    with (arguments.out / "table.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    for key in list(rows[0])[1:]:
        values = np.array([row[key] for row in rows])
        line = f"{key}: mean {np.nanmean(values):.3f}, worst {np.nanmax(values) if key != 'ssim' else values.min():.3f}"
        if key.startswith("identity"):
            line += f", same person on {(values < SAME_PERSON).sum()} of {len(values)}"
        print(line)


if __name__ == "__main__":
    main()
