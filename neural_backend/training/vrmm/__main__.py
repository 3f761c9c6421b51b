"""python -m neural_backend.training.vrmm CAPTURES -o RUN: what `mien train vrmm` does, for torchrun."""

from __future__ import annotations

import argparse
import logging
import sys

from ...protocol.errors import MienError
from .command import add_arguments, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m neural_backend.training.vrmm", description=__doc__)
    add_arguments(parser)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(message)s")
    try:
        return run(arguments)
    except MienError as error:
        print(error.sentence, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
