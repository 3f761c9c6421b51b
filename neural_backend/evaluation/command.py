"""`mien evaluate MODEL ...`: the evaluations that have a command of their own."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from ..protocol.errors import MienError

PARTS = ("views", "subjects", "lights", "transfer", "linearity")


def add(commands: argparse._SubParsersAction) -> None:
    """The `evaluate` command of the command line."""
    evaluate = commands.add_parser("evaluate", help="measure a model that Mien ships on captures it has not seen")
    models = evaluate.add_subparsers(dest="model", required=True, metavar="MODEL")
    vrmm = models.add_parser("vrmm", help="the volume, on the splits held_out and lights of 'mien stage'")
    vrmm.add_argument("captures", type=Path, metavar="CAPTURES", help="folder that holds held_out and lights")
    vrmm.add_argument("-o", "--output", type=Path, required=True, metavar="REPORT", help="folder for table and sheets")
    vrmm.add_argument("--weights", type=Path, help="the volume's weights (default: those that come with Mien)")
    vrmm.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    vrmm.add_argument("--inversion-steps", type=int, default=120)
    vrmm.add_argument("--seed", type=int, default=0)


def run(arguments: argparse.Namespace) -> int:
    """Measure, write the report, print the table.

    Raises:
        MienError: weights or captures cannot be used.
    """
    from ..head.template import HeadTemplate
    from ..lightstage.captures import CaptureSet
    from ..models.vrmm.vrmm import VRMM
    from ..perception.face import FacePerception
    from ..tasks.render_volume import WEIGHTS
    from .vrmm.report import Evaluation, feature_distance, write_report

    logging.getLogger("neural_backend.evaluation").setLevel(logging.INFO)
    needed = {"views": "held_out", "subjects": "held_out", "transfer": "held_out", "lights": "lights"}
    for split in sorted({needed[part] for part in arguments.parts if part in needed}):
        CaptureSet.open(arguments.captures / split)  # before anything is measured: an hour's numbers must not be lost
    model = VRMM.load(arguments.weights or WEIGHTS, HeadTemplate.load())
    evaluation = Evaluation(model, arguments.captures, feature_distance(), arguments.seed)
    extra: dict[str, object] = {}
    parts = set(arguments.parts)
    if "linearity" in parts:
        extra["linearity"] = evaluation.linearity()
    if "views" in parts:
        evaluation.views()
    if "lights" in parts:
        evaluation.lights()
    if "transfer" in parts:
        extra["transfer"] = evaluation.transfer(FacePerception.load("cpu"))
    if "subjects" in parts:
        evaluation.subjects(arguments.inversion_steps)
    if not evaluation.rows and not extra:
        raise MienError("no_captures", "None of the captures shows a subject for these parts: render the splits first.")
    print(write_report(arguments.output, evaluation.rows, extra))
    return 0
