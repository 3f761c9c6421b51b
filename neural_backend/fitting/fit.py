"""Photos of one person -> FitResult: perception, landmarks, photometric refinement, the personal head."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from ..head.personalise import personalise
from ..head.template import HeadTemplate
from ..models.reflectance_prior import ReflectancePrior
from ..perception.face import Face, FacePerception, choose_face
from ..perception.image import Photo
from ..perception.matte import PersonMatte
from ..perception.skin import skin_weight
from ..perception.surface_points import SurfacePointDetector, SurfacePoints
from ..protocol.cancellation import checkpoint
from ..protocol.errors import photo_at_fault
from ..tasks.progress import Progress, show, silent
from .albedo import AlbedoBasis, albedo_basis
from .landmarks import LandmarkCalibration
from .lid_rest import rest_lids
from .linear_points import project
from .map_initialisation import Evidence, MapOptions, Observation, fit_landmarks
from .outline import skin_colour
from .overlays import MeshOverlay, beside, landmark_overlay
from .parameters import HeadState
from .photo_pixels import PhotoPixels
from .photometric import Appearance, PhotometricOptions, fit_photometric
from .pins import Pins, missed
from .result import FitResult, PhotoFit
from .skin_transfer import SkinTransfer
from .surface_evidence import SurfaceEvidence
from .surface_samples import SurfaceSamples

log = logging.getLogger(__name__)

SAMPLE_SPACING_M = 0.0008  # working pixel at the head's depth
FACE_HEIGHT_M = 0.17  # from the lowest to the highest landmark, roughly: sets the working resolution only


@dataclass(frozen=True)
class FitOptions:
    quality: str = "standard"  # draft, standard, high
    device: str = "cpu"
    seed: int = 0
    pins: tuple[Pins | None, ...] = ()  # per photo; empty: none
    focal_from: str = "EXIF"  # where focal lengths that photos bring come from, for the report


@dataclass(frozen=True)
class Quality:
    samples: int  # of the skin
    map: MapOptions
    photometric: PhotometricOptions


QUALITIES = {
    "draft": Quality(900, MapOptions(), PhotometricOptions(blurs_m=(0.003, 0.002, 0.0015))),
    "standard": Quality(1800, MapOptions(), PhotometricOptions()),
    "high": Quality(
        3600, MapOptions(), PhotometricOptions(blurs_m=(0.003, 0.002, 0.0015, 0.001, 0.001, 0.0008, 0.0008))
    ),
}


@dataclass(frozen=True)
class Models:
    """All that fitting loads from disk, once per process."""

    template: HeadTemplate
    evidence: Evidence
    reflectance: ReflectancePrior
    perception: FacePerception
    matte: PersonMatte
    surface: SurfacePointDetector


@lru_cache(maxsize=2)
def load_models(device: str = "cpu") -> Models:
    template = HeadTemplate.load()
    return Models(
        template, Evidence.of(template, LandmarkCalibration.load(), SurfaceEvidence.load(template)),
        ReflectancePrior.load(), FacePerception.load(device), PersonMatte(device), SurfacePointDetector.load(device),
    )  # fmt: skip


@lru_cache(maxsize=4)
def load_samples(count: int) -> tuple[SurfaceSamples, AlbedoBasis]:
    models = load_models()
    samples = SurfaceSamples.on_face(models.template, count)
    return samples, albedo_basis(models.template, models.reflectance, samples.vertex_ids)


def fit_photos(photos: Sequence[Photo], options: FitOptions | None = None, progress: Progress = silent) -> FitResult:
    """Fit one person from one or several photos.

    Raises:
        PhotoError: a photo shows no face, or several equally prominent ones.
        ValueError: the quality is unknown.
        Cancelled: `progress` asked to stop.
    """
    options = options or FitOptions()
    if options.quality not in QUALITIES:
        raise ValueError(f"Quality must be one of {', '.join(QUALITIES)}, not '{options.quality}'.")
    started = time.perf_counter()
    progress("fit", 0.0, "Finding the face")
    models = load_models(options.device)
    faces, mattes, skins = [], [], []
    for index, photo in enumerate(photos):
        with photo_at_fault(index):
            faces.append(choose_face(models.perception.detect(photo), photo))
        mattes.append(models.matte.matte(photo, faces[-1]))
        checkpoint()
        skins.append(skin_weight(photo, faces[-1], mattes[-1]))
        progress("fit", 0.3 * (index + 1) / len(photos), "Finding the face")
    show(
        progress,
        "fit",
        lambda: beside([landmark_overlay(photo, face.landmarks) for photo, face in zip(photos, faces, strict=True)]),
    )
    return fit_faces(photos, faces, mattes, skins, options, progress, started)


def observe(
    photo: Photo,
    face: Face,
    matte: np.ndarray,
    skin: np.ndarray,
    surface: SurfacePoints | None = None,
    pins: Pins | None = None,
) -> tuple[Observation, PhotoPixels]:
    """Measurements and pixels at working resolution, a pixel of about SAMPLE_SPACING_M at the head."""
    landmarks, scores = face.landmarks.astype(np.float64), face.blendshapes.astype(np.float64)
    metres_per_px = FACE_HEIGHT_M / float(np.ptp(landmarks[:468, :2], axis=0).max())
    pixels = PhotoPixels.reduce(photo.linear, skin, metres_per_px, SAMPLE_SPACING_M)
    size = (pixels.linear.shape[1], pixels.linear.shape[0])
    reduced = cv2.resize(matte.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    observation = Observation(
        photo.width, photo.height, landmarks, scores, photo.focal_px, reduced,
        np.maximum(skin_colour(pixels.linear, pixels.weight), pixels.weight), pixels.scale, surface, pins,
    )  # fmt: skip
    return observation, pixels


def fit_faces(
    photos: Sequence[Photo],
    faces: Sequence[Face],
    mattes: Sequence[np.ndarray],  # [H, W] each
    skins: Sequence[np.ndarray],  # [H, W] each, weight of bare skin
    options: FitOptions,
    progress: Progress = silent,
    started: float | None = None,
) -> FitResult:
    """The fit once perception has looked."""
    started = time.perf_counter() if started is None else started
    models, quality = load_models(options.device), QUALITIES[options.quality]
    samples, basis = load_samples(quality.samples)
    points = [models.surface.find(photo, face) for photo, face in zip(photos, faces, strict=True)]
    pins = options.pins or (None,) * len(photos)
    seen = [observe(*each) for each in zip(photos, faces, mattes, skins, points, pins, strict=True)]
    observations, pixels = [each[0] for each in seen], [each[1] for each in seen]
    head = fit_landmarks(models.evidence, observations, quality.map)
    progress("fit", 0.4, "Shape from shading")
    show_mesh(progress, photos, faces, models.template, head)
    transfer = SkinTransfer()
    look = fit_photometric(
        models.evidence, head, observations, pixels, samples, basis, transfer,
        quality.photometric, quality.map, lambda done: progress("fit", 0.4 + 0.45 * done, "Shape from shading"),
    )  # fmt: skip
    progress("fit", 0.9, "Building the head")
    show_mesh(progress, photos, faces, models.template, head)
    person = personalise(models.template, head.identity)
    report = fit_report(head, look, models, observations, options)
    report["fit_seconds"] = round(time.perf_counter() - started, 2)
    progress("fit", 1.0)
    colours = models.reflectance.vertex_log_albedo_modes.shape[0]
    fit = FitResult(
        identity=head.identity.copy(),
        vertices=person.vertices,
        arkit=person.arkit,
        joint_positions=person.joint_positions,
        albedo=look.albedo[:colours].copy(),
        photos=tuple(
            PhotoFit(
                camera=state.camera(),
                expression=state.expression.copy(),
                light=_light_of(look, index, transfer),
                landmarks=face.landmarks.astype(np.float64),
                matte=matte.astype(np.float32),
            )
            for index, (state, face, matte) in enumerate(zip(head.photos, faces, mattes, strict=True))
        ),
        report=report,
    )
    return rest_lids(fit)


def show_mesh(
    progress: Progress, photos: Sequence[Photo], faces: Sequence[Face], template: HeadTemplate, head: HeadState
) -> None:
    """Let whoever watches see the fit so far: its mesh over the photos."""

    def draw() -> np.ndarray:
        overlay = MeshOverlay(template)
        pairs = enumerate(zip(photos, faces, strict=True))
        return beside([overlay.draw(photo, face.landmarks, head, index) for index, (photo, face) in pairs])

    show(progress, "fit", draw)


def _light_of(look: Appearance, index: int, transfer: SkinTransfer) -> np.ndarray:
    """[B, 3] radiance in the photo's own linear unit; where no skin was seen, an even white light."""
    if look.light[index] is None:
        return np.sqrt(4 * np.pi) * np.eye(len(transfer.band))[:, :1] * np.ones((1, 3))
    return look.light[index] * look.gain[index]


def fit_report(
    head: HeadState, look: Appearance, models: Models, observations: Sequence[Observation], options: FitOptions
) -> dict[str, object]:
    """Numbers for head.json."""
    photos = []
    for index, (state, observation) in enumerate(zip(head.photos, observations, strict=True)):
        positions = models.evidence.points.positions(head.identity, state.expression)
        pixels, _ = project(positions, state)
        away = np.linalg.norm(pixels - observation.landmarks[: len(pixels), :2], axis=1)
        rms = float(np.sqrt((away**2).mean()))
        photos.append(
            {
                "reprojection_px": round(rms, 2),
                "reprojection_mm": round(rms * state.translation[2] / state.focal_px * 1e3, 2),
                "photometric_difference": round(look.residual[index], 4),
                "skin_samples": look.compared[index],
                "yaw_degrees": round(float(np.degrees(state.yaw)), 1),
                "focal_mm_equivalent": round(state.focal_px * 36.0 / max(state.width, state.height), 1),
                "focal_from": options.focal_from if observation.focal_px is not None else "estimated",
                **_pins_report(models, head, index, observation),
            }
        )
    return {"mahalanobis": round(float(np.linalg.norm(head.identity)), 2), "photos": photos}


def _pins_report(models: Models, head: HeadState, index: int, observation: Observation) -> dict[str, object]:
    if observation.pins is None or not len(observation.pins):
        return {}
    away = missed(models.evidence.pinned, observation.pins, head.photos[index], head.identity)
    return {"pins": len(away), "pins_missed_px": [round(float(away.mean()), 2), round(float(away.max()), 2)]}
