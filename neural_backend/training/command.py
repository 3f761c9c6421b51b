"""`mien train MODEL ...`: the trainings that have a command of their own."""

from __future__ import annotations

import argparse

from .vrmm import command as vrmm

MODELS = {"vrmm": (vrmm, "the volume: VRMM, from captures of a light stage, virtual or real")}


def add(commands: argparse._SubParsersAction) -> None:
    """The `train` command of the command line."""
    train = commands.add_parser("train", help="train a model that Mien ships, on your own captures if you like")
    models = train.add_subparsers(dest="model", required=True, metavar="MODEL")
    for name, (module, text) in MODELS.items():
        module.add_arguments(models.add_parser(name, help=text))


def run(arguments: argparse.Namespace) -> int:
    return MODELS[arguments.model][0].run(arguments)
