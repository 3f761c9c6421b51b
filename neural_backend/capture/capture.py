"""Footage and a known head -> a take: track the face, solve every frame, take out the resting face, smooth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ..fitting.landmarks import LandmarkCalibration
from ..fitting.map_initialisation import Observation
from ..fitting.parameters import PhotoState
from ..head.package import HeadPackage
from ..head.personal_template import personal_template
from ..head.template import HeadTemplate
from ..perception.face import FacePerception
from ..protocol.arkit import ARKIT_INDEX, ARKIT_NAMES
from ..protocol.errors import MienError
from ..tasks.progress import Progress, show, silent
from .footage import Footage, Frame
from .landmark_noise import CaptureNoise
from .smoothing import POSE_HZ, bridged, smooth_weights, smoothed
from .solve import KnownHead, Off, Solved, common_focal, lid_openings, no_pose, observation_of, pose_frame, solve_frame
from .take import Take
from .tracking import FaceTracker

NEUTRALS = ("clip", "head", "photos")
FACING = np.diag([1.0, -1.0, -1.0])  # camera axes (x right, y down, z forward) from the head's, facing
GOOD_FIT_M = 0.003  # landmarks that lie further off than this on average make a frame less sure
#: The calmest frames: a share of the clip, within bounds; above CALM (CaptureNoise.unrest) a face is not at rest.
CALM_SHARE, CALM_LEAST, CALM_MOST, CALM = 0.1, 5, 60, 1.0
MOST_AT_REST = 0.5  # more is not a resting face
SHOW_EVERY = 40  # frames
OPEN_EYES = 70.0  # percentile of the lids' opening in a clip that stands for open eyes


@dataclass(frozen=True)
class CaptureOptions:
    smoothing: float = 1.0  # 0: every frame as it was seen; 1: usual
    neutral: str = "clip"  # clip: its calmest frames are rest; head: as fitted; photos: what the head's photos show

    def __post_init__(self) -> None:
        if self.neutral not in NEUTRALS:
            raise MienError("bad_option", f"Neutral must be one of {', '.join(NEUTRALS)}, not '{self.neutral}'.")
        if not 0.0 <= self.smoothing <= 10.0:
            raise MienError("bad_option", f"Smoothing must lie between 0 and 10, not {self.smoothing:g}.")


@dataclass(frozen=True)
class Solution:
    """What was found in the frames of a track."""

    frames: list[Solved | None]  # None: no face, or no pose
    focal_px: float
    calm: str  # what was taken for the person's rest


@dataclass
class Track:
    """What perception saw of one face over the footage."""

    seconds: list[float]
    seen: list[Observation | None]  # None: no face
    presence: list[float]
    size: tuple[int, int] = (0, 0)


def capture(
    footage: Footage,
    package: HeadPackage,
    template: HeadTemplate,
    calibration: LandmarkCalibration,
    noise: CaptureNoise,
    perception: FacePerception,
    options: CaptureOptions | None = None,
    progress: Progress = silent,
) -> Take:
    """The take of the most prominent person in the footage.

    Raises:
        MienError: the footage cannot be read, or shows no face.
        Cancelled: `progress` asked to stop.
    """
    options = options or CaptureOptions()
    lid_rest = float(package.report.get("lid_rest", 0.0))
    head = KnownHead.of(personal_template(template, package), calibration, lid_rest)
    track = track_face(footage, perception, progress)
    solution = solve_track(head, track, footage.kind == "photos", noise, options.neutral, progress)
    progress("smooth", 0.0)
    take = take_of(footage, package, track, solution, options)
    progress("smooth", 1.0)
    return take


def track_face(footage: Footage, perception: FacePerception, progress: Progress = silent) -> Track:
    """Go through the footage once.

    Raises:
        MienError: no_face, when no frame shows one; for photos, when one does not.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # on networks this small, threads wait for each other: a third of the speed, or less
    try:
        return _track_face(footage, perception, progress)
    finally:
        torch.set_num_threads(threads)


def _track_face(footage: Footage, perception: FacePerception, progress: Progress) -> Track:
    track, tracker = Track([], [], []), FaceTracker(perception)
    for index, frame in enumerate(footage.frames()):
        progress("look", min(index / max(footage.count, index + 1), 0.999), f"{footage.name}, frame {index + 1}")
        if footage.kind == "photos":  # one has nothing to do with the next
            tracker = FaceTracker(perception)
        face = tracker.find(frame)
        if face is None and footage.kind == "photos":
            error = MienError(
                "no_face",
                f"No face was found in {frame.name}; use a photo where the whole face is visible, upright and sharp.",
            )
            error.photo = index
            raise error
        if not track.seconds:
            track.size = frame.width, frame.height
        track.seconds.append(frame.seconds)
        track.presence.append(0.0 if face is None else face.presence)
        track.seen.append(None if face is None else observation_of(frame.width, frame.height, face, frame.focal_px))
        if face is not None and index % SHOW_EVERY == 0:
            show(progress, "look", lambda frame=frame, face=face: _picture(frame, face.landmarks))
    if not any(observation is not None for observation in track.seen):
        raise MienError(
            "no_face",
            f"No face was found in any of the {len(track.seen)} frames of {footage.name}: choose footage where the "
            "face is upright, whole and sharp.",
        )
    progress("look", 1.0)
    return track


def solve_track(
    head: KnownHead, track: Track, separate: bool, noise: CaptureNoise, neutral: str, progress: Progress = silent
) -> Solution:
    """Every frame's pose and expression.

    `separate` photos each have their own lens, and neither a frame before nor calm frames to learn the person from.

    Raises:
        MienError: fit_failed, where no frame's landmarks fit a pose.
    """
    seen = [observation for observation in track.seen if observation is not None]
    focal_px, calm = None, "none: single photos"
    if not separate:
        progress("solve", 0.0, "Lens and resting face")
        focal_px = common_focal(head, seen)
        own, calm = own_error(head, seen, noise, neutral, focal_px)
        opening = np.percentile([lid_openings(observation.landmarks) for observation in seen], OPEN_EYES, axis=0)
        head = head.in_clip(noise, own, np.maximum(opening, 1e-3))
    solved: list[Solved | None] = []
    before: PhotoState | None = None
    for index, observation in enumerate(track.seen):
        progress("solve", index / len(track.seen), f"Frame {index + 1} of {len(track.seen)}")
        found = None
        if observation is not None:
            try:
                found = solve_frame(head, observation, None if separate else before, focal_px)
            except MienError as error:  # landmarks of something that is no face: this frame is a gap
                if separate or error.code != "fit_failed":
                    raise
        solved.append(found)
        before = None if found is None else found.state
    if not any(found is not None for found in solved):
        raise no_pose()
    progress("solve", 1.0)
    focal_px = focal_px or float(np.median([found.state.focal_px for found in solved if found is not None]))
    return Solution(solved, focal_px, calm)


def own_error(
    head: KnownHead, seen: list[Observation], noise: CaptureNoise, neutral: str, focal_px: float
) -> tuple[Off, str]:
    """(How far the landmarks of this person lie off on the calmest frames, what was taken for rest).

    With neutral "clip" these frames show the head's neutral, if they are calm indeed; else whatever is fitted there.
    """
    unrest = noise.unrest(np.array([observation.blendshapes for observation in seen]))
    count = min(max(CALM_LEAST, round(CALM_SHARE * len(seen))), CALM_MOST, len(seen))
    calmest = np.argsort(unrest, kind="stable")[:count]
    at_rest = neutral == "clip" and float(unrest[calmest].mean()) < CALM
    off = []
    for index in calmest:
        try:
            if at_rest:
                off.append(pose_frame(head, seen[index], np.zeros(len(ARKIT_NAMES)), focal_px))
            else:
                off.append(solve_frame(head, seen[index], None, focal_px).off)
        except MienError as error:
            if error.code != "fit_failed":
                raise
    if not off:
        raise no_pose()
    what = f"{len(off)} calm frames as the neutral" if at_rest else f"{len(off)} frames as fitted"
    if neutral == "clip" and not at_rest:
        what = f"no calm frame in the clip: {what}"
    return Off.typical(off), what


def take_of(
    footage: Footage,
    package: HeadPackage,
    track: Track,
    solution: Solution,
    options: CaptureOptions,
) -> Take:
    """Bridge what was not seen, take out rest, smooth."""
    solved = solution.frames
    seconds = np.array(track.seconds)
    found = np.array([each is not None for each in solved])
    count, shapes = len(seconds), len(ARKIT_NAMES)
    weights, scores, translation = np.zeros((count, shapes)), np.zeros((count, shapes)), np.zeros((count, 3))
    rotation, confidence = np.tile(np.eye(3), (count, 1, 1)), np.zeros(count)
    for index, each in enumerate(solved):
        if each is not None:
            weights[index], translation[index] = each.state.expression, each.state.translation
            scores[index] = track.seen[index].blendshapes
            rotation[index] = FACING @ each.state.rotation
            confidence[index] = track.presence[index] * min(1.0, GOOD_FIT_M / max(each.rms_m, 1e-6))
    rest = resting(options.neutral, package)
    weights[found] = np.clip((weights[found] - rest) / (1 - rest), 0.0, 1.0)
    if footage.kind != "photos":
        vectors, middle = _rotation_vectors(rotation, found)
        weights, scores, vectors, translation = (
            bridged(seconds, values, found) for values in (weights, scores, vectors, translation)
        )
        if options.smoothing > 0:
            weights = smooth_weights(seconds, weights, confidence, options.smoothing)
            hertz = POSE_HZ / options.smoothing
            vectors = smoothed(seconds, vectors, confidence**2, hertz)
            translation = smoothed(seconds, translation, confidence**2, hertz)
        rotation = middle @ _rotations(vectors)
    rms = [each.rms_m for each in solved if each is not None]
    return Take(
        name=footage.name,
        kind=footage.kind,
        head=package.name,
        rate=footage.rate,
        size=track.size,
        focal_px=solution.focal_px,
        seconds=seconds,
        weights=weights,
        scores=scores,
        view_from_head=rotation,
        translation=translation,
        confidence=confidence,
        gaps=gaps_of(seconds, found),
        settings={"smoothing": options.smoothing, "neutral": options.neutral, "stride": footage.stride},
        report={
            "frames_without_face": int((~found).sum()),
            "frames_missing": footage.missing(count),
            "rest_from": solution.calm,
            "landmark_rms_mm": round(float(np.median(rms)) * 1e3, 2),
            "rest": {name: round(float(rest[index]), 3) for name, index in ARKIT_INDEX.items() if rest[index] > 0.005},
        },
    )


def resting(neutral: str, package: HeadPackage) -> np.ndarray:
    """[52] what counts as rest and is taken out of the weights."""
    rest = np.zeros(len(ARKIT_NAMES))
    if neutral == "photos":
        shown = [[photo.expression.get(name, 0.0) for name in ARKIT_NAMES] for photo in package.photos]
        rest = np.min(shown, axis=0) if shown else rest
    return np.clip(rest, 0.0, MOST_AT_REST)


def gaps_of(seconds: np.ndarray, seen: np.ndarray) -> tuple[tuple[float, float], ...]:
    """First and last second of every stretch of frames without a face."""
    edges = np.diff(np.concatenate([[0], (~seen).astype(int), [0]]))
    pairs = zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1, strict=True)
    return tuple((round(float(seconds[first]), 4), round(float(seconds[last]), 4)) for first, last in pairs)


def _rotation_vectors(rotation: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """([F, 3] rotation vectors from a middle rotation, that rotation [3, 3]): near it, they can be averaged."""
    from scipy.spatial.transform import Rotation

    middle = Rotation.from_matrix(rotation[seen]).mean()
    return (middle.inv() * Rotation.from_matrix(rotation)).as_rotvec(), middle.as_matrix()


def _rotations(vectors: np.ndarray) -> np.ndarray:
    from scipy.spatial.transform import Rotation

    return Rotation.from_rotvec(vectors).as_matrix()


def _picture(frame: Frame, landmarks: np.ndarray) -> np.ndarray:
    """[h, w, 3] uint8 for whoever watches: the frame with the landmarks."""
    from ..fitting.overlays import landmark_overlay

    return landmark_overlay(frame, landmarks)
