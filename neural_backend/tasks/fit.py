"""Fit from Photo: photos of one person in, a head package out. Both doors, command line and Blender, come here."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from ..fitting.locked_texels import LockedMap
from ..fitting.pins import Pins
from ..fitting.result import FitResult
from ..head.package import HeadPackage, PackageLevel, PackagePhoto
from ..head.template import JOINT_NAMES, JOINT_PARENTS, PART_NAMES, PART_TEXTURE_SET, HeadTemplate
from ..perception.image import linear_to_srgb
from ..protocol.arkit import ARKIT_NAMES
from ..protocol.cancellation import checkpoint, interruptible
from ..protocol.errors import MienError, photo_at_fault
from .licences import package_licences
from .progress import Progress, show, silent

QUALITIES = ("draft", "standard", "high")
MAP_SIZES = (1024, 2048, 4096)
#: The map size of each quality unless the user names one.
DEFAULT_MAP_SIZE = {"draft": 1024, "standard": 2048, "high": 4096}
#: The stages and their usual share of the time, in seconds on two cores.
STAGE_WEIGHTS = {"look": 1.0, "fit": 8.0, "textures": 12.0, "write": 6.0}
STAGES = tuple(STAGE_WEIGHTS)


@dataclass(frozen=True)
class Again:
    """What a second fit of the same photos starts from."""

    focals_px: tuple[float, ...]  # of the photos
    pins: tuple[Pins, ...]  # of the photos
    painted: dict[str, LockedMap]  # map of the skin -> what the artist painted; of the new maps' size


@dataclass(frozen=True)
class FitRequest:
    """What the user asks for."""

    photos: tuple[str, ...]  # files, one person
    output: str  # folder that receives <name>.head
    name: str | None = None  # default: the first photo's file name
    quality: str = "standard"
    map_size: int | None = None
    device: str = "auto"
    seed: int = 0
    keep_photos: bool = True  # put the fitted photos into the package
    again: Again | None = None  # what is known from an earlier fit of these photos

    def __post_init__(self) -> None:
        if not self.photos:
            raise MienError("no_photo", "No photo was given: add at least one photo of a face.")
        if self.quality not in QUALITIES:
            raise MienError("bad_option", f"Quality must be one of {', '.join(QUALITIES)}, not '{self.quality}'.")
        if self.map_size is not None and self.map_size not in MAP_SIZES:
            raise MienError("bad_option", f"Maps must be 1024, 2048 or 4096 texels wide, not {self.map_size}.")
        if self.seed < 0:
            raise MienError("bad_option", f"The seed must be 0 or more, not {self.seed}.")


@dataclass(frozen=True)
class FitOutcome:
    """What came out."""

    package: Path
    report: dict[str, object]


class _Clock:
    """Seconds per stage, for the report."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._started = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage] = round(now - self._started, 2)
        self._started = now


def head_name(request: FitRequest) -> str:
    """A folder name that every system accepts, from the request's name or its first photo."""
    return clean_name(request.name if request.name is not None else Path(request.photos[0]).stem)


def clean_name(wanted: str) -> str:
    """A folder name that every system accepts.

    Raises:
        MienError: bad_option, when nothing of it is left.
    """
    name = re.sub(r"[^\w\- ]+", "_", wanted, flags=re.UNICODE).strip(" _.")
    # File systems count bytes, 255 of them, and the folder that is being written has a longer name.
    name = name.encode()[:200].decode(errors="ignore")
    if not name:
        raise MienError("bad_option", f"'{wanted}' cannot be a name: give one with a letter or a digit in it.")
    return name


def check_output(folder: Path) -> None:
    """Refuse an output folder that cannot be written before half a minute is spent, without creating anything.

    Raises:
        MienError: cannot_write.
    """
    nearest = folder.absolute()
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if not nearest.is_dir():
        raise MienError("cannot_write", f"{nearest} is a file, so {folder} cannot be a folder: choose another one.")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise MienError("cannot_write", f"{nearest} may not be written to: choose another folder.")


def run(request: FitRequest, progress: Progress = silent) -> FitOutcome:
    """Fit one person.

    Raises:
        MienError: a photo, an option or the output folder is at fault; nothing has been written.
        Cancelled: `progress` asked to stop; nothing has been written.
    """
    # Imported here: `mien --help` and a wrong option should not wait two seconds for torch.
    from ..fitting.fit import FitOptions, fit_photos
    from ..fitting.textures import make_maps, relit
    from ..head.anatomy_maps import make_maps as make_anatomy_maps
    from ..perception.image import load_photo
    from ..rendering.device import choose_device

    name = head_name(request)
    check_output(Path(request.output))
    size = request.map_size or DEFAULT_MAP_SIZE[request.quality]
    device = choose_device(request.device)
    clock = _Clock()

    again, photos = request.again, []
    for index, file in enumerate(request.photos):
        progress("look", index / len(request.photos), Path(file).name)
        with photo_at_fault(index):
            photo = interruptible(load_photo, file)
        photos.append(photo if again is None else replace(photo, focal_px=again.focals_px[index]))
    progress("look", 1.0)
    clock.lap("look")

    options = FitOptions(quality=request.quality, device=device, seed=request.seed)
    if again is not None:
        options = replace(options, pins=again.pins, focal_from="the earlier fit")
    fit = interruptible(fit_photos, photos, options, progress)
    clock.lap("fit")

    maps = interruptible(make_maps, fit, photos, size, progress, request.seed)
    fit = relit(fit, maps)
    clock.lap("textures")

    progress("write", 0.0)
    images: dict[str, np.ndarray | bytes] = {
        "maps/diffuse.png": _srgb8(maps.diffuse),
        "maps/specular.png": _linear8(maps.specular / 0.08),  # Principled's Specular IOR Level
        "maps/roughness.png": _linear8(maps.roughness),
        "maps/normal.png": _linear16(maps.normal),
        "maps/confidence.png": _linear8(maps.confidence),
    }
    locked = {} if again is None else _keep_painted(again.painted, images)
    files = {"skin": {key: f"maps/{key}.png" for key in ("diffuse", "specular", "roughness", "normal", "confidence")}}
    anatomy = interruptible(make_anatomy_maps, maps.iris_colour, request.seed, size)
    for key, image in anatomy.items():
        texture_set, kind = key.split("_", 1)
        file = f"maps/{key}.png"
        images[file] = _srgb8(image) if kind == "diffuse" else _linear8(image)
        files.setdefault(texture_set, {})[kind] = file
    photo_files = _photo_pictures(request, photos, images) if request.keep_photos else [None] * len(photos)
    shown = {"diffuse": maps.diffuse, "specular": maps.specular, "roughness": maps.roughness}
    residual = interruptible(residual_picture, fit, photos, shown | anatomy)
    images["report/residual.png"] = residual
    show(progress, "write", lambda: _composed(residual, fit))
    progress("write", 0.5)

    report = {
        **fit.report,
        **maps.report,
        "quality": request.quality,
        "map_size": size,
        "perception_device": device,  # fitting and textures run on the CPU
        "seed": request.seed,
        "estimated": {
            "identity": "fitted",
            "expression": "fitted per photo, removed from the neutral head",
            "scale": "from the shape prior: one photo does not show size",
            "light": "fitted per photo",
            "back_of_head": "from the shape prior",
            "texels": maps.coverage,
        },
        **({"locked_texels": locked} if locked else {}),
        "seconds": clock.seconds,
    }
    package = assemble(name, fit, photos, photo_files, files, report)
    path = package.write(Path(request.output), images)
    clock.lap("write")
    progress("write", 1.0, path.name)
    return FitOutcome(path, report)


def _keep_painted(painted: dict[str, LockedMap], images: dict[str, np.ndarray | bytes]) -> dict[str, int]:
    """Put the locked texels of painted maps into the new ones, write where they are; how many of each map."""
    counts = {}
    for name, locked_map in painted.items():
        if locked_map.locked.any():
            images[f"maps/{name}.png"] = locked_map.keep(images[f"maps/{name}.png"])
            images[locked_file(name)] = locked_map.locked.astype(np.uint8) * 255
            counts[name] = int(locked_map.locked.sum())
    return counts


def locked_file(name: str) -> str:
    """Where a package says which texels of a map of the skin are locked."""
    return f"maps/{name}_locked.png"


def assemble(
    name: str,
    fit: FitResult,
    photos: list,
    photo_files: list[str | None],
    maps: dict[str, dict[str, str]],
    report: dict[str, object],
) -> HeadPackage:
    """The package of a fitted head, both levels of detail."""
    template = HeadTemplate.load()
    expressions = np.stack([photo.expression for photo in fit.photos])  # [P, 52]
    fitted = fit.vertices[None] + np.tensordot(expressions, fit.arkit, 1)  # [P, V, 3]
    corners = fit.vertices[template.landmarks68_triangle]  # [68, 3, 3]
    landmarks68 = (corners * template.landmarks68_barycentric[..., None]).sum(1)
    levels = tuple(
        PackageLevel(
            vertices=fit.vertices[level.vertex_ids],
            quads=level.quads,
            uv=level.uv,
            face_uv=level.face_uv,
            part=level.face_part,
            joint_weights=template.joint_weights[level.vertex_ids],
            arkit=fit.arkit[:, level.vertex_ids],
            fitted=fitted[:, level.vertex_ids],
            landmarks68=landmarks68,
        )
        for level in template.levels
    )
    return HeadPackage(
        name=name,
        identity=fit.identity,
        levels=levels,
        part_names=PART_NAMES,
        texture_sets=PART_TEXTURE_SET,
        joint_names=JOINT_NAMES,
        joint_parents=JOINT_PARENTS,
        joint_positions=fit.joint_positions,
        landmark_corners=template.landmarks68_triangle,
        landmark_weights=template.landmarks68_barycentric,
        photos=tuple(
            PackagePhoto(
                file=file,
                width=photo_fit.camera.width,
                height=photo_fit.camera.height,
                intrinsics=photo_fit.camera.intrinsics,
                camera_from_head=photo_fit.camera.camera_from_head,
                expression={
                    key: round(float(weight), 4) for key, weight in zip(ARKIT_NAMES, photo_fit.expression, strict=True)
                },
                light=photo_fit.light,
            )
            for photo_fit, file in zip(fit.photos, photo_files, strict=True)
        ),
        maps=maps,
        report=report,
        licences=package_licences(),
    )


def residual_picture(fit: FitResult, photos: list, maps: dict[str, np.ndarray]) -> np.ndarray:
    """[H, 3W, 3] uint8 for each photo, stacked: photo, fitted head in the fitted light, their difference times four."""
    from ..fitting.picture import photo_materials, render_fit

    materials = photo_materials(
        {"diffuse": maps["diffuse"], "specular": maps["specular"], "roughness": maps["roughness"]},
        maps.get("eye_diffuse"),
        maps.get("mouth_diffuse"),
    )
    rows = []
    for photo_fit, photo in zip(fit.photos, photos, strict=True):
        scale = 512 / max(photo_fit.camera.width, photo_fit.camera.height)
        seen = cv2.resize(photo.linear, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        camera = photo_fit.camera.scaled(seen.shape[1] / photo_fit.camera.width)
        rendered = render_fit(fit, photo_fit, camera, materials)  # [h, w, 4] linear, premultiplied
        rendered = cv2.resize(rendered, (seen.shape[1], seen.shape[0]))
        composed = rendered[..., :3] + seen * (1 - rendered[..., 3:])
        difference = np.abs(_srgb8(composed).astype(np.int16) - _srgb8(seen)) * (rendered[..., 3:] > 0.5) * 4
        row = np.concatenate([_srgb8(seen), _srgb8(composed), np.clip(difference, 0, 255).astype(np.uint8)], 1)
        canvas = np.zeros((512, 3 * 512, 3), np.uint8)
        canvas[: row.shape[0], : row.shape[1]] = row
        rows.append(canvas)
    return np.concatenate(rows)


def _composed(residual: np.ndarray, fit: FitResult) -> np.ndarray:
    """[h, w, 3] uint8: the finished head in each photo, from the middle pictures of `residual_picture`."""
    from ..fitting.overlays import beside, head_window

    pictures = []
    for index, photo in enumerate(fit.photos):
        scale = 512 / max(photo.camera.width, photo.camera.height)
        width, height = round(photo.camera.width * scale), round(photo.camera.height * scale)
        left, top, right, bottom = head_window(photo.landmarks * scale, width, height)
        pictures.append(residual[512 * index + top : 512 * index + bottom, width + left : width + right])
    return beside(pictures)


def _photo_pictures(request: FitRequest, photos: list, images: dict[str, np.ndarray | bytes]) -> list[str]:
    files = []
    for index, photo in enumerate(photos):
        file = f"photos/{index}.jpg"
        if request.again is not None and Path(request.photos[index]).suffix == ".jpg":
            # A package's own photo: coding it once more would lose a little each time.
            images[file] = Path(request.photos[index]).read_bytes()
        else:
            picture = np.ascontiguousarray(photo.srgb[..., ::-1])
            images[file] = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
        files.append(file)
    return files


def _srgb8(linear: np.ndarray) -> np.ndarray:
    """Scene linear -> sRGB, 8 bit. A fourth channel is alpha and stays linear."""
    checkpoint()
    encoded = linear_to_srgb(np.clip(linear[..., :3], 0, 1))
    return _linear8(np.concatenate([encoded, linear[..., 3:]], -1))


def _linear8(values: np.ndarray) -> np.ndarray:
    checkpoint()
    return (np.clip(values, 0, 1) * 255 + 0.5).astype(np.uint8)


def _linear16(values: np.ndarray) -> np.ndarray:
    checkpoint()
    return (np.clip(values, 0, 1) * 65535 + 0.5).astype(np.uint16)
