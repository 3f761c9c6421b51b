"""`mien train vrmm CAPTURES -o RUN`, also `python -m neural_backend.training.vrmm` (and under torchrun)."""

from __future__ import annotations

import argparse
import logging
import signal
from dataclasses import replace
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `mien train vrmm`."""
    parser.add_argument("captures", type=Path, metavar="CAPTURES", help="folder of captures (docs/lightstage.md)")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="RUN", help="folder of this run")
    parser.add_argument("--recipe", choices=("two_cores", "short_gpu", "large_gpu"), default="two_cores")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--minutes", type=float, help="stop after this long and save; run again to go on")
    parser.add_argument("--steps", type=int, help="length of the schedule (default by recipe)")
    parser.add_argument("--batch", type=int, help="pictures per step, over all processes")
    parser.add_argument("--rate", type=float, help="Adam's rate")
    parser.add_argument("--start", type=Path, metavar="WEIGHTS", help="begin a new run from these weights")
    parser.add_argument("--crop", type=int, help="compare random pieces of this many pixels, for speed")
    parser.add_argument(
        "--teach-geometry", type=int, default=0, metavar="N", help="N steps of geometry before going on"
    )
    parser.add_argument(
        "--teach-reading", type=int, default=0, metavar="N", help="N steps of E_e and E_T alone before going on"
    )
    parser.add_argument("--no-consistency", action="store_true", help="leave out equations 12 and 13 (figure 7)")
    parser.add_argument("--no-shading-maps", action="store_true", help="the light as a flat vector alone")
    parser.add_argument("--no-flat-light", action="store_true", help="the light as shading maps alone")
    parser.add_argument("--withhold-geometry", action="store_true", help="learn from pictures, cameras, lights alone")
    parser.add_argument("--seed", type=int, default=0)


def recipe_of(arguments: argparse.Namespace):
    """The Recipe that the options ask for."""
    from .recipe import RECIPES

    recipe = RECIPES[arguments.recipe]
    given = {name: getattr(arguments, name) for name in ("steps", "batch", "rate", "crop", "seed")}
    recipe = replace(recipe, **{name: value for name, value in given.items() if value is not None})
    if arguments.no_consistency:
        recipe = replace(recipe, consistency_from=recipe.steps)
    config = replace(recipe.config, shading_maps=not arguments.no_shading_maps, flat_light=not arguments.no_flat_light)
    return replace(recipe, config=config, withhold=arguments.withhold_geometry)


def run(arguments: argparse.Namespace) -> int:
    """Train; returns the exit code."""
    from ...protocol.errors import MienError
    from ...rendering.device import choose_device
    from .processes import Processes
    from .train import Trainer

    logging.getLogger("neural_backend.training").setLevel(logging.INFO)
    if arguments.no_shading_maps and arguments.no_flat_light:
        raise MienError("bad_option", "Without shading maps and flat light no light can enter: leave one of them.")
    for name in ("steps", "batch", "rate", "minutes"):
        value = getattr(arguments, name)
        if value is not None and not value > 0:
            raise MienError("bad_option", f"The option --{name} must be above 0, not {value:g}.")
    if min(arguments.seed, arguments.teach_geometry, arguments.teach_reading, arguments.crop or 0) < 0:
        raise MienError("bad_option", "Seed, crop and the steps of teaching must not be negative.")
    if not (arguments.captures / "stage.json").is_file():
        raise MienError(
            "no_captures", f"{arguments.captures} is not a folder of captures: make one as docs/lightstage.md says."
        )
    device = choose_device(arguments.device)
    processes = Processes.join(device)
    try:
        recipe = recipe_of(arguments)
        if recipe.batch % processes.count:
            raise MienError(
                "bad_option",
                f"A batch of {recipe.batch} does not share out over {processes.count} processes: change --batch.",
            )
        trainer = Trainer(recipe, arguments.captures, arguments.output, device, processes, start=arguments.start)
        for number in (signal.SIGINT, signal.SIGTERM):  # what was learned is saved; a second Ctrl-C ends at once
            signal.signal(number, lambda *_: (trainer.ask_to_stop(), signal.signal(signal.SIGINT, signal.SIG_DFL)))
        if trainer.step or trainer.started:
            trainer.teach_geometry(arguments.teach_geometry)
            trainer.teach_reading(arguments.teach_reading)
        trainer.run(arguments.minutes)
        if processes.first:
            print(arguments.output)
    finally:
        processes.leave()
    return 0
