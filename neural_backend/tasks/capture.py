"""Expression from footage: photos, a folder of frames or a video, and a head, into a take. Both doors come here."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

from ..protocol.cancellation import interruptible
from .fit import check_output, clean_name
from .progress import Progress, silent

#: The stages and their usual share of the time.
STAGE_WEIGHTS = {"look": 12.0, "solve": 3.0, "smooth": 0.2, "write": 0.1}
STAGES = tuple(STAGE_WEIGHTS)


@dataclass(frozen=True)
class CaptureRequest:
    """What the user asks for."""

    head: str  # the package <name>.head of the person
    sources: tuple[str, ...]  # photos; or one folder of frames; or one video
    output: str  # folder that receives <name>.take
    name: str | None = None  # default: the footage's
    frame_rate: float | None = None  # of a folder of frames
    stride: int = 1  # every how many frames one is looked at
    smoothing: float = 1.0
    neutral: str = "clip"  # or "head", "photos": see capture.CaptureOptions
    device: str = "auto"


@dataclass(frozen=True)
class CaptureOutcome:
    """What came out."""

    take: Path
    frames: int
    gaps: tuple[tuple[float, float], ...]  # seconds of the stretches without a face, which are bridged
    missing: int  # frames that the video promises and that cannot be read
    seconds: float  # that it took


def run(request: CaptureRequest, progress: Progress = silent) -> CaptureOutcome:
    """Capture one person.

    Raises:
        MienError: the head, the footage, an option or the output folder is at fault; nothing has been written.
        Cancelled: `progress` asked to stop; nothing has been written.
    """
    # Imported here: `mien --help` and a wrong option should not wait two seconds for torch.
    from ..capture.capture import CaptureOptions, capture
    from ..capture.footage import open_footage
    from ..capture.landmark_noise import CaptureNoise
    from ..fitting.fit import load_models
    from ..head.package import HeadPackage
    from ..rendering.device import choose_device

    started = time.perf_counter()
    options = CaptureOptions(request.smoothing, request.neutral)
    check_output(Path(request.output))
    progress("look", 0.0, "Opening the footage")
    package = interruptible(HeadPackage.read, Path(request.head))
    footage = open_footage(request.sources, request.frame_rate, request.stride)
    footage = replace(footage, name=clean_name(request.name if request.name is not None else footage.name))
    models = interruptible(load_models, choose_device(request.device))
    calibration, noise = models.evidence.calibration, CaptureNoise.load()
    take = interruptible(
        capture, footage, package, models.template, calibration, noise, models.perception, options, progress
    )
    progress("write", 0.0)
    path = take.write(Path(request.output))
    progress("write", 1.0, path.name)
    missing = int(take.report["frames_missing"])
    return CaptureOutcome(path, len(take.seconds), take.gaps, missing, round(time.perf_counter() - started, 2))
