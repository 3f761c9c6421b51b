"""Captures of a light stage: what a moment looked like from known cameras under each of its lights.

A folder holds `stage.json` and one `<capture>.npz` per moment (docs/lightstage.md has the layout, which a studio can
write from its own rig). Arrays are read without pickle, and a file appears only when it is whole.
"""

from __future__ import annotations

import json
import math
import os
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from ..models.vrmm.config import LIGHT_HEIGHT, LIGHT_WIDTH
from ..protocol.errors import MienError
from ..rendering.camera import Camera
from ..rendering.light import environment_directions, latlong_taps, sample_environment

FORMAT = 1
#: What a material map's numbers mean.
MATERIALS = ("background", "skin", "hair", "eye", "mouth", "cloth")
JPEG_QUALITY = 95
#: Colour at full size: halved, it would bleed over lips, irises and silhouettes.
_JPEG = [
    cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
]  # fmt: skip
#: Points on a lamp's disk that are splatted onto the lat-long picture.
DISK_SAMPLES = 48


@dataclass(frozen=True)
class StageSettings:
    """What `stage.json` says of all captures of a folder."""

    split: str = "captures"
    seed: int = 0
    size: int = 128  # pixels along the sides of a picture
    samples: int = 0  # paths per pixel; 0 for photographs
    lights: int = 16  # G
    views: int = 2  # V
    casting: int = 0  # which version of render_captures.CASTING drew synthetic people; 0 for real ones
    format: int = FORMAT


@dataclass(frozen=True)
class Capture:
    """One moment of one subject: V views, each under G lights one at a time.

    Pictures are decoded when asked for, one view at a time. Known truth (identity, expression, gaze, vertices) is None
    where a set withholds it.
    """

    subject: str
    name: str
    cameras: tuple[Camera, ...]  # V, camera_from_head; view 0 is the encoder's
    world_from_head: np.ndarray  # [4, 4] rigid, metres: cameras and lamps stand in the world, the head moves
    light_directions: np.ndarray  # [G, 3] unit, world frame, towards the lamps
    light_radii_rad: np.ndarray  # [G] of the lamps' disks as seen from the head
    light_radiance: np.ndarray  # [G] of the disks at unit weight
    codes: tuple[tuple[np.ndarray, ...], ...] = field(repr=False)  # [V][G] JPEG bytes of sqrt(radiance / scale)
    scales: np.ndarray  # [V, G]
    alpha_codes: tuple[np.ndarray, ...] = field(repr=False)  # [V] PNG bytes
    material_codes: tuple[np.ndarray, ...] = field(repr=False)  # [V] PNG bytes
    environments: np.ndarray | None = None  # [N, 3, 16, 32] head frame: lights after the G lamps that are no disks
    identity: np.ndarray | None = None  # [I] of the shape prior
    expression: np.ndarray | None = None  # [52] ARKit weights
    gaze_rad: np.ndarray | None = None  # [2] to the subject's left, upwards
    vertices: np.ndarray | None = None  # [N0, 3] the template's level-0 skin vertices, head frame, metres

    def __post_init__(self) -> None:
        views, lamps = len(self.cameras), len(self.light_directions)
        assert self.light_directions.shape == (lamps, 3) and self.world_from_head.shape == (4, 4), self.name
        assert self.light_radii_rad.shape == self.light_radiance.shape == (lamps,), self.name
        lights = self.lights
        assert self.scales.shape == (views, lights) and len(self.codes) == views, self.name
        assert all(len(view) == lights for view in self.codes), self.name
        assert len(self.alpha_codes) == len(self.material_codes) == views, self.name

    @property
    def lights(self) -> int:
        """How many pictures each view has: one per lamp, then one per environment."""
        return len(self.light_directions) + (0 if self.environments is None else len(self.environments))

    def head_light(self, weights: np.ndarray) -> np.ndarray:
        """[3, 16, 32] radiance in the head's frame of the lights at weights [lights, 3]; linear in the weights."""
        assert weights.shape == (self.lights, 3), weights.shape
        lamps = len(self.light_directions)
        directions = self.light_directions @ self.world_from_head[:3, :3]  # rows: R^T d
        disks = splat_lights(directions, self.light_radii_rad, self.light_radiance)  # [G, 16, 32]
        light = np.einsum("gc,ghw->chw", weights[:lamps], disks)
        if self.environments is not None:
            light = light + np.einsum("gc,gchw->chw", weights[lamps:], self.environments)
        return light.astype(np.float32)

    def under(self, view: int, weights: np.ndarray) -> np.ndarray:
        """[H, W, 3] float32 linear, premultiplied: the view under the lights at weights [lights, 3]."""
        return np.einsum("gc,ghwc->hwc", weights.astype(np.float32), self.groups(view))

    def coded_groups(self, view: int) -> np.ndarray:
        """[G, H, W, 3] uint8: (code / 255)^2 times `scales[view]` is radiance."""
        return np.stack([cv2.imdecode(code, cv2.IMREAD_COLOR)[..., ::-1] for code in self.codes[view]])

    def groups(self, view: int) -> np.ndarray:
        """[G, H, W, 3] float32 linear, premultiplied, each light at unit weight."""
        decoded = self.coded_groups(view).astype(np.float32) / 255
        return decoded * decoded * self.scales[view][:, None, None, None].astype(np.float32)

    def alpha(self, view: int) -> np.ndarray:
        """[H, W] float32 0..1."""
        return cv2.imdecode(self.alpha_codes[view], cv2.IMREAD_GRAYSCALE).astype(np.float32) / 255

    def material(self, view: int) -> np.ndarray:
        """[H, W] uint8 into MATERIALS."""
        return cv2.imdecode(self.material_codes[view], cv2.IMREAD_GRAYSCALE)

    def withheld(self) -> Capture:
        """The same as a studio's cameras would have it: without known geometry."""
        return replace(self, identity=None, expression=None, gaze_rad=None, vertices=None)

    def write(self, folder: Path) -> Path:
        """Write `<folder>/<name>.npz` in one step.

        Raises:
            OSError: the folder cannot be written; nothing is left behind.
        """
        target = Path(folder) / f"{self.name}.npz"
        partial = target.with_name(f".{self.name}.{os.getpid()}.npz")
        flat = [code for view in self.codes for code in view]
        arrays = {
            "subject": np.array(self.subject),
            "size": np.array([[camera.width, camera.height] for camera in self.cameras]),
            "intrinsics": np.stack([camera.intrinsics for camera in self.cameras]),
            "camera_from_head": np.stack([camera.camera_from_head for camera in self.cameras]),
            "world_from_head": self.world_from_head,
            "light_directions": self.light_directions,
            "light_radii_rad": self.light_radii_rad,
            "light_radiance": self.light_radiance,
            "scales": self.scales.astype(np.float32),
            "pictures": np.concatenate(flat),
            "picture_bytes": np.array([[len(code) for code in view] for view in self.codes]),
            "alpha": np.concatenate(self.alpha_codes),
            "alpha_bytes": np.array([len(code) for code in self.alpha_codes]),
            "material": np.concatenate(self.material_codes),
            "material_bytes": np.array([len(code) for code in self.material_codes]),
        }
        known = {name: getattr(self, name) for name in _OPTIONAL}
        arrays |= {name: np.asarray(value) for name, value in known.items() if value is not None}
        try:
            np.savez(partial, **arrays)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
        return target

    @classmethod
    def read(cls, path: Path) -> Capture:
        """Read one capture.

        Raises:
            MienError: bad_capture: it is damaged or no capture.
        """
        path = Path(path)
        try:
            with np.load(path, allow_pickle=False) as data:
                arrays = {name: data[name] for name in data.files}
            sizes = np.broadcast_to(arrays["size"], (len(arrays["intrinsics"]), 2))
            cameras = tuple(
                Camera(int(size[0]), int(size[1]), intrinsics.astype(np.float64), pose.astype(np.float64))
                for size, intrinsics, pose in zip(sizes, arrays["intrinsics"], arrays["camera_from_head"], strict=True)
            )
            lengths = arrays["picture_bytes"]
            flat = _split(arrays["pictures"], lengths.ravel())
            lights = lengths.shape[1]
            return cls(
                subject=str(arrays["subject"]),
                name=path.stem,
                cameras=cameras,
                world_from_head=arrays["world_from_head"],
                light_directions=arrays["light_directions"],
                light_radii_rad=arrays["light_radii_rad"],
                light_radiance=arrays["light_radiance"],
                codes=tuple(tuple(flat[v * lights : (v + 1) * lights]) for v in range(len(lengths))),
                scales=arrays["scales"],
                alpha_codes=tuple(_split(arrays["alpha"], arrays["alpha_bytes"])),
                material_codes=tuple(_split(arrays["material"], arrays["material_bytes"])),
                **{
                    name: arrays[name] if arrays.get(name) is not None and arrays[name].size else None
                    for name in _OPTIONAL
                },
            )
        except (OSError, ValueError, KeyError, AssertionError, zipfile.BadZipFile, EOFError) as error:
            sentence = f"{path.name} is no capture or is damaged ({error}): render or write it again."
            raise MienError("bad_capture", sentence) from error


_OPTIONAL = ("environments", "identity", "expression", "gaze_rad", "vertices")


@dataclass(frozen=True)
class CaptureSet:
    """A folder of captures; those that have come since are found by opening it again."""

    folder: Path
    settings: StageSettings
    names: tuple[str, ...]  # sorted

    @classmethod
    def open(cls, folder: Path | str) -> CaptureSet:
        """Find the captures of a folder.

        Raises:
            MienError: no_captures: there are none, or a newer Mien wrote them.
        """
        folder = Path(folder)
        try:
            text = json.loads((folder / "stage.json").read_text(encoding="utf-8"))
            settings = StageSettings(**text)
        except (OSError, ValueError, TypeError) as error:
            sentence = f"{folder} holds no captures: give a folder with a stage.json, as docs/lightstage.md says."
            raise MienError("no_captures", sentence) from error
        if settings.format > FORMAT:
            sentence = (
                f"The captures of {folder.name} were made by a newer Mien (format {settings.format}): update Mien."
            )
            raise MienError("no_captures", sentence)
        names = tuple(sorted(path.stem for path in folder.glob("*.npz") if not path.name.startswith(".")))
        if not names:
            raise MienError("no_captures", f"{folder} holds no captures yet: render some first.")
        return cls(folder, settings, names)

    def read(self, name: str) -> Capture:
        """One capture.

        Raises:
            MienError: bad_capture.
        """
        return Capture.read(self.folder / f"{name}.npz")

    @cached_property
    def subject_of(self) -> dict[str, str]:
        """Capture name -> subject."""
        found = {}
        for name in self.names:
            try:
                with np.load(self.folder / f"{name}.npz", allow_pickle=False) as data:
                    found[name] = str(data["subject"])
            except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError) as error:
                sentence = f"{name}.npz is no capture or is damaged ({error}): render or write it again."
                raise MienError("bad_capture", sentence) from error
        return found

    @property
    def subjects(self) -> tuple[str, ...]:
        """All subjects' names, sorted."""
        return tuple(sorted(set(self.subject_of.values())))

    def of(self, subject: str) -> tuple[str, ...]:
        """The captures of one subject, sorted."""
        return tuple(name for name in self.names if self.subject_of[name] == subject)


def write_settings(folder: Path, settings: StageSettings) -> None:
    """Write `stage.json` in one step; makes the folder. Nothing to do where it says the same already.

    Raises:
        MienError: bad_option: the folder holds captures of other settings.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "stage.json"
    if target.is_file():
        if json.loads(target.read_text(encoding="utf-8")) != asdict(settings):
            sentence = (
                f"{folder} holds captures of another split, seed, size, sampling or casting: choose another folder."
            )
            raise MienError("bad_option", sentence)
        return
    partial = folder / f".stage.{os.getpid()}.json"
    partial.write_text(json.dumps(asdict(settings), indent=1), encoding="utf-8")
    partial.replace(target)


def encode_groups(groups: np.ndarray) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """[G, H, W, 3] linear radiance >= 0 -> (G JPEGs of sqrt(radiance / scale), [G] scales).

    The square root spends the eight bits as eyes would; one scale per light, since lights differ.
    """
    codes, scales = [], []
    for group in groups:
        scale = max(float(np.percentile(group, 99.95)), 1e-6)
        coded = np.sqrt(np.clip(group / scale, 0, 1)) * 255 + 0.5
        done, data = cv2.imencode(".jpg", np.ascontiguousarray(coded[..., ::-1].astype(np.uint8)), _JPEG)
        assert done, "OpenCV encodes JPEG"
        codes.append(data.ravel())
        scales.append(scale)
    return tuple(codes), np.array(scales, np.float32)


def encode_map(values: np.ndarray) -> np.ndarray:
    """[H, W] uint8 -> PNG bytes."""
    done, data = cv2.imencode(".png", np.ascontiguousarray(values))
    assert done and values.dtype == np.uint8, "OpenCV encodes PNG"
    return data.ravel()


def splat_lights(directions: np.ndarray, radii_rad: np.ndarray, radiance: np.ndarray) -> np.ndarray:
    """Disks of light on the model's lat-long grid, whatever their place on it: energy is kept, linear in radiance.

    Args:
        directions: [G, 3] unit vectors towards the disks, in the frame that the picture is wanted in.
        radii_rad: [G] angular radii.
        radiance: [G].

    Returns:
        [G, 16, 32] radiance, rows from +Y down, the middle column +Z (rendering.light).
    """
    disks = splat_disks(*(torch.as_tensor(np.asarray(x), dtype=torch.float64) for x in (directions, radii_rad)))
    return (disks.numpy() * np.asarray(radiance)[:, None, None]).astype(np.float32)


def splat_disks(directions: Tensor, radii_rad: Tensor) -> Tensor:
    """Disks of light of radiance 1 on the model's lat-long grid, on any device.

    Args:
        directions: [G, 3] float64 unit vectors towards the disks.
        radii_rad: [G] float64.

    Returns:
        [G, 16, 32] radiance.
    """
    assert directions.shape == (len(radii_rad), 3), "directions [G, 3], radii [G]"
    index = torch.arange(DISK_SAMPLES, dtype=directions.dtype, device=directions.device) + 0.5
    # An even spiral on the spherical cap: equal areas per sample.
    cosine = 1 - index / DISK_SAMPLES * (1 - radii_rad.cos())[:, None]  # [G, N]
    sine, angle = (1 - cosine**2).clamp_min(0).sqrt(), index * (math.pi * (3 - math.sqrt(5)))
    axes = torch.eye(3, dtype=directions.dtype, device=directions.device)
    helper = torch.where(directions[:, :1].abs() < 0.7, axes[0], axes[1])
    first = torch.linalg.cross(directions, helper)
    first = first / first.norm(dim=1, keepdim=True)
    second = torch.linalg.cross(directions, first)
    points = (
        cosine[..., None] * directions[:, None]
        + (sine * angle.cos())[..., None] * first[:, None]
        + (sine * angle.sin())[..., None] * second[:, None]
    )  # [G, N, 3]
    texel, share = latlong_taps(points, LIGHT_HEIGHT, LIGHT_WIDTH)  # [G, N, 4]
    flux = 2 * math.pi * (1 - radii_rad.cos()) / DISK_SAMPLES  # [G] steradians per sample
    picture = directions.new_zeros(len(radii_rad), LIGHT_HEIGHT * LIGHT_WIDTH)
    picture.scatter_add_(1, texel.flatten(1), (share * flux[:, None, None]).flatten(1))
    _, solid = environment_directions(LIGHT_HEIGHT, LIGHT_WIDTH)
    return picture.view(-1, LIGHT_HEIGHT, LIGHT_WIDTH) / solid.to(picture)


def environment_light(environment: np.ndarray, head_from_world: np.ndarray) -> np.ndarray:
    """A lat-long picture [H, W, 3] in the world's frame -> [3, 16, 32] in the head's, averaged over solid angles.

    Every texel of a grid eight times as fine is looked up, so that a small sun neither vanishes nor flickers.
    """
    fine = 8
    directions, solid = environment_directions(LIGHT_HEIGHT * fine, LIGHT_WIDTH * fine)  # head frame
    in_world = directions @ torch.from_numpy(head_from_world[:3, :3]).float()  # rows: R^T d with R = head_from_world
    picture = sample_environment(torch.from_numpy(np.ascontiguousarray(environment)).float(), in_world)
    shape = (LIGHT_HEIGHT, fine, LIGHT_WIDTH, fine)
    weighted = (picture * solid[..., None]).reshape(*shape, 3).sum((1, 3)) / solid.reshape(shape).sum((1, 3))[..., None]
    return weighted.permute(2, 0, 1).numpy()


def _split(data: np.ndarray, lengths: Sequence[int]) -> list[np.ndarray]:
    if int(np.sum(lengths)) != len(data):
        raise ValueError("its pictures are cut off")
    return np.split(data, np.cumsum(lengths)[:-1])
