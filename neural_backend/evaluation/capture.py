"""How well is a known performance captured? Perception's raw scores, the prior made of them, the fit, the smoothed fit.

    python -m neural_backend.evaluation.capture HEAD.head [--clip CLIP.mp4] [--fitted] [--keep FOLDER]

The head performs `known_clip.PERFORMANCE` (rendered here, several minutes, unless a clip of it is given). By default it
is captured with that same head; `--fitted` first fits a head to three frames of the clip and captures with that one, as
with footage of a person.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..capture.capture import CaptureOptions, Track, solve_track, take_of, track_face
from ..capture.footage import open_footage
from ..capture.landmark_noise import CaptureNoise
from ..capture.solve import KnownHead
from ..capture.take import Take
from ..fitting.fit import load_models
from ..head.package import HeadPackage
from ..head.personal_template import personal_template
from ..protocol.arkit import ARKIT_INDEX, ARKIT_NAMES
from .known_clip import ClipRenderer, KnownClip, perform, write_video

#: What the table has a line for: shapes that the performance moves.
GROUPS: dict[str, tuple[str, ...]] = {
    "jaw": ("jawOpen",),
    "smile": ("mouthSmile",),
    "blink": ("eyeBlink",),
    "gaze": ("eyeLook",),
    "lids, other": ("eyeSquint", "eyeWide"),
    "brows": ("brow",),
    "lips, other": ("mouthFunnel", "mouthPucker", "mouthUpperUp", "mouthLeft", "mouthLowerDown", "mouthStretch"),
}
NECESSARY = 0.05  # weights that move less than this have no correlation to measure


def columns_of(group: str) -> list[int]:
    return [index for index, name in enumerate(ARKIT_NAMES) if name.startswith(GROUPS[group])]


@dataclass(frozen=True)
class Measured:
    """One method on one group of shapes."""

    error: float  # mean absolute, of a weight
    correlation: float  # mean over the shapes that move in truth
    lag_frames: float  # positive: comes late


def measure(truth: np.ndarray, found: np.ndarray, columns: list[int]) -> Measured:
    """[F, 52] true and found weights on some shapes."""
    error = float(np.abs(truth[:, columns] - found[:, columns]).mean())
    moving = [c for c in columns if np.ptp(truth[:, c]) > NECESSARY]
    together = [np.corrcoef(truth[:, c], found[:, c])[0, 1] if np.ptp(found[:, c]) > 1e-6 else 0.0 for c in moving]
    lag = float(np.mean([lag_of(truth[:, c], found[:, c]) for c in moving])) if moving else 0.0
    return Measured(error, float(np.mean(together)) if moving else float("nan"), lag)


def lag_of(truth: np.ndarray, found: np.ndarray, widest: int = 5) -> int:
    """By how many frames `found` comes late: the shift of the best correlation."""
    inner = truth[widest:-widest]
    shifts = range(-widest, widest + 1)
    fits = []
    for shift in shifts:
        moved = found[widest + shift : len(found) - widest + shift]
        fits.append(np.corrcoef(inner, moved)[0, 1] if np.ptp(moved) > 1e-6 else -1.0)
    return int(list(shifts)[int(np.argmax(fits))])


def methods(head: KnownHead, track: Track, raw: Take, smooth: Take) -> dict[str, np.ndarray]:
    """name -> [F, 52] weights."""
    prior = np.stack(
        [
            head.prior(scores, observation.landmarks)[0]
            for scores, observation in zip(raw.scores, track.seen, strict=True)
        ]
    )
    return {"scores": raw.scores, "prior": prior, "fit": raw.weights, "smoothed": smooth.weights}


def table(truth: KnownClip, found: dict[str, np.ndarray]) -> str:
    lines = ["| group | " + " | ".join(f"{name}: error, corr., lag" for name in found) + " |"]
    lines.append("|---" * (len(found) + 1) + "|")
    for group in (*GROUPS, "all 52"):
        columns = list(range(len(ARKIT_NAMES))) if group == "all 52" else columns_of(group)
        cells = []
        for weights in found.values():
            got = measure(truth.weights, weights, columns)
            cells.append(f"{got.error:.3f}, {got.correlation:.2f}, {got.lag_frames:+.1f}")
        lines.append(f"| {group} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def blink_heights(truth: KnownClip, weights: np.ndarray) -> tuple[float, float]:
    """(mean height of true blinks, mean height found there), left eye: are three-frame blinks still blinks?"""
    lid = truth.weights[:, ARKIT_INDEX["eyeBlinkLeft"]]
    peaks = np.flatnonzero(lid > 0.9)
    found = weights[:, ARKIT_INDEX["eyeBlinkLeft"]]
    return float(lid[peaks].mean()), float(np.mean([found[max(p - 1, 0) : p + 2].max() for p in peaks]))


def jitter(truth: KnownClip, weights: np.ndarray) -> float:
    """Mean absolute second difference of what should rest: shapes and frames where the truth does not move."""
    calm = np.abs(np.diff(truth.weights, 2, axis=0)) < 1e-6
    return float(np.abs(np.diff(weights, 2, axis=0))[calm].mean())


def pose_error(truth: KnownClip, take: Take) -> float:
    """Mean angle in degrees between true and found head rotation."""
    between = np.einsum("fji,fjk->fik", truth.view_from_head, take.view_from_head)
    return float(np.degrees(np.arccos(np.clip((np.trace(between, axis1=1, axis2=2) - 1) / 2, -1, 1))).mean())


def fitted_package(clip: Path, folder: Path) -> HeadPackage:
    """A head fitted to three frames of the clip: calm, turned to either side."""
    import cv2

    from ..tasks.fit import FitRequest, run

    times, photos = [0.0, 1.85, 5.0], []
    footage = open_footage((str(clip),))
    for frame in footage.frames():
        if times and frame.seconds >= times[0] - 1e-3:
            times.pop(0)
            photos.append(str(folder / f"photo_{len(photos)}.png"))
            cv2.imwrite(photos[-1], frame.srgb[..., ::-1])
    request = FitRequest(tuple(photos), str(folder), "fitted", quality="draft", map_size=1024)
    return HeadPackage.read(run(request).package)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("head", type=Path)
    parser.add_argument("--clip", type=Path, help="the performance of this head, rendered earlier with --keep")
    parser.add_argument("--keep", type=Path, help="folder that keeps the rendered clip")
    parser.add_argument("--fitted", action="store_true", help="capture with a head fitted to the clip")
    arguments = parser.parse_args()
    package, truth = HeadPackage.read(arguments.head), perform()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        clip = arguments.clip
        if clip is None:
            clip = write_video(folder / "known.mp4", ClipRenderer.of_package(package).frames(truth), truth.rate)
        if arguments.fitted:
            package = fitted_package(clip, Path(temporary))
        report(package, truth, clip)


def report(package: HeadPackage, truth: KnownClip, clip: Path) -> None:
    models = load_models()
    personal = personal_template(models.template, package)
    head = KnownHead.of(personal, models.evidence.calibration, float(package.report.get("lid_rest", 0.0)))
    footage = open_footage((str(clip),))
    started, worked = time.perf_counter(), time.process_time()
    track = track_face(footage, models.perception)
    looked = time.perf_counter()
    solution = solve_track(head, track, False, CaptureNoise.load(), "clip")
    ended = time.perf_counter()
    worked = time.process_time() - worked
    raw, smooth = (
        take_of(footage, package, track, solution, CaptureOptions(smoothing=strength)) for strength in (0.0, 1.0)
    )
    found = methods(head, track, raw, smooth)
    print(table(truth, found))
    count = len(track.seconds)
    for name, weights in found.items():
        true, seen = blink_heights(truth, weights)
        print(f"{name}: blinks {seen:.2f} high (true {true:.2f}); jitter at rest {jitter(truth, weights):.4f}")
    print(f"pose: {pose_error(truth, smooth):.2f} degrees off on average; focal length {solution.focal_px:.0f} px")
    print(
        f"{count} frames of {track.size[0]} x {track.size[1]}: {count / (ended - started):.1f} frames/s "
        f"(perception {count / (looked - started):.1f}, solve {count / (ended - looked):.1f}); "
        f"{count / worked:.1f} frames per second of processor time"
    )


if __name__ == "__main__":
    main()
