"""`mien render SUBJECT`: the command's options. The work is tasks.render_volume."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager


def add_render(commands: argparse._SubParsersAction) -> None:
    render = commands.add_parser(
        "render", help="pictures of a head of the volume, with any expression, under any light"
    )
    render.add_argument("subject", metavar="SUBJECT", help="a trained subject (s0003), or a blend of two (a:b:0.5)")
    render.add_argument("--engine", choices=("volume",), default="volume")
    render.add_argument(
        "--expression", nargs="+", action="extend", default=[], metavar="NAME=WEIGHT", help="ARKit weights: jawOpen=0.4"
    )
    render.add_argument(
        "--gaze", type=_gaze, default=(0.0, 0.0), metavar="YAW,PITCH", help="degrees, left and up; --gaze=-10,5"
    )
    render.add_argument(
        "--environment", default="studio", metavar="LIGHT", help="studio, overcast, sunset, side, an .exr or .hdr file"
    )
    render.add_argument("--environment-turn", type=float, default=0.0, metavar="DEGREES", help="towards the left")
    render.add_argument("--turntable", metavar="VIDEO", help="write this .mp4")
    render.add_argument("-o", "--output", metavar="FOLDER", help="write PNGs into this folder")
    render.add_argument("--size", type=int, default=512, help="pixels along both sides")
    render.add_argument("--frames", type=int, default=48, help="of the turn; 1 is a single picture from the front")
    render.add_argument("--frame-rate", type=float, default=24.0, metavar="FPS")
    render.add_argument("--sweep", type=float, default=360.0, metavar="DEGREES", help="how far it turns")
    render.add_argument("--turn", choices=("camera", "light"), default="camera", help="what turns")
    render.add_argument(
        "--framing", choices=("portrait", "all"), default="portrait", help="as training saw the head, or all there is"
    )
    render.add_argument(
        "--background", choices=("transparent", "grey", "environment"), default="transparent",
        help="transparent is grey in a video",
    )  # fmt: skip
    render.add_argument("--exposure", type=float, default=0.0, metavar="STOPS")
    render.add_argument("--weights", metavar="FILE", help="the volume's weights (default: those that come with Mien)")
    render.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")


def _gaze(word: str) -> tuple[float, float]:
    try:
        yaw, pitch = (float(part) for part in word.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError("must be two angles in degrees, as 10,-5") from None
    return yaw, pitch


def run_render(
    arguments: argparse.Namespace, make_progress: Callable[[Mapping[str, float]], AbstractContextManager]
) -> int:
    from .tasks.render_volume import STAGE_WEIGHTS, RenderRequest, run

    request = RenderRequest(
        subject=arguments.subject,
        expression=tuple(arguments.expression),
        gaze_deg=arguments.gaze,
        environment=arguments.environment,
        environment_turn_deg=arguments.environment_turn,
        turntable=arguments.turntable,
        output=arguments.output,
        size=arguments.size,
        frames=arguments.frames,
        frame_rate=arguments.frame_rate,
        sweep_deg=arguments.sweep,
        turn=arguments.turn,
        framing=arguments.framing,
        background=arguments.background,
        exposure=arguments.exposure,
        weights=arguments.weights,
        device=arguments.device,
    )
    with make_progress(STAGE_WEIGHTS) as progress:
        outcome = run(request, progress)
    for path in outcome.written:
        print(path)
    return 0
