"""A head of the volume as a turntable: subject, expression and light into PNGs and a video."""

from __future__ import annotations

import difflib
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..protocol.arkit import ARKIT_INDEX, ARKIT_NAMES
from ..protocol.cancellation import checkpoint
from ..protocol.errors import MienError
from .fit import check_output
from .progress import Progress, silent

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ..models.vrmm.vrmm import VRMM
    from ..rendering.volume import TensorCamera

#: The stages and their usual share of the time.
STAGE_WEIGHTS = {"load": 3.0, "render": 20.0}
BACKGROUNDS = ("transparent", "grey", "environment")
TURNS = ("camera", "light")
FRAMINGS = ("portrait", "all")
WEIGHTS = Path(__file__).resolve().parent.parent / "weights" / "vrmm.safetensors"
#: Linear grey behind a video, which cannot be transparent.
GREY = 0.18


@dataclass(frozen=True)
class RenderRequest:
    """What the user asks for."""

    subject: str  # a name the model was trained on, or "a:b:0.5", so much of the way from a to b
    expression: tuple[str, ...] = ()  # "jawOpen=0.4", weights 0..1
    gaze_deg: tuple[float, float] = (0.0, 0.0)  # yaw towards the subject's left, pitch up
    environment: str = "studio"  # rendering.environment.ENVIRONMENT_NAMES, or an .exr or .hdr file
    environment_turn_deg: float = 0.0  # from the front towards the subject's left
    turntable: str | None = None  # video to write
    output: str | None = None  # folder of PNGs to write
    size: int = 512  # pixels along both sides
    frames: int = 48
    frame_rate: float = 24.0
    sweep_deg: float = 360.0  # how far it turns
    turn: str = "camera"  # or "light": which of them turns
    framing: str = "portrait"  # or "all": of FRAMINGS
    background: str = "transparent"
    exposure: float = 0.0  # stops
    weights: str | None = None
    device: str = "auto"


@dataclass(frozen=True)
class RenderOutcome:
    """What came out."""

    written: tuple[Path, ...]
    frames: int
    seconds: float


def run(request: RenderRequest, progress: Progress = silent) -> RenderOutcome:
    """Render one turntable.

    Raises:
        MienError: an option, the subject, the light, the weights or an output is at fault; nothing has been written.
        Cancelled: `progress` asked to stop; nothing has been written.
    """
    started = time.perf_counter()
    _check(request)
    expression = expression_weights(request.expression)
    # Imported here: `mien --help` and a wrong option should not wait two seconds for torch.
    from ..head.template import HeadTemplate
    from ..models.vrmm.vrmm import VRMM
    from ..rendering.device import choose_device
    from ..rendering.environment import open_environment
    from .frame_files import PngSequence, Video

    progress("load", 0.0, "Reading light and model")
    device = choose_device(request.device)
    environment = open_environment(request.environment)
    model = VRMM.load(Path(request.weights) if request.weights else WEIGHTS, HeadTemplate.load(), device)
    frames = turntable(model, request, expression, environment)
    written = []
    with ExitStack() as stack:
        pngs = video = None
        if request.output is not None:
            pngs = stack.enter_context(PngSequence(Path(request.output)))
            written.append(Path(request.output))
        if request.turntable is not None:
            video = stack.enter_context(Video(Path(request.turntable), request.frame_rate))
            written.append(Path(request.turntable))
        for index, (rgb, alpha, behind) in enumerate(frames):
            progress("render", index / request.frames, f"Frame {index + 1} of {request.frames}")
            checkpoint()
            if pngs is not None:
                pngs.write(encode(rgb, alpha, behind))
            if video is not None:
                video.write(encode(rgb, alpha, behind if behind is not None else GREY))
    progress("render", 1.0, "")
    return RenderOutcome(tuple(written), request.frames, round(time.perf_counter() - started, 2))


def turntable(
    model: VRMM, request: RenderRequest, expression: Sequence[float], environment: Tensor
) -> Iterator[tuple[Tensor, Tensor, Tensor | float | None]]:
    """Frame by frame: rgb [S, S, 3] linear, premultiplied; alpha [S, S]; what is behind: [S, S, 3], a grey, or None."""
    import torch

    from ..models.vrmm.config import LIGHT_HEIGHT, LIGHT_WIDTH
    from ..rendering.environment import average_environment
    from ..rendering.volume import DEFAULT_STEP_M, march
    from ..rendering.volume.orbit import PORTRAIT, frame_all_round, orbit_camera, yaws

    device = model.codes.device
    gain = 2.0**request.exposure

    @torch.no_grad()
    def draw() -> Iterator[tuple[Tensor, Tensor, Tensor | float | None]]:
        identity = identity_code(model, request.subject)
        gaze = torch.tensor([[math.radians(angle) for angle in request.gaze_deg]], device=device)
        code = model.arkit_adaptor(torch.tensor([expression], dtype=torch.float32, device=device), gaze)
        prepared, framing = None, None
        for yaw in yaws(request.frames, request.sweep_deg):
            camera_yaw, light_yaw = (yaw, 0.0) if request.turn == "camera" else (0.0, yaw)
            if framing is None and request.framing == "portrait":
                framing = PORTRAIT
            elif framing is None:  # from the front, so that every frame has the same
                front = model.prepare(identity, code, torch.tensor([[0.0, 0.0, 1.0]], device=device))
                framing = frame_all_round(front.positions[0], front.scales[0])
            camera = orbit_camera(framing, camera_yaw, request.size, device)
            if prepared is None or request.turn == "camera":
                prepared = model.prepare(identity, code, camera.eye_head)
            turn = math.radians(request.environment_turn_deg) + light_yaw
            light = average_environment(environment, LIGHT_HEIGHT, LIGHT_WIDTH, turn) * gain
            decoded = model.relight(prepared, light.permute(2, 0, 1)[None].to(device))
            rgb, alpha = march(decoded.primitives, camera, DEFAULT_STEP_M)
            behind = None
            if request.background == "grey":
                behind = GREY
            elif request.background == "environment":
                behind = _seen_behind(environment, camera, turn).cpu() * gain
            yield rgb[0].cpu(), alpha[0].cpu(), behind

    return draw()


def identity_code(model: VRMM, subject: str) -> Tensor:
    """[1, I] z_id of a trained subject, or of a blend "a:b:0.5".

    Raises:
        MienError: bad_option, or unknown_subject.
    """
    parts = subject.split(":")
    if len(parts) == 1:
        return model.identity_of(parts)
    try:
        first, second, share = parts[0], parts[1], float(parts[2])
        valid = len(parts) == 3 and 0 <= share <= 1
    except (IndexError, ValueError):
        valid = False
    if not valid:
        raise MienError("bad_option", f"'{subject}' is no blend: write two subjects and a share of 0 to 1, as a:b:0.5.")
    codes = model.identity_of([first, second])
    return (codes[:1] * (1 - share) + codes[1:] * share).detach()


def expression_weights(words: Sequence[str]) -> list[float]:
    """["jawOpen=0.4", ...] -> 52 weights in Apple's order.

    Raises:
        MienError: bad_option.
    """
    weights = [0.0] * len(ARKIT_NAMES)
    for word in words:
        name, _, value = word.partition("=")
        if name not in ARKIT_INDEX:
            near = difflib.get_close_matches(name, ARKIT_NAMES, 1)
            hint = f"did you mean {near[0]}?" if near else "use Apple's names, such as jawOpen or mouthSmileLeft."
            raise MienError("bad_option", f"'{name}' is none of ARKit's 52 expressions: {hint}")
        try:
            weight = float(value)
        except ValueError:
            weight = math.nan
        if not 0 <= weight <= 1:
            raise MienError("bad_option", f"{name} needs a weight from 0 to 1, as in {name}=0.4, not '{value}'.")
        weights[ARKIT_INDEX[name]] = weight
    return weights


def encode(rgb: Tensor, alpha: Tensor, behind: Tensor | float | None) -> np.ndarray:
    """uint8 sRGB: [H, W, 4] with straight alpha if nothing is behind, else [H, W, 3] composed over it."""
    import numpy as np

    from ..perception.image import linear_to_srgb

    if behind is None:
        colour = rgb / alpha.clamp_min(1e-4)[..., None]
    else:
        colour = rgb + (1 - alpha)[..., None] * behind
    picture = linear_to_srgb(colour.clamp(0, 1).numpy())
    if behind is None:
        picture = np.concatenate([picture, alpha.clamp(0, 1).numpy()[..., None]], -1)
    return np.round(picture * 255).astype(np.uint8)


def _seen_behind(environment: Tensor, camera: TensorCamera, turn_rad: float) -> Tensor:
    """[S, S, 3] the turned environment along the pixels' rays."""
    import torch

    from ..rendering.light import sample_environment

    row, column = torch.meshgrid(torch.arange(camera.height) + 0.5, torch.arange(camera.width) + 0.5, indexing="ij")
    rays = torch.stack([column, row, torch.ones_like(row)], -1) @ torch.linalg.inv(camera.intrinsics[0].cpu()).T
    rays = rays @ camera.camera_from_head[0, :3, :3].cpu()  # rows: head_from_camera d
    x, y, z = torch.nn.functional.normalize(rays, dim=-1).unbind(-1)
    sine, cosine = math.sin(-turn_rad), math.cos(-turn_rad)  # the light has turned: look up where it was
    return sample_environment(environment, torch.stack([cosine * x + sine * z, y, cosine * z - sine * x], -1))


def _check(request: RenderRequest) -> None:
    """Options that need no model; an output that cannot be written is refused before anything is computed."""
    if request.output is None and request.turntable is None:
        raise MienError("bad_option", "Say where the pictures go: --turntable VIDEO.mp4, --output FOLDER, or both.")
    limits = (("size", request.size, 16, 4096), ("frames", request.frames, 1, 9999))
    for name, value, low, high in limits:
        if not low <= value <= high:
            raise MienError("bad_option", f"The {name} must be {low} to {high}, not {value}.")
    if request.background not in BACKGROUNDS or request.turn not in TURNS:
        raise MienError(
            "bad_option", f"The background must be one of {', '.join(BACKGROUNDS)}; what turns, {' or '.join(TURNS)}."
        )
    if request.framing not in FRAMINGS:
        raise MienError("bad_option", f"The framing must be {' or '.join(FRAMINGS)}, not '{request.framing}'.")
    numbers = (*request.gaze_deg, request.environment_turn_deg, request.exposure)
    if not (all(map(math.isfinite, numbers)) and 0 <= request.sweep_deg <= 360 and 0 < request.frame_rate <= 240):
        raise MienError("bad_option", "Angles must be finite, a sweep 0 to 360 degrees, a frame rate up to 240.")
    if request.turntable is not None:
        path = Path(request.turntable)
        if path.suffix.lower() != ".mp4":
            raise MienError("bad_option", f"The video must be named NAME.mp4, not {path.name}.")
        if path.is_dir():
            raise MienError("cannot_write", f"{path} is a folder: choose another name for the video.")
        check_output(path.parent)
    if request.output is not None:
        check_output(Path(request.output))
